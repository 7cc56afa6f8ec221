/**
 * meta.json of a block: version 1, as Prometheus writes it, with the `thanos` section of Thanos and Mimir and a `maru` section of ours.
 * Owns the reading, which checks every field that we use and keeps every one that we do not know, and the writing.
 */
import { Failure } from '../../errors/failure.ts';
import { parseJson, shownJson } from '../../std/json-pieces.ts';
import { isUlid, type Ulid } from './ulid.ts';

export interface BlockStats {
  readonly numSamples: number;
  readonly numFloatSamples: number;
  readonly numHistogramSamples: number;
  readonly numSeries: number;
  readonly numChunks: number;
  readonly numTombstones: number;
}

/** A block that went into this one. */
export interface BlockParent {
  readonly ulid: Ulid;
  readonly minTime: number;
  readonly maxTime: number;
}

export interface BlockCompaction {
  /** 1 for a block cut from a head; one more than its highest source after a merge. */
  readonly level: number;
  /** The level-1 blocks whose samples are in this block. */
  readonly sources: readonly Ulid[];
  readonly parents: readonly BlockParent[];
  /** Prometheus': `from-out-of-order`, ... */
  readonly hints: readonly string[];
  readonly deletable: boolean;
  readonly failed: boolean;
}

export interface BlockFile {
  /** `index`, `chunks/000001`, `meta.json`. */
  readonly relPath: string;
  /** Absent for meta.json, which holds this list. */
  readonly sizeBytes: number | undefined;
}

/** What Thanos and Mimir add. */
export interface ThanosMeta {
  /** `__compactor_shard_id__` of a split block, `__out_of_order__`, external labels of foreign blocks. */
  readonly labels: ReadonlyMap<string, string>;
  /** Milliseconds; 0 is not downsampled. */
  readonly resolutionMs: number;
  /** `receive`, `compactor`, ... */
  readonly source: string;
  readonly segmentFiles: readonly string[];
  readonly files: readonly BlockFile[];
}

/** A range as it was when it was frozen (libs/tsdb/FORMAT.md). */
export interface CutFrom {
  readonly range: number;
  readonly generation: number;
  /** Offset of the first record of the log with a sample of it, where the log is kept elsewhere. */
  readonly loggedFrom?: number;
}

export interface BlockMeta {
  readonly ulid: Ulid;
  /** First millisecond, and the one behind the last. */
  readonly minTime: number;
  readonly maxTime: number;
  readonly stats: BlockStats;
  readonly compaction: BlockCompaction;
  readonly thanos: ThanosMeta;
  /** All blocks that the job which made this one has made, this one among them; empty where it was cut from a head, or is not ours. */
  readonly jobOutputs: readonly Ulid[];
  /** Which part of a head it was cut from, by the numbers of that data folder; undefined where it was merged, or is not ours. */
  readonly cutFrom: CutFrom | undefined;
  /** The file as it was read: fields unknown to us survive a rewrite. */
  readonly unknown: Readonly<Record<string, unknown>>;
}

/** What a writer of a block knows beside what it counts. */
export interface BlockMetaExtras {
  readonly minTime: number;
  readonly maxTime: number;
  /** Default: level 1, its own source, no parents. */
  readonly compaction?: Partial<BlockCompaction>;
  readonly thanos?: Partial<Omit<ThanosMeta, 'files' | 'segmentFiles'>>;
  readonly jobOutputs?: readonly Ulid[];
  readonly cutFrom?: CutFrom;
}

/** Larger is no meta.json of anybody's. */
export const metaBytesMax: number = 16 << 20;
/** Room for ten thousand sources and as many parents. */
const metaMax = { bytes: metaBytesMax, values: 100_000, depth: 100 };

const knownVersion = 1;

/**
 * Parses a meta.json.
 * @param name of the file, for the error
 * @throws Failure `bad_data` that names the file and the field; an unknown version is named
 */
