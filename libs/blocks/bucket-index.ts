/**
 * `bucket-index.json.gz`: all blocks of a tenant and their marks in one object, in Mimir's JSON, so that readers need no LIST.
 * Owns the format (versions 1 and 2 are read, 2 is written), the bounds on what is unpacked, and the generation. What we
 * add lies in fields named `maru...`, which others ignore and drop when they write; then we know less, never something wrong. Lists of blocks
 * that several entries have, as all outputs of a job do, stand once in `maru_lists`, and in the entries their numbers.
 * Times in the file are seconds, those of blocks milliseconds.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { type JsonPiece, jsonElements, jsonMembers, parseJson, shownJson } from '../std/json-pieces.ts';
import { Turns } from '../std/turns.ts';
import type { BlockMeta } from '../tsdb/block/meta.ts';
import { isUlid, type Ulid } from '../tsdb/block/ulid.ts';
import { getSmall } from './get-small.ts';
import { bucketIndexKey } from './paths.ts';

/** A block as the index tells of it. */
export interface IndexedBlock {
  readonly ulid: Ulid;
  /** Samples lie in [minTime, maxTime). */
  readonly minTime: number;
  readonly maxTime: number;
  readonly uploadedAtMs: number;
  /** Chunk files 000001 to this; 0 where that is not known. */
  readonly segmentCount: number;
  readonly compactionLevel: number;
  readonly outOfOrder: boolean;
  /** `receive`, `compactor`, ... */
  readonly source: string;
  /** External labels, `__compactor_shard_id__` among them. */
  readonly labels: ReadonlyMap<string, string>;
  /** Undefined where a stranger wrote the entry: then meta.json tells. */
  readonly details: IndexedDetails | undefined;
}

/** What we know of a block beyond Mimir's fields: enough to plan and to open it without another request. */
export interface IndexedDetails {
  readonly numSeries: number;
  readonly numSamples: number;
  readonly numChunks: number;
  readonly resolutionMs: number;
  readonly indexBytes: number;
  /** Of chunk files 000001, 000002, ... */
  readonly segmentBytes: readonly number[];
  /** 0 where there are no tombstones. */
  readonly tombstonesBytes: number;
  /** Level-1 blocks whose samples are in it. */
  readonly sources: readonly Ulid[];
  readonly jobOutputs: readonly Ulid[];
}

export interface IndexedMark {
  readonly ulid: Ulid;
  readonly markedAtMs: number;
}

export interface BucketIndex {
  readonly blocks: readonly IndexedBlock[];
  readonly deletionMarks: readonly IndexedMark[];
  readonly noCompact: readonly Ulid[];
  readonly updatedAtMs: number;
  /** Rises with every writing; 0 where a stranger wrote it. */
  readonly generation: number;
  /** Entries that are none, by their own words: named by whoever reads, and left out. */
  readonly problems: readonly string[];
  /** Where there is no index: blocks that lie in the bucket all the same, and of which nothing is known. */
  readonly unindexed?: readonly Ulid[];
}

export interface StoredBucketIndex {
  readonly index: BucketIndex;
  /** Of the object, for the next conditional put. */
  readonly version: string;
}

const writtenVersion = 2;
const versionMax = 2;
const segmentsFormat = '1b6d';
const shardLabel = '__compactor_shard_id__';
const knownFields: readonly string[] = [
  'version',
  'blocks',
  'block_deletion_marks',
  'updated_at',
  'maru',
  'maru_lists',
];
const listBegin = 0x5b;
const nullBegin = 0x6e;
const packedBytesMax = 16 << 20;
/** A block's entry has some 500 bytes, and the sources of a day of 60 ingesters 20 KiB: room for years. */
const unpackedBytesMax = 64 << 20;
/** One entry of it, and what we add beside the blocks. */
const entryMax = { bytes: 1 << 20, values: 50_000, depth: 8 };
/** What an entry says at most of what the meta.json of its block has in any length: the entry is within its bytes, however it is written. */
const entryListedMax = 20_000;
const entryCharactersMax = 16 << 10;
const ownMax = { bytes: 8 << 20, values: 300_000, depth: 8 };
/** An index with more entries that are none is no index. */
const problemsMax = 1_000;
const updateAttemptsMax = 8;
const gunzipAsync = promisify(gunzip);
const gzipAsync = promisify(gzip);

