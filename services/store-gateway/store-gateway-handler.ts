/**
 * The store-gateway behind its contract: sources over named blocks, merged.
 * Owns which blocks are held and how much memory their lookups take; those used longest ago are let go. A block that is set aside is
 * answered for by those that hold the same samples, while there are any (fall-back.ts). Does not own what a block
 * is (open-block.ts) nor which blocks a query needs (the querier says).
 */
import type { BucketIndex, IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import type { TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import type { BlockReads, BlocksSource, StoreGatewayContract } from '../../libs/contracts/store-gateway.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import { resumedChunks } from '../../libs/series/resume-chunks.ts';
import type { ChunkBatch, SelectedSeries, SeriesSource } from '../../libs/series/series-source.ts';
import { openFilesMax } from '../../libs/std/open-files.ts';
import type { BlockSource } from '../../libs/tsdb/block/block-source.ts';
import { SeriesMemory } from '../../libs/tsdb/block/series-columns.ts';
import { parseUlid, type Ulid } from '../../libs/tsdb/block/ulid.ts';
import { substitutesOf } from './fall-back.ts';
import { GatewayBlock, type OpenBlockDeps, type Quarantine } from './open-block.ts';
import type { ReadCounts } from './page-cache.ts';

export interface HandlerDeps extends Omit<OpenBlockDeps, 'keptSeries' | 'allReads'> {
  readonly indexes: TenantIndexes;
  /** Of all lookups and kept series together; those in use may be more. */
  readonly indexMemoryBytes: number;
  /** What a question over many blocks makes read at a time of all of them; absent: the default. */
  readonly batchBytesTotal?: number;
}

/** Part of that memory which series may take that are kept decoded. */
const keptSeriesPart = 1 / 4;
/** Blocks that are open: each has a file, and the process needs others. Those in use may be more. */
const openBlocksMax = Math.max(256, Math.min(16_384, Math.floor(openFilesMax() / 8)));
/**
 * What blocks take is looked at again when so many of every one that was open have been asked, or they have taken so much of their memory:
 * a look goes through all that are held.
 */
const partPerLook = 1 / 16;

/** All blocks of a question are read beside one another, each some batches ahead: with many of them the batches are smaller. */
const batchBytesTotalDefault = 64 << 20;
const batchBytesMin = 256 << 10;
const batchBytesMax = 4 << 20;

/** A question of so many blocks waits for the index where none is held: it says what each of them would ask the bucket for by itself. */
const indexedFrom = 4;

/** What one question reads of blocks. */
interface Reading {
  readonly counts: ReadCounts;
  readonly read: Set<Ulid>;
  readonly batchBytes: number;
  /** The tenant's index, for blocks that are not open; undefined where there is none at hand. */
  readonly index: (signal: AbortSignal) => BucketIndex | undefined | Promise<BucketIndex | undefined>;
}

/** A block as an operator sees it. */
export interface BlockState {
  readonly ulid: Ulid;
  /** Undefined where the bucket index does not have it. */
  readonly indexed: IndexedBlock | undefined;
  readonly markedAtMs: number | undefined;
  readonly isOpen: boolean;
  readonly memoryBytes: number;
  readonly quarantine: Quarantine | undefined;
}

export class StoreGatewayHandler implements StoreGatewayContract {
  readonly #deps: HandlerDeps & OpenBlockDeps;
  readonly #blocks = new Map<TenantId, Map<Ulid, GatewayBlock>>();
  readonly #entries = new WeakMap<BucketIndex, ReadonlyMap<Ulid, IndexedBlock>>();
  /** Blocks that were open at the last look at their memory, those asked since, and what these have taken since. */
  #openAtLook = 0;
  #askedSinceLook = 0;
  #takenSinceLook = 0;
  readonly counters = { queries: 0, blocksRead: 0, fallbacks: 0, requests: 0, bytes: 0 };

  constructor(deps: HandlerDeps) {
    this.#deps = {
      ...deps,
      allReads: this.counters,
      keptSeries: new SeriesMemory(deps.indexMemoryBytes * keptSeriesPart),
    };
    deps.headers.onMadeWay = async (tenant, ulid) => this.#blocks.get(tenant)?.get(ulid)?.releaseFile();
  }

  source(tenant: TenantId, blocks: readonly string[]): BlocksSource {
    const counts: ReadCounts = { requests: 0, bytes: 0, cachedBytes: 0 };
    const read = new Set<Ulid>();
    const names = [...new Set(blocks.map(parseUlid))];
    this.counters.queries++;
    const share = (this.#deps.batchBytesTotal ?? batchBytesTotalDefault) / Math.max(1, names.length);
    const batchBytes = Math.floor(Math.min(batchBytesMax, Math.max(batchBytesMin, share)));
    const { indexes } = this.#deps;
    let asked: Promise<BucketIndex | undefined> | undefined;
    const index: Reading['index'] = (signal) => {
      const held = indexes.held(tenant)?.index;
      if (held !== undefined || names.length < indexedFrom) return held;
      // Without it each block is found by its name.
      asked ??= indexes.of(tenant, signal).catch(() => undefined);
      return asked;
    };
    const sources = names.map((ulid) => this.#blockSource(tenant, ulid, { counts, read, batchBytes, index }));
    const reads = (): BlockReads => ({ blocks: [...read], ...counts });
    return { source: mergeSources(sources), reads };
  }

  /** Tenants of whom a block is held. */
  tenants(): Iterable<TenantId> {
    return this.#blocks.keys();
  }

  /** Whether anybody has asked for a block of a tenant since then. */
  isUsedSince(tenant: TenantId, sinceMs: number): boolean {
    for (const { usedAtMs } of this.#blocks.get(tenant)?.values() ?? []) if (usedAtMs >= sinceMs) return true;
    return false;
  }

  /** Every block that is held. */
  *held(): Iterable<GatewayBlock> {
    for (const blocks of this.#blocks.values()) yield* blocks.values();
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const block of this.held()) bytes += block.bytes;
    return bytes;
  }

  /** The block of that name, held from now on. */
  block(tenant: TenantId, ulid: Ulid): GatewayBlock {
    const blocks = this.#blocks.get(tenant) ?? new Map<Ulid, GatewayBlock>();
    const block = blocks.get(ulid) ?? new GatewayBlock(tenant, ulid, this.#deps);
    this.#blocks.set(tenant, blocks);
    blocks.set(ulid, block);
    return block;
  }

  /** What there is to know of a tenant's blocks, in the order of time. @throws Failure */
  async states(tenant: TenantId, signal: AbortSignal): Promise<BlockState[]> {
    const index = await this.#deps.indexes.of(tenant, signal);
    const indexed = new Map(index.blocks.map((block) => [block.ulid, block]));
    const marked = new Map(index.deletionMarks.map(({ ulid, markedAtMs }) => [ulid, markedAtMs]));
    const held = this.#blocks.get(tenant);
    const states = [...new Set([...indexed.keys(), ...(held?.keys() ?? [])])].map((ulid): BlockState => {
      const block = held?.get(ulid);
      return {
        ulid,
        indexed: indexed.get(ulid),
        markedAtMs: marked.get(ulid),
        isOpen: block?.isOpen ?? false,
        memoryBytes: block?.bytes ?? 0,
        quarantine: block?.quarantine,
      };
    });
    return states.sort((a, b) => (a.indexed?.minTime ?? 0) - (b.indexed?.minTime ?? 0) || (a.ulid < b.ulid ? -1 : 1));
  }

  /** Lets go of blocks that the bucket has no more. */
  async forget(tenant: TenantId, isGone: (block: GatewayBlock) => boolean): Promise<void> {
    const blocks = this.#blocks.get(tenant);
    for (const [ulid, block] of blocks ?? []) {
      if (block.isInUse || !isGone(block)) continue;
      blocks?.delete(ulid);
      await block.release();
    }
    if (blocks?.size === 0) this.#blocks.delete(tenant);
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    for (const block of this.held()) await block.release();
    this.#blocks.clear();
  }

  /** A block as a source; where it is set aside, those that hold the same samples. */
  #blockSource(tenant: TenantId, ulid: Ulid, reading: Reading): SeriesSource {
    const own = this.#ownSource(tenant, ulid, reading);
    /** Asks the others after a failure of the block. */
    const instead = async <T>(
      error: unknown,
      { minT, maxT }: { readonly minT: number; readonly maxT: number },
      signal: AbortSignal,
      act: (source: SeriesSource) => Promise<T>,
    ): Promise<T> => {
      const blocks = this.#blocks.get(tenant);
      const isAside = (name: Ulid): boolean => blocks?.get(name)?.quarantine !== undefined;
      if (!isAside(ulid)) throw error;
      const index = await this.#deps.indexes.of(tenant, signal);
      const substitutes = substitutesOf(index, ulid, isAside, blocks?.get(ulid)?.origin);
      if (substitutes === undefined) throw error;
      const asked = substitutes.filter(({ minTime, maxTime }) => minTime <= maxT && maxTime > minT);
      const answer = await act(mergeSources(asked.map((other) => this.#blockSource(tenant, other.ulid, reading))));
      reading.read.add(ulid);
      this.counters.fallbacks++;
      return answer;
    };
    const ask = <T>(
      span: { readonly minT: number; readonly maxT: number },
      signal: AbortSignal,
      act: (source: SeriesSource) => Promise<T>,
    ): Promise<T> => act(own).catch((error: unknown) => instead(error, span, signal, act));
    return {
      ...own,
      select: async (query, signal) => {
        const select = (source: SeriesSource) => source.select(query, signal);
        const again = (error: unknown) => instead(error, query, signal, select);
        const first = await own.select(query, signal).catch(again);
        return { ...first, chunks: (stop) => resumedChunks(first, again, stop) };
      },
      labelNames: (query, signal) => ask(query, signal, (source) => source.labelNames(query, signal)),
      labelValues: (name, query, signal) => ask(query, signal, (source) => source.labelValues(name, query, signal)),
      series: (query, signal) => ask(query, signal, (source) => source.series(query, signal)),
    };
  }

  #ownSource(tenant: TenantId, ulid: Ulid, { counts, read, batchBytes, index }: Reading): SeriesSource {
    const block = this.block(tenant, ulid);
    const ask = async <T>(signal: AbortSignal, act: (source: BlockSource) => Promise<T>): Promise<T> => {
      const found = block.isOpen ? undefined : index(signal);
      const indexed = found instanceof Promise ? await found : found;
      const known = indexed === undefined ? undefined : this.#byUlid(indexed).get(ulid);
      const bytesBefore = block.bytes;
      try {
        const answer = await block.use(known, counts, batchBytes, signal, act);
        read.add(ulid);
        this.counters.blocksRead++;
        return answer;
      } finally {
        await this.#boundMemory(block, bytesBefore);
      }
    };
    return {
      select: (query, signal) =>
        ask(signal, async (source) => {
          const selected = await source.select(query, signal);
          return { ...selected, chunks: (stop) => toldChunks(block, selected, stop) };
        }),
      labelNames: (query, signal) => ask(signal, (source) => source.labelNames(query, signal)),
      labelValues: (name, query, signal) => ask(signal, (source) => source.labelValues(name, query, signal)),
      series: (query, signal) => ask(signal, (source) => source.series(query, signal)),
      exemplars: async () => ({ values: [], warnings: [] }),
      metadata: async () => ({ values: [], warnings: [] }),
    };
  }

  #byUlid(index: BucketIndex): ReadonlyMap<Ulid, IndexedBlock> {
    const known = this.#entries.get(index) ?? new Map(index.blocks.map((block) => [block.ulid, block]));
    this.#entries.set(index, known);
    return known;
  }

  /** Lets go of what was used longest ago until memory and open files are within their bounds. */
  async #boundMemory(justUsed: GatewayBlock, bytesBefore: number): Promise<void> {
    const { indexMemoryBytes } = this.#deps;
    this.#askedSinceLook++;
    this.#takenSinceLook += Math.max(0, justUsed.bytes - bytesBefore);
    const isSoon = this.#askedSinceLook < this.#openAtLook * partPerLook;
    if (isSoon && this.#takenSinceLook < indexMemoryBytes * partPerLook) return;
    this.#askedSinceLook = 0;
    this.#takenSinceLook = 0;
    const open = [...this.held()].filter(({ isOpen }) => isOpen);
    this.#openAtLook = open.length;
    let bytes = open.reduce((sum, block) => sum + block.bytes, 0);
    let count = open.length;
    const isWithin = (): boolean => bytes <= indexMemoryBytes && count <= openBlocksMax;
    if (isWithin()) return;
    for (const block of open.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (isWithin()) return;
      if (block.isInUse || block === justUsed) continue;
      bytes -= block.bytes;
      count--;
      await block.release();
    }
  }
}

async function* toldChunks(
  block: GatewayBlock,
  selected: SelectedSeries,
  signal: AbortSignal,
): AsyncGenerator<ChunkBatch> {
  try {
    yield* selected.chunks(signal);
  } catch (error) {
    throw await block.told(error);
  }
}