export function parseMeta(name: string, bytes: Uint8Array): BlockMeta {
  if (bytes.length > metaBytesMax) throw new Failure('bad_data', `${name}: ${bytes.length} bytes are no meta.json`);
  let json: unknown;
  try {
    json = parseJson(bytes, { begin: 0, end: bytes.length }, metaMax);
  } catch (cause) {
    throw new Failure('bad_data', `${name} is not the JSON of a block`, { cause });
  }
  const meta = new Fields(name, '', json);
  const version = meta.integer('version');
  if (version !== knownVersion)
    throw new Failure('bad_data', `${name} has version ${version}, known is ${knownVersion}`);
  const thanos = meta.object('thanos');
  const thanosVersion = thanos.integer('version', 0);
  if (thanosVersion !== 0 && thanosVersion !== 1) {
    throw new Failure('bad_data', `${name}: its section thanos has version ${thanosVersion}, known is 1`);
  }
  const minTime = meta.integer('minTime');
  const maxTime = meta.integer('maxTime');
  if (minTime > maxTime) throw new Failure('bad_data', `${name}: minTime ${minTime} is after maxTime ${maxTime}`);
  return {
    ulid: meta.ulid('ulid'),
    minTime,
    maxTime,
    stats: parseStats(meta.object('stats')),
    compaction: parseCompaction(meta.object('compaction')),
    thanos: parseThanos(thanos),
    jobOutputs: meta.object('maru').ulids('jobOutputs'),
    cutFrom: parseCutFrom(meta.object('maru')),
    unknown: meta.json,
  };
}

function parseStats(stats: Fields): BlockStats {
  return {
    numSamples: stats.count('numSamples'),
    numFloatSamples: stats.count('numFloatSamples'),
    numHistogramSamples: stats.count('numHistogramSamples'),
    numSeries: stats.count('numSeries'),
    numChunks: stats.count('numChunks'),
    numTombstones: stats.count('numTombstones'),
  };
}

function parseCompaction(compaction: Fields): BlockCompaction {
  return {
    level: compaction.count('level'),
    sources: compaction.ulids('sources'),
    parents: compaction.list('parents').map((parent) => ({
      ulid: parent.ulid('ulid'),
      minTime: parent.integer('minTime'),
      maxTime: parent.integer('maxTime'),
    })),
    hints: compaction.texts('hints'),
    deletable: compaction.flag('deletable'),
    failed: compaction.flag('failed'),
  };
}

function parseCutFrom(maru: Fields): CutFrom | undefined {
  if (!maru.has('cutFrom')) return undefined;
  const cutFrom = maru.object('cutFrom');
  return {
    range: cutFrom.integer('range'),
    generation: cutFrom.integer('generation'),
    ...(cutFrom.has('loggedFrom') ? { loggedFrom: cutFrom.integer('loggedFrom') } : {}),
  };
}

function parseThanos(thanos: Fields): ThanosMeta {
  return {
    labels: thanos.textMap('labels'),
    resolutionMs: thanos.object('downsample').count('resolution'),
    source: thanos.text('source'),
    segmentFiles: thanos.texts('segment_files'),
    files: thanos.list('files').map((file) => ({
      relPath: file.text('rel_path'),
      sizeBytes: file.has('size_bytes') ? file.count('size_bytes') : undefined,
    })),
  };
}

/** meta.json of a block: what was read and not known stays, everything else is as `meta` says. */
export function encodeMeta(meta: BlockMeta): Uint8Array<ArrayBuffer> {
  const { stats, compaction, thanos } = meta;
  const unknown = new Fields('meta', '', meta.unknown);
  const json: Record<string, unknown> = {
    ...meta.unknown,
    ulid: meta.ulid,
    minTime: meta.minTime,
    maxTime: meta.maxTime,
    stats: { ...unknown.object('stats').json, ...withoutZeros(stats) },
    compaction: {
      ...unknown.object('compaction').json,
      level: compaction.level,
      sources: compaction.sources,
      deletable: compaction.deletable || undefined,
      parents: compaction.parents.length > 0 ? compaction.parents : undefined,
      failed: compaction.failed || undefined,
      hints: compaction.hints.length > 0 ? compaction.hints : undefined,
    },
    version: knownVersion,
    thanos: {
      ...unknown.object('thanos').json,
      version: 1,
      labels: Object.fromEntries(thanos.labels),
      downsample: { resolution: thanos.resolutionMs },
      source: thanos.source,
      segment_files: thanos.segmentFiles.length > 0 ? thanos.segmentFiles : undefined,
      files: thanos.files.length > 0 ? thanos.files.map(encodeFile) : undefined,
    },
  };
  if (meta.jobOutputs.length > 0 || meta.cutFrom !== undefined) {
    json['maru'] = {
      ...unknown.object('maru').json,
      jobOutputs: meta.jobOutputs.length > 0 ? meta.jobOutputs : undefined,
      cutFrom: meta.cutFrom,
    };
  }
  return new TextEncoder().encode(`${JSON.stringify(json, undefined, '\t')}\n`);
}