export const emptyBucketIndex: BucketIndex = {
  blocks: [],
  deletionMarks: [],
  noCompact: [],
  updatedAtMs: 0,
  generation: 0,
  problems: [],
};

/**
 * The index of a tenant; undefined if there is none.
 * @throws Failure `bad_data` where it cannot be understood
 */
export async function readBucketIndex(
  bucket: Bucket,
  tenant: TenantId,
  signal: AbortSignal,
): Promise<StoredBucketIndex | undefined> {
  const key = bucketIndexKey(tenant);
  try {
    const { bytes, version } = await getSmall(bucket, key, packedBytesMax, signal);
    return { index: await decodeBucketIndex(`${bucket.name}/${key}`, bytes, signal), version };
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not_found') return undefined;
    throw error;
  }
}

/**
 * Writes the next index: `change` of the one that stands there, read again and repeated when another was faster.
 * @param change may be called several times; undefined leaves the index as it is. Generation and time are set here.
 * @returns what stands in the bucket now, read back
 */
export async function updateBucketIndex(
  bucket: Bucket,
  tenant: TenantId,
  nowMs: number,
  change: (
    old: BucketIndex | undefined,
  ) =>
    | Omit<BucketIndex, 'generation' | 'updatedAtMs' | 'problems'>
    | undefined
    | Promise<Omit<BucketIndex, 'generation' | 'updatedAtMs' | 'problems'> | undefined>,
  signal: AbortSignal,
): Promise<StoredBucketIndex | undefined> {
  const key = bucketIndexKey(tenant);
  for (let attempt = 1; ; attempt++) {
    const standing = await readForUpdate(bucket, tenant, signal);
    const next = await change(standing.index);
    if (next === undefined)
      return standing.index === undefined ? undefined : await readBucketIndex(bucket, tenant, signal);
    // Never below the clock: an index that was lost and is written anew is not taken for an older one.
    const generation = Math.max((standing.index?.generation ?? 0) + 1, Math.floor(nowMs / 1000));
    const bytes = await encodeBucketIndex(`${bucket.name}/${key}`, {
      ...next,
      generation,
      updatedAtMs: nowMs,
      problems: [],
    });
    try {
      const condition = standing.version === undefined ? 'absent' : { version: standing.version };
      await bucket.put(key, bytes, { condition, signal });
    } catch (error) {
      const lost = error instanceof Failure && error.kind === 'precondition_failed';
      if (!lost || attempt === updateAttemptsMax) throw error;
      continue;
    }
    return readBucketIndex(bucket, tenant, signal);
  }
}

/** An index that cannot be understood is as good as none for whoever writes the next, but for its version. */
async function readForUpdate(
  bucket: Bucket,
  tenant: TenantId,
  signal: AbortSignal,
): Promise<{ index: BucketIndex | undefined; version: string | undefined }> {
  try {
    const stored = await readBucketIndex(bucket, tenant, signal);
    return { index: stored?.index, version: stored?.version };
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'bad_data') throw error;
    return { index: undefined, version: (await bucket.stat(bucketIndexKey(tenant), signal))?.version };
  }
}

/** Whether `next` may replace `known` in a reader: generations never go back. */
export function isNewerIndex(known: BucketIndex, next: BucketIndex): boolean {
  // A stranger writes no generation; then the time it says decides.
  if (next.generation === 0 || known.generation === 0) return next.updatedAtMs >= known.updatedAtMs;
  return next.generation >= known.generation;
}

/**
 * What an index says of a block, from its meta.json. Of one that says more than an entry can hold the entry has no details: an index that
 * nobody can read would hide all blocks, and this one is read by what its meta.json says.
 */
export function indexedBlock(meta: BlockMeta, uploadedAtMs: number, sizes: ReadonlyMap<string, number>): IndexedBlock {
  const block = wholeEntry(meta, uploadedAtMs, sizes);
  const { source, labels, details } = block;
  const { sources = [], jobOutputs = [], segmentBytes = [] } = details ?? {};
  let characters = source.length;
  for (const [name, value] of labels) characters += name.length + value.length;
  const listed = sources.length + jobOutputs.length + segmentBytes.length;
  if (listed <= entryListedMax && characters <= entryCharactersMax) return block;
  if (characters <= entryCharactersMax) return { ...block, details: undefined };
  const shard = labels.get(shardLabel) ?? '';
  const isShort = shard !== '' && shard.length <= entryCharactersMax;
  return { ...block, source: '', labels: new Map(isShort ? [[shardLabel, shard]] : []), details: undefined };
}

