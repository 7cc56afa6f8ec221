/**
 * One block of the bucket as the gateway holds it: found by name, its header built or opened, its lookup loaded when asked.
 * Owns these states, and the quarantine: a block whose bytes are not what they must be is set aside for a while, with its reason,
 * and what was kept of it is let go, so that damage of the local disk or of memory is not taken for damage of the block for ever.
 */
import { blockFileReader, blockFileSizes } from '../../libs/blocks/block-files.ts';
import type { IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import { fetchMeta } from '../../libs/blocks/fetch-metas.ts';
import { blockKey, metaName } from '../../libs/blocks/paths.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { type Disk, errorCode } from '../../libs/std/disk.ts';
import type { RangeReader } from '../../libs/std/range-reader.ts';
import { untilAborted } from '../../libs/std/until-aborted.ts';
import { BlockSource } from '../../libs/tsdb/block/block-source.ts';
import { segmentName } from '../../libs/tsdb/block/chunks-file.ts';
import { CorruptBlock } from '../../libs/tsdb/block/corrupt-block.ts';
import {
  BadIndexHeader,
  buildIndexHeader,
  type HeaderedIndex,
  openIndexHeader,
} from '../../libs/tsdb/block/index-header.ts';
import { IndexLookup } from '../../libs/tsdb/block/index-lookup.ts';
import { KeptSeries } from '../../libs/tsdb/block/kept-series.ts';
import type { SeriesMemory } from '../../libs/tsdb/block/series-columns.ts';
import { parseTombstones, type Tombstones, tombstonesBytesMax } from '../../libs/tsdb/block/tombstones.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import type { BlockOrigin } from './fall-back.ts';
import type { HeaderFiles } from './header-files.ts';
import { cachedReader, countedReader, type MemoryPageCache, type ReadCounts } from './page-cache.ts';

export interface OpenBlockDeps {
  readonly bucket: Bucket;
  readonly disk: Disk;
  readonly headers: HeaderFiles;
  readonly cache: MemoryPageCache;
  readonly headerPostingsBytes: number;
  readonly lookupBytesMax: number;
  /** Of series that are kept decoded, all blocks together. */
  readonly keptSeries: SeriesMemory;
  /** Of all blocks together. */
  readonly allReads: Pick<ReadCounts, 'requests' | 'bytes'>;
  readonly quarantineMs: number;
  readonly nowMs: () => number;
  readonly onQuarantine: (tenant: TenantId, ulid: Ulid, reason: string) => void;
  /** A header was found damaged and will be built anew. */
  readonly onBadHeader: (reason: string) => void;
}

/** What is known of a block before its first byte is read. */
interface BlockFacts {
  readonly minTime: number;
  readonly maxTime: number;
  readonly numSeries: number;
  readonly numChunks: number;
  readonly indexBytes: number;
  readonly segmentBytes: readonly number[];
  readonly tombstonesBytes: number;
}

interface Opened {
  readonly facts: BlockFacts;
  readonly header: HeaderedIndex;
  readonly tombstones: Tombstones;
  /** Of its chunks, where the bucket is a folder. */
  readonly directory: string | undefined;
}

export interface Quarantine {
  readonly reason: string;
  readonly sinceMs: number;
}

export class GatewayBlock {
  readonly tenant: TenantId;
  readonly ulid: Ulid;
  readonly #deps: OpenBlockDeps;
  #opening: Promise<Opened> | undefined;
  /** What that came to: whoever finds it here need not wait, and most do. */
  #opened: Opened | undefined;
  #lookup: Promise<IndexLookup> | undefined;
  #loaded: IndexLookup | undefined;
  #lookupBytes = 0;
  /** What is in memory of the header that is open; undefined where none is. */
  #headerBytes: number | undefined;
  #kept: KeptSeries | undefined;
  #users = 0;
  #quarantine: Quarantine | undefined;
  /** Of a header: the next one is built when it is over. */
  #removing: Promise<unknown> | undefined;
  usedAtMs = 0;
  /** As its meta.json says, where that was read. */
  origin: BlockOrigin | undefined;

  constructor(tenant: TenantId, ulid: Ulid, deps: OpenBlockDeps) {
    this.tenant = tenant;
    this.ulid = ulid;
    this.#deps = deps;
  }

  /** Memory of the header, the lookup and kept series. */
  get bytes(): number {
    return (this.#headerBytes ?? 0) + this.#lookupBytes + (this.#kept?.bytes ?? 0);
  }

  get isOpen(): boolean {
    return this.#opening !== undefined;
  }

  get isInUse(): boolean {
    return this.#users > 0;
  }

  /** Why it is set aside; undefined where it is not. */
  get quarantine(): Quarantine | undefined {
    const { nowMs, quarantineMs } = this.#deps;
    const sinceMs = this.#quarantine?.sinceMs ?? 0;
    // A clock that was set back does not lengthen it.
    if (Math.abs(nowMs() - sinceMs) > quarantineMs) this.#quarantine = undefined;
    return this.#quarantine;
  }

  /**
   * Does something with the block as a source. Its failures name the block.
   * @param known what the bucket index says of it
   * @param batchBytes see ChunkReaders
   */
  async use<T>(
    known: IndexedBlock | undefined,
    counts: ReadCounts,
    batchBytes: number,
    signal: AbortSignal,
    act: (source: BlockSource) => Promise<T>,
  ): Promise<T> {
    this.usedAtMs = this.#deps.nowMs();
    this.#users++;
    try {
      for (let isRetry = false; ; isRetry = true) {
        this.#refuseQuarantined();
        // Whoever has left opens nothing.
        signal.throwIfAborted();
        const opening = this.#open(known);
        const opened = this.#opened ?? (await untilAborted(opening, signal));
        try {
          return await act(this.#source(opened, counts, batchBytes));
        } catch (error) {
          if (isRetry || !(error instanceof BadIndexHeader)) throw error;
          this.#leaveHeader(opening, error);
        }
      }
    } catch (error) {
      throw await this.told(error);
    } finally {
      this.#users--;
    }
  }

  /** Builds the header where there is none, without anybody waiting. */
  async prepare(known: IndexedBlock): Promise<void> {
    if (this.quarantine !== undefined || this.#deps.headers.has(this.tenant, this.ulid)) return;
    this.#users++;
    try {
      await this.#open(known);
    } catch (error) {
      throw await this.told(error);
    } finally {
      this.#users--;
    }
  }

  /** Lets go of the lookup and the open file; both come again when asked. Does nothing while it is in use. */
  async release(): Promise<void> {
    if (this.#users > 0) return;
    const opening = this.#opening;
    this.#opening = undefined;
    await this.#letGo();
    const opened = await opening?.catch(() => undefined);
    await opened?.header[Symbol.asyncDispose]();
  }

  /** As release, where the file of the header is open: deleted, it takes the disk until it is closed. */
  async releaseFile(): Promise<void> {
    if (this.#headerBytes === 0) await this.release();
  }

  /** What a failure of this block's bytes is to whoever asked. Sets the block aside where that is the reason. */
  async told(error: unknown): Promise<unknown> {
    const name = `block ${this.ulid} of tenant ${this.tenant}`;
    if (error instanceof CorruptBlock) {
      this.#setAside(error.message);
      return new Failure('internal', `${name} is quarantined: ${error.message}`, { cause: error });
    }
    if (!(error instanceof Failure)) {
      // The local disk, or a header that was damaged or closed under a read.
      const isOfSystem = error instanceof BadIndexHeader || typeof errorCode(error) === 'string';
      return isOfSystem ? new Failure('unavailable', `${name}: ${String(error)}`, { cause: error }) : error;
    }
    if (error.kind === 'not_found') return this.#missing(name, error);
    if (error.kind !== 'unavailable' || error.message.startsWith(name)) return error;
    return new Failure('unavailable', `${name}: ${error.message}`, { cause: error });
  }

  /** A block without its meta.json is deleted; one that has it, and lacks another file, is damaged. */
  async #missing(name: string, cause: Failure): Promise<Failure> {
    const { bucket } = this.#deps;
    if (cause.message.startsWith(name)) return cause;
    try {
      const signal = new AbortController().signal;
      if ((await bucket.stat(blockKey(this.tenant, this.ulid, metaName), signal)) === undefined) {
        this.#forget();
        return new Failure('not_found', `${name} is not in the bucket`, { cause });
      }
    } catch (error) {
      return new Failure('unavailable', `${name}: ${error instanceof Error ? error.message : String(error)}`, {
        cause,
      });
    }
    this.#setAside(cause.message);
    return new Failure('internal', `${name} is quarantined: ${cause.message}`, { cause });
  }

  #refuseQuarantined(): void {
    const { quarantine } = this;
    if (quarantine === undefined) return;
    throw new Failure('internal', `block ${this.ulid} of tenant ${this.tenant} is quarantined: ${quarantine.reason}`);
  }

  #setAside(reason: string): void {
    const { nowMs, onQuarantine } = this.#deps;
    if (this.quarantine === undefined) onQuarantine(this.tenant, this.ulid, reason);
    this.#quarantine = { reason, sinceMs: nowMs() };
    this.#forget();
  }

  /** Drops every copy of its bytes. */
  #forget(): void {
    const { cache, headers } = this.#deps;
    cache.dropPrefix(`${this.tenant}/${this.ulid}/`);
    const opening = this.#opening;
    this.#opening = undefined;
    void this.#letGo();
    // Whoever still reads the file gets an error, and the block is set aside anyway.
    void opening?.then(({ header }) => header[Symbol.asyncDispose]()).catch(() => undefined);
    this.#removing = headers.remove(this.tenant, this.ulid).catch(() => undefined);
  }

  /** Lets go of what is in memory; resolves when nothing is read into it any more. */
  async #letGo(): Promise<void> {
    const kept = this.#kept;
    this.#kept = undefined;
    this.#opened = undefined;
    this.#lookup = undefined;
    this.#loaded = undefined;
    this.#lookupBytes = 0;
    this.#headerBytes = undefined;
    await kept?.end();
  }

  /** The file was damaged, or closed, under its readers: the next opening builds another. */
  #leaveHeader(opening: Promise<Opened>, { message }: BadIndexHeader): void {
    if (this.#opening !== opening) return;
    this.#deps.onBadHeader(message);
    this.#forget();
  }

  #open(known: IndexedBlock | undefined): Promise<Opened> {
    if (this.#opening !== undefined) return this.#opening;
    const opening: Promise<Opened> = this.#openNow(known).then(
      (opened) => {
        if (this.#opening !== opening) return opened;
        this.#headerBytes = opened.header.heldBytes;
        this.#opened = opened;
        return opened;
      },
      (error: unknown) => {
        if (this.#opening === opening) this.#opening = undefined;
        throw error;
      },
    );
    this.#opening = opening;
    return opening;
  }

  async #openNow(known: IndexedBlock | undefined): Promise<Opened> {
    // For all that wait: none of them alone stops it. The bucket has its own time-outs.
    const { signal } = new AbortController();
    await this.#removing;
    const facts = factsOf(known) ?? (await this.#readFacts(signal));
    const [header, tombstones] = await Promise.all([
      this.#openHeader(facts, signal),
      this.#readTombstones(facts, signal),
    ]);
    const directory = this.#deps.bucket.filePath(blockKey(this.tenant, this.ulid, 'chunks'));
    return { facts, header, tombstones, directory };
  }

  async #readFacts(signal: AbortSignal): Promise<BlockFacts> {
    const { bucket } = this.#deps;
    try {
      const meta = await fetchMeta(bucket, this.tenant, this.ulid, signal);
      this.origin = { sources: meta.compaction.sources, resolutionMs: meta.thanos.resolutionMs };
      const sizes = await blockFileSizes(bucket, this.tenant, meta, signal);
      const segmentBytes: number[] = [];
      for (
        let size = sizes.get(segmentPath(0));
        size !== undefined;
        size = sizes.get(segmentPath(segmentBytes.length))
      ) {
        segmentBytes.push(size);
      }
      return {
        minTime: meta.minTime,
        maxTime: meta.maxTime,
        numSeries: meta.stats.numSeries,
        numChunks: meta.stats.numChunks,
        indexBytes: sizes.get('index') ?? 0,
        segmentBytes,
        tombstonesBytes: sizes.get('tombstones') ?? 0,
      };
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'bad_data') throw error;
      throw new CorruptBlock(blockKey(this.tenant, this.ulid, metaName), 0, error.message, error);
    }
  }

  async #openHeader(facts: BlockFacts, signal: AbortSignal): Promise<HeaderedIndex> {
    const { disk, headers, headerPostingsBytes, onBadHeader } = this.#deps;
    const path = headers.path(this.tenant, this.ulid);
    if (await headers.find(this.tenant, this.ulid)) {
      try {
        const header = await openIndexHeader(disk, path, facts.indexBytes, signal);
        headers.keep(this.tenant, this.ulid, header.bytes);
        return header;
      } catch (error) {
        if (!(error instanceof BadIndexHeader) && errorCode(error) !== 'ENOENT') throw error;
        onBadHeader(error instanceof Error ? error.message : path);
        await headers.remove(this.tenant, this.ulid);
      }
    }
    const index = this.#file('index', facts.indexBytes);
    const makeRoom = async (bytes: number): Promise<void> => {
      if (await headers.makeRoom(bytes)) return;
      throw new Failure('unavailable', `the disk has no room for the ${bytes} bytes of its header`);
    };
    const built = await buildIndexHeader(index, disk, path, headerPostingsBytes, signal, makeRoom);
    headers.keep(this.tenant, this.ulid, built);
    const header = await openIndexHeader(disk, path, facts.indexBytes, signal);
    await headers.makeRoom(0);
    return header;
  }

  async #readTombstones({ tombstonesBytes }: BlockFacts, signal: AbortSignal): Promise<Tombstones> {
    if (tombstonesBytes === 0) return new Map();
    const reader = this.#file('tombstones', tombstonesBytes);
    if (tombstonesBytes > tombstonesBytesMax)
      throw new CorruptBlock(reader.name, 0, `${tombstonesBytes} bytes are none`);
    return parseTombstones(reader.name, await reader.read(0, tombstonesBytes, signal));
  }

  #source({ facts, header, tombstones, directory }: Opened, counts: ReadCounts, batchBytes: number): BlockSource {
    const { cache, allReads } = this.#deps;
    const readerOf = (relPath: string, size: number): RangeReader => {
      const key = blockKey(this.tenant, this.ulid, relPath);
      return cachedReader(countedReader(this.#file(relPath, size), counts, allReads), cache, key, counts);
    };
    const index = header.reader(readerOf('index', facts.indexBytes));
    // What is read once and kept, no query pays for, and no page of the cache makes room for.
    const whole = header.reader(this.#file('index', facts.indexBytes));
    // All series of a block are read at once: not where that takes requests.
    if (directory !== undefined) {
      this.#kept ??= new KeptSeries(this.#deps.keptSeries, facts, () => this.#load(whole));
    }
    const kept = this.#kept;
    const chunkBytes = facts.segmentBytes.reduce((sum, bytes) => sum + bytes, 0);
    return new BlockSource({
      lookup: (signal) => this.#loaded ?? untilAborted(this.#load(whole), signal),
      index,
      segment: (at) => {
        const size = facts.segmentBytes[at];
        if (size !== undefined) return readerOf(segmentPath(at), size);
        throw new CorruptBlock(index.name, 0, `it refers to chunk file ${at + 1} of ${facts.segmentBytes.length}`);
      },
      tombstones,
      ...(directory === undefined ? {} : { directory }),
      ...(kept === undefined ? {} : { columns: (wanted: number) => kept.columns(wanted) }),
      gapBytes: cacheGapBytes,
      batchBytes,
      chunkBytesAverage: facts.numChunks > 0 ? chunkBytes / facts.numChunks : 0,
      seriesCount: facts.numSeries,
      minTime: facts.minTime,
      maxTime: facts.maxTime,
    });
  }

  #load(index: RangeReader): Promise<IndexLookup> {
    if (this.#lookup === undefined) {
      const loading = IndexLookup.load(index, this.#deps.lookupBytesMax, new AbortController().signal);
      this.#lookup = loading;
      loading.then(
        (loaded) => {
          if (this.#lookup !== loading) return;
          this.#lookupBytes = loaded.bytes;
          this.#loaded = loaded;
        },
        () => {
          if (this.#lookup === loading) this.#lookup = undefined;
        },
      );
    }
    return this.#lookup;
  }

  #file(relPath: string, size: number): RangeReader {
    return blockFileReader(this.#deps.bucket, this.tenant, this.ulid, relPath, size);
  }
}

/** Pages are asked for one by one; a chunk apart is not worth a copy of what lies between. */
const cacheGapBytes = 1 << 10;
const segmentPath = (index: number): string => `chunks/${segmentName(index)}`;

function factsOf(known: IndexedBlock | undefined): BlockFacts | undefined {
  if (known?.details === undefined) return undefined;
  return { minTime: known.minTime, maxTime: known.maxTime, ...known.details };
}