const encodeFile = ({ relPath, sizeBytes }: BlockFile) => ({ rel_path: relPath, size_bytes: sizeBytes });

/** As Go's `omitempty`. */
function withoutZeros(stats: BlockStats): Record<string, number | undefined> {
  return Object.fromEntries(Object.entries(stats).map(([name, count]) => [name, count === 0 ? undefined : count]));
}

/** An object of the file: reads its fields, names the one that is not what it must be. */
class Fields {
  readonly #file: string;
  readonly #path: string;
  readonly json: Readonly<Record<string, unknown>>;

  constructor(file: string, path: string, json: unknown) {
    this.#file = file;
    this.#path = path;
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw this.#wrong('', 'an object', json);
    // A copy without a prototype: a field may be called __proto__ or toString.
    this.json = Object.assign(Object.create(null), json) as Record<string, unknown>;
  }

  has(name: string): boolean {
    return this.json[name] !== undefined && this.json[name] !== null;
  }

  integer(name: string, absent?: number): number {
    if (absent !== undefined && !this.has(name)) return absent;
    const value = this.json[name];
    if (!Number.isSafeInteger(value)) throw this.#wrong(name, 'a whole number', value);
    return value as number;
  }

  /** 0 where it is absent. */
  count(name: string): number {
    const value = this.integer(name, 0);
    if (value < 0) throw this.#wrong(name, 'a count', value);
    return value;
  }

  flag(name: string): boolean {
    const value = this.json[name] ?? false;
    if (typeof value !== 'boolean') throw this.#wrong(name, 'true or false', value);
    return value;
  }

  text(name: string): string {
    const value = this.json[name] ?? '';
    if (typeof value !== 'string') throw this.#wrong(name, 'a text', value);
    return value;
  }

  texts(name: string): string[] {
    return this.#array(name).map((value) => {
      if (typeof value !== 'string') throw this.#wrong(name, 'a list of texts', value);
      return value;
    });
  }

  textMap(name: string): Map<string, string> {
    const map = new Map<string, string>();
    for (const [key, value] of Object.entries(this.object(name).json)) {
      if (typeof value !== 'string') throw this.#wrong(`${name}.${key}`, 'a text', value);
      map.set(key, value);
    }
    return map;
  }

  ulid(name: string): Ulid {
    const value = this.text(name);
    if (!isUlid(value)) throw this.#wrong(name, 'a ULID', value);
    return value;
  }

  ulids(name: string): Ulid[] {
    return this.texts(name).map((value) => {
      if (!isUlid(value)) throw this.#wrong(name, 'a list of ULIDs', value);
      return value;
    });
  }

  /** An empty one where it is absent. */
  object(name: string): Fields {
    return new Fields(this.#file, `${this.#path}${name}.`, this.json[name] ?? {});
  }

  list(name: string): Fields[] {
    return this.#array(name).map((value, i) => new Fields(this.#file, `${this.#path}${name}[${i}].`, value));
  }

  #array(name: string): readonly unknown[] {
    const value = this.json[name] ?? [];
    if (!Array.isArray(value)) throw this.#wrong(name, 'a list', value);
    return value;
  }

  #wrong(name: string, wanted: string, value: unknown): Failure {
    return new Failure('bad_data', `${this.#file}: ${this.#path}${name} is not ${wanted}: ${shownJson(value)}`);
  }
}