function wholeEntry(meta: BlockMeta, uploadedAtMs: number, sizes: ReadonlyMap<string, number>): IndexedBlock {
  const segments = [...sizes.keys()].filter((name) => name.startsWith('chunks/')).sort();
  const numbered = segments.every((name, i) => name === `chunks/${segmentFileName(i)}`);
  const indexBytes = sizes.get('index');
  return {
    ulid: meta.ulid,
    minTime: meta.minTime,
    maxTime: meta.maxTime,
    uploadedAtMs,
    segmentCount: numbered ? segments.length : 0,
    compactionLevel: meta.compaction.level,
    outOfOrder: meta.compaction.hints.includes('from-out-of-order'),
    source: meta.thanos.source,
    labels: meta.thanos.labels,
    details:
      indexBytes === undefined || !numbered
        ? undefined
        : {
            numSeries: meta.stats.numSeries,
            numSamples: meta.stats.numSamples,
            numChunks: meta.stats.numChunks,
            resolutionMs: meta.thanos.resolutionMs,
            indexBytes,
            segmentBytes: segments.map((name) => sizes.get(name) ?? 0),
            tombstonesBytes: sizes.get('tombstones') ?? 0,
            sources: meta.compaction.sources,
            jobOutputs: meta.jobOutputs,
          },
  };
}

function segmentFileName(index: number): string {
  return String(index + 1).padStart(6, '0');
}

/** @throws Failure `internal` where nobody would read it: the one that stands there stays */
async function encodeBucketIndex(name: string, index: BucketIndex): Promise<Uint8Array> {
  const lists = new SharedLists(index.blocks);
  const json = {
    version: writtenVersion,
    blocks: index.blocks.map((block) => ({
      block_id: block.ulid,
      min_time: block.minTime,
      max_time: block.maxTime,
      segments_format: block.segmentCount > 0 ? segmentsFormat : undefined,
      segments_num: block.segmentCount > 0 ? block.segmentCount : undefined,
      uploaded_at: Math.floor(block.uploadedAtMs / 1000),
      compactor_shard_id: block.labels.get(shardLabel) || undefined,
      source: block.source || undefined,
      compaction_level: block.compactionLevel || undefined,
      out_of_order: block.outOfOrder || undefined,
      labels: block.labels.size > 0 ? Object.fromEntries(block.labels) : undefined,
      maru: block.details && {
        ...block.details,
        sources: lists.written(block.details.sources),
        jobOutputs: lists.written(block.details.jobOutputs),
      },
    })),
    block_deletion_marks: index.deletionMarks.map(({ ulid, markedAtMs }) => ({
      block_id: ulid,
      deletion_time: Math.floor(markedAtMs / 1000),
    })),
    updated_at: Math.floor(index.updatedAtMs / 1000),
    maru: { generation: index.generation, no_compact: index.noCompact },
    maru_lists: lists.shared.length > 0 ? lists.shared : undefined,
  };
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  const packed = await gzipAsync(bytes);
  if (bytes.length > unpackedBytesMax || packed.length > packedBytesMax) {
    const max = `at most ${packedBytesMax} and ${unpackedBytesMax} are read`;
    throw new Failure('internal', `${name} would have ${packed.length} bytes, and ${bytes.length} unpacked: ${max}`);
  }
  return packed;
}

/** Lists of blocks by what they say: those that more than one entry has are shared. */
class SharedLists {
  readonly shared: (readonly Ulid[])[] = [];
  /** By text: the number of a list; undefined where it is not shared. */
  readonly #numbers = new Map<string, number | undefined>();
  readonly #texts = new Map<readonly Ulid[], string>();

  constructor(blocks: readonly IndexedBlock[]) {
    for (const { details } of blocks) {
      if (details === undefined) continue;
      for (const list of [details.sources, details.jobOutputs]) {
        if (list.length < 2) continue;
        const text = this.#textOf(list);
        if (!this.#numbers.has(text)) this.#numbers.set(text, undefined);
        else if (this.#numbers.get(text) === undefined) this.#numbers.set(text, this.shared.push(list) - 1);
      }
    }
  }

  /** What is written for a list. */
  written(list: readonly Ulid[]): number | readonly Ulid[] {
    return this.#numbers.get(this.#textOf(list)) ?? list;
  }

  #textOf(list: readonly Ulid[]): string {
    let text = this.#texts.get(list);
    if (text === undefined) this.#texts.set(list, (text = list.join('')));
    return text;
  }
}

/** @throws Failure `bad_data` */
async function decodeBucketIndex(name: string, packed: Uint8Array, signal: AbortSignal): Promise<BucketIndex> {
  try {
    const bytes = await gunzipAsync(packed, { maxOutputLength: unpackedBytesMax });
    return await new IndexText(name, bytes).decode(signal);
  } catch (cause) {
    if (cause instanceof Failure || signal.aborted) throw cause;
    throw new Failure('bad_data', `${name} is no gzip of JSON within ${unpackedBytesMax} bytes`, { cause });
  }
}

/** The text of an index: read entry by entry, so that other work goes on beside a large one, and none costs more than its length. */
class IndexText {
  readonly #name: string;
  readonly #bytes: Uint8Array;
  readonly #problems: string[] = [];

  constructor(name: string, bytes: Uint8Array) {
    this.#name = name;
    this.#bytes = bytes;
  }

  async decode(signal: AbortSignal): Promise<BucketIndex> {
    const name = this.#name;
    const fields = await this.#fields(signal);
    const said = (field: string, max = entryMax): unknown => {
      const piece = fields.get(field);
      return piece === undefined ? undefined : parseJson(this.#bytes, piece, max);
    };
    const version = said('version');
    if (version !== 1 && version !== 2) {
      throw new Failure('bad_data', `${name} has version ${shownJson(version)}, known are 1 to ${versionMax}`);
    }
    const lists = await this.#lists(fields, signal);
    const blocks = new Map<Ulid, IndexedBlock>();
    await this.#each(fields, 'blocks', signal, (entry) => {
      const ulid = entry?.['block_id'];
      if (typeof ulid !== 'string' || !isUlid(ulid)) this.#problem(`${shownJson(ulid)} is no ULID of a block`);
      else if (!blocks.has(ulid)) blocks.set(ulid, decodeBlock(name, ulid, entry ?? {}, lists));
    });
    const deletionMarks: IndexedMark[] = [];
    await this.#each(fields, 'block_deletion_marks', signal, (entry) => {
      const ulid = entry?.['block_id'];
      const seconds = entry?.['deletion_time'];
      if (typeof ulid === 'string' && isUlid(ulid) && isWhole(seconds)) {
        deletionMarks.push({ ulid, markedAtMs: seconds * 1000 });
      } else {
        this.#problem(`there is no deletion mark of ${shownJson(ulid)} at ${shownJson(seconds)}`);
      }
    });
    const own = recordOf(said('maru', ownMax)) ?? {};
    const updatedAt = said('updated_at');
    return {
      blocks: [...blocks.values()],
      deletionMarks,
      noCompact: ulidsOf(own['no_compact']) ?? [],
      updatedAtMs: isWhole(updatedAt) ? updatedAt * 1000 : 0,
      generation: isWhole(own['generation']) && own['generation'] > 0 ? own['generation'] : 0,
      problems: this.#problems,
    };
  }

  /** Where the fields that we know stand. */
  async #fields(signal: AbortSignal): Promise<Map<string, JsonPiece>> {
    const turns = new Turns();
    const fields = new Map<string, JsonPiece>();
    for (const { name, value } of jsonMembers(this.#bytes, { begin: 0, end: this.#bytes.length })) {
      if (turns.isOver) await turns.next(signal);
      const field = knownFields.find((known) => known.length + 2 === name.end - name.begin && this.#is(name, known));
      if (field !== undefined) fields.set(field, value);
    }
    return fields;
  }

  #is({ begin }: JsonPiece, field: string): boolean {
    for (let i = 0; i < field.length; i++) if (this.#bytes[begin + 1 + i] !== field.charCodeAt(i)) return false;
    return true;
  }

  async #each(
    fields: ReadonlyMap<string, JsonPiece>,
    field: string,
    signal: AbortSignal,
    take: (entry: Readonly<Record<string, unknown>> | undefined) => void,
  ): Promise<void> {
    const list = fields.get(field);
    // Go writes a list without elements as null.
    if (list === undefined || this.#bytes[list.begin] === nullBegin) return;
    if (this.#bytes[list.begin] !== listBegin) throw new Failure('bad_data', `${this.#name}: ${field} is not a list`);
    const turns = new Turns();
    for (const piece of jsonElements(this.#bytes, list)) {
      if (turns.isOver) await turns.next(signal);
      take(recordOf(parseJson(this.#bytes, piece, entryMax)));
    }
  }

  /** Lists that entries refer to; undefined for one that is none. */
  async #lists(fields: ReadonlyMap<string, JsonPiece>, signal: AbortSignal): Promise<(Ulid[] | undefined)[]> {
    const list = fields.get('maru_lists');
    if (list === undefined || this.#bytes[list.begin] !== listBegin) return [];
    const turns = new Turns();
    const lists: (Ulid[] | undefined)[] = [];
    for (const piece of jsonElements(this.#bytes, list)) {
      if (turns.isOver) await turns.next(signal);
      lists.push(ulidsOf(parseJson(this.#bytes, piece, entryMax)));
    }
    return lists;
  }

  #problem(text: string): void {
    if (this.#problems.length === problemsMax) {
      throw new Failure('bad_data', `${this.#name} has more than ${problemsMax} entries that are none`);
    }
    this.#problems.push(`${this.#name}: ${text}`);
  }
}

/** A ULID whose entry lies is an error of the whole index: leaving it out would leave its samples out. */
function decodeBlock(
  name: string,
  ulid: Ulid,
  entry: Readonly<Record<string, unknown>>,
  lists: readonly (Ulid[] | undefined)[],
): IndexedBlock {
  const wrong = (field: string): Failure =>
    new Failure('bad_data', `${name}: ${field} of block ${ulid} is ${shownJson(entry[field])}`);
  const minTime = entry['min_time'];
  const maxTime = entry['max_time'];
  if (!isWhole(minTime)) throw wrong('min_time');
  if (!isWhole(maxTime) || maxTime < minTime) throw wrong('max_time');
  const labels = new Map<string, string>();
  for (const [key, value] of Object.entries(recordOf(entry['labels']) ?? {})) {
    if (typeof value !== 'string') throw wrong('labels');
    labels.set(key, value);
  }
  const shard = entry['compactor_shard_id'];
  if (typeof shard === 'string' && shard !== '') labels.set(shardLabel, shard);
  const segmentsKnown = entry['segments_format'] === segmentsFormat;
  return {
    ulid,
    minTime,
    maxTime,
    uploadedAtMs: countOf(entry['uploaded_at']) * 1000,
    segmentCount: segmentsKnown ? countOf(entry['segments_num']) : 0,
    compactionLevel: countOf(entry['compaction_level']),
    outOfOrder: entry['out_of_order'] === true,
    source: typeof entry['source'] === 'string' ? entry['source'] : '',
    labels,
    details: decodeDetails(entry['maru'], lists),
  };
}

function decodeDetails(value: unknown, lists: readonly (Ulid[] | undefined)[]): IndexedDetails | undefined {
  const own = recordOf(value);
  const segments = own?.['segmentBytes'];
  const listOf = (said: unknown): Ulid[] | undefined => (isCount(said) ? lists[said] : ulidsOf(said));
  const sources = listOf(own?.['sources']);
  const jobOutputs = listOf(own?.['jobOutputs']);
  if (own === undefined || sources === undefined || jobOutputs === undefined) return undefined;
  if (!Array.isArray(segments) || !segments.every(isCount) || !isCount(own['indexBytes'])) return undefined;
  return {
    numSeries: countOf(own['numSeries']),
    numSamples: countOf(own['numSamples']),
    numChunks: countOf(own['numChunks']),
    resolutionMs: countOf(own['resolutionMs']),
    indexBytes: own['indexBytes'],
    segmentBytes: segments,
    tombstonesBytes: countOf(own['tombstonesBytes']),
    sources,
    jobOutputs,
  };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  // Without a prototype: a field may be called __proto__.
  return Object.assign(Object.create(null), value) as Record<string, unknown>;
}

function ulidsOf(value: unknown): Ulid[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const ulids = value.filter((one): one is Ulid => typeof one === 'string' && isUlid(one));
  return ulids.length === value.length ? ulids : undefined;
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);
const isCount = (value: unknown): value is number => isWhole(value) && value >= 0;
const countOf = (value: unknown): number => (isCount(value) ? value : 0);
