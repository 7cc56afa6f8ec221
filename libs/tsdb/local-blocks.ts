/**
 * Blocks on the local disk: what was cut from the head and is not yet safe elsewhere, `<directory>/<tenant>/<ULID>/`.
 * Owns which there are, writing one more, and removing one when its last reader must have left. Does not own when a range is cut
 * (cut-ranges.ts), nor what is shipped. A folder that is no good block is set aside and named; the rest is served, and what it held is
 * missing until the bucket has it or somebody takes the folder away: questions that need it must not be answered without it.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Failure } from '../errors/failure.ts';
import { parseTenantId, type TenantId } from '../model/tenant-id.ts';
import type { ChunkBatch, SelectedSeries, SeriesSource } from '../series/series-source.ts';
import { type Disk, errorCode } from '../std/disk.ts';
import { KeptReads } from '../std/kept-reads.ts';
import { openFileReader } from '../std/range-reader.ts';
import { RecentlyUsed } from '../std/recently-used.ts';
import { CorruptBlock } from './block/corrupt-block.ts';
import { type BlockMemory, type LocalBlock, openLocalBlock } from './block/local-block.ts';
import type { BlockMeta } from './block/meta.ts';
import { openBlockFolder, readMeta } from './block/read-block.ts';
import { SeriesMemory } from './block/series-columns.ts';
import { isUlid, makeUlid, type Ulid } from './block/ulid.ts';
import { removeBlock } from './block/write-block.ts';
import type { BlockKeeper, CutBlock } from './cut-ranges.ts';
import type { HeadRange } from './head/head-range.ts';
import { rangeMs } from './head/head-range.ts';
import type { TenantHead } from './head/tenant-head.ts';
import { feedOf, type RangeFeed } from './range-feed.ts';
import { verifyFolder, type WriteRangeOptions } from './write-range.ts';

/** Files that nobody has asked for so long are closed. */
const openIdleMs = 5 * 60_000;
/** What series of blocks may take that are kept decoded, all blocks together: some 180 bytes a series. First come, first kept. */
const keptSeriesBytesMax = 128 << 20;
/** What small reads of blocks may take that are kept: a few kilobytes a series that a dashboard shows, and lists of series. */
const keptReadBytesMax = 16 << 20;
/** What values of labels may take that are kept: what fills the drop-down lists of dashboards, of every block. */
const keptListBytesMax = 16 << 20;

interface LocalBlocksLog {
  error(fields: object, message: string): void;
}

export interface LocalBlocksOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** Where folders go that are no good blocks. */
  readonly damagedDirectory: string;
  readonly log: LocalBlocksLog;
  readonly nowMs: () => number;
  /** Whether start times may be written (feature `st-storage`): older readers do not know those encodings. */
  readonly withStartTimes: boolean;
  /** Writes a block: a thread of its own, or write-range.ts here. */
  readonly write: (
    feed: RangeFeed,
    options: Omit<WriteRangeOptions, 'disk'>,
    signal: AbortSignal,
  ) => Promise<BlockMeta>;
  /** A question has found a block damaged. */
  readonly onDamage?: () => void;
}

/**
 * A block that answers. What is found damaged of it is an error that names it, and remembered: where the bucket has the block, that one
 * answers soon. Its files are opened by the first question and closed when nobody has asked for a while.
 */
export class HeldBlock {
  readonly tenant: TenantId;
  readonly path: string;
  readonly meta: BlockMeta;
  readonly bytes: number;
  readonly source: SeriesSource;
  readonly #disk: Disk;
  readonly #memory: BlockMemory;
  readonly #onDamage: (block: HeldBlock) => void;
  #open: Promise<LocalBlock> | undefined;
  #usedAtMs = 0;
  #damage: string | undefined;

  constructor(
    disk: Disk,
    tenant: TenantId,
    path: string,
    meta: BlockMeta,
    memory: BlockMemory,
    onDamage: (block: HeldBlock) => void,
  ) {
    this.#onDamage = onDamage;
    this.#disk = disk;
    this.#memory = memory;
    this.tenant = tenant;
    this.path = path;
    this.meta = meta;
    this.bytes = meta.thanos.files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0);
    this.source = {
      select: (query, signal) =>
        this.#told(async (source) => {
          const selected = await source.select(query, signal);
          return { ...selected, chunks: (stop) => this.#toldChunks(selected, stop) };
        }),
      labelNames: (query, signal) => this.#told((source) => source.labelNames(query, signal)),
      labelValues: (name, query, signal) => this.#told((source) => source.labelValues(name, query, signal)),
      series: (query, signal) => this.#told((source) => source.series(query, signal)),
      exemplars: async () => ({ values: [], warnings: [] }),
      metadata: async () => ({ values: [], warnings: [] }),
    };
  }

  /** What a question found wrong with it, if any did. */
  get damage(): string | undefined {
    return this.#damage;
  }

  /** Whether a sample of it may lie from minT to maxT. */
  overlaps(minT: number, maxT: number): boolean {
    return this.meta.minTime <= maxT && this.meta.maxTime > minT;
  }

  /** Closes its files if the last question came before `usedBeforeMs` of performance.now(). */
  async closeIdle(usedBeforeMs: number): Promise<void> {
    if (this.#open === undefined || this.#usedAtMs >= usedBeforeMs) return;
    const open = this.#open;
    this.#open = undefined;
    await (await open.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  async #told<T>(act: (source: SeriesSource) => Promise<T>): Promise<T> {
    try {
      return await act(await this.#source());
    } catch (error) {
      throw this.#failureOf(error);
    }
  }

  async *#toldChunks(selected: SelectedSeries, signal: AbortSignal): AsyncGenerator<ChunkBatch> {
    try {
      yield* selected.chunks(signal);
    } catch (error) {
      throw this.#failureOf(error);
    }
  }

  #failureOf(error: unknown): unknown {
    if (!(error instanceof CorruptBlock) && errorCode(error) !== 'ENOENT') return error;
    const reason = error instanceof Error ? error.message : String(error);
    const isNew = this.#damage === undefined;
    this.#damage = reason;
    if (isNew) this.#onDamage(this);
    const text = `block ${this.meta.ulid} of tenant ${this.tenant} is damaged on the local disk: ${reason}`;
    return new Failure('internal', text, { cause: error });
  }

  async #source(): Promise<SeriesSource> {
    this.#usedAtMs = performance.now();
    this.#open ??= openLocalBlock(this.#disk, this.path, this.#memory).catch((error: unknown) => {
      this.#open = undefined;
      throw error;
    });
    return (await this.#open).source;
  }
}

/** A block that was set aside although its samples are nowhere else on this disk. */
export interface MissingBlock {
  readonly tenant: TenantId;
  readonly ulid: Ulid;
  /** Its time as far as it is known, else all time. */
  readonly minTime: number;
  readonly maxTime: number;
  /** Where the folder is now. */
  readonly path: string;
}

export class LocalBlocks implements BlockKeeper {
  readonly #options: LocalBlocksOptions;
  readonly #missing = new Map<Ulid, MissingBlock>();
  readonly #byTenant = new Map<TenantId, Map<Ulid, HeldBlock>>();
  readonly #memory: BlockMemory = {
    series: new SeriesMemory(keptSeriesBytesMax),
    reads: new KeptReads(keptReadBytesMax),
    lists: new RecentlyUsed(keptListBytesMax),
  };
  /** Removed, but queries that began before may still read them. */
  readonly #leaving = new Map<HeldBlock, number>();
  #rewritten = 0;

  constructor(options: LocalBlocksOptions) {
    this.#options = options;
  }

  /** The blocks of a tenant. */
  of(tenant: TenantId): HeldBlock[] {
    return [...(this.#byTenant.get(tenant)?.values() ?? [])];
  }

  /** All blocks. */
  *all(): Generator<HeldBlock> {
    for (const blocks of this.#byTenant.values()) yield* blocks.values();
  }

  /** Folders that were set aside, and blocks of which a question has found something damaged. */
  get damaged(): number {
    const found = [...this.all()].filter(({ damage }) => damage !== undefined).length;
    return this.#missing.size + this.#rewritten + found;
  }

  /** What was set aside and is not known to be anywhere else. */
  get missing(): Iterable<MissingBlock> {
    return this.#missing.values();
  }

  /** The first missing block of a tenant of which a sample may lie from minT to maxT. */
  missingFrom(tenant: TenantId, minT: number, maxT: number): MissingBlock | undefined {
    for (const block of this.#missing.values()) {
      if (block.tenant === tenant && block.minTime <= maxT && block.maxTime > minT) return block;
    }
    return undefined;
  }

  /** The bucket has the samples of a missing block: nothing is missed any more. */
  async isInBucket({ ulid, path }: MissingBlock): Promise<void> {
    await this.#options.disk.rename(path, `${path}.in-bucket`);
    this.#missing.delete(ulid);
  }

  async recover(): Promise<CutBlock[]> {
    const { disk, directory, damagedDirectory } = this.#options;
    const cut: CutBlock[] = [];
    for (const name of await disk.list(damagedDirectory)) {
      const ulid = name.slice(-26);
      const tenant = tenantOf(name.slice(0, -27));
      if (tenant !== undefined && isUlid(ulid) && name === asideName(tenant, ulid)) {
        await this.#miss(tenant, ulid, join(damagedDirectory, name));
      }
    }
    const names = await disk.list(directory);
    // The process that made a tenant's folder may have been killed before its name was durable, and nobody makes it again.
    if (names.length > 0) await disk.syncDirectory(directory);
    for (const name of names) {
      const tenant = tenantOf(name);
      if (tenant === undefined) continue;
      for (const folder of await disk.list(join(directory, name))) {
        const path = join(directory, name, folder);
        if (!isUlid(folder)) {
          // A block under way when the process ended.
          if (folder.endsWith('.tmp')) await disk.removeTree(path);
          continue;
        }
        try {
          const meta = await lookAt(disk, path);
          this.#missing.delete(folder);
          this.#add(tenant, path, meta);
          if (meta.cutFrom !== undefined) {
            cut.push({ tenant, block: folder, ...meta.cutFrom, seriesCount: meta.stats.numSeries });
          }
        } catch (error) {
          await this.#setAside(tenant, folder, asideName(tenant, folder), error);
          await this.#miss(tenant, folder, join(damagedDirectory, asideName(tenant, folder)));
        }
      }
    }
    return cut;
  }

  async verify(tenant: TenantId, name: string): Promise<boolean> {
    const block = this.of(tenant).find(({ meta }) => meta.ulid === name);
    if (block === undefined) return false;
    const { disk, directory } = this.#options;
    try {
      await verifyFolder(disk, block.path, new AbortController().signal);
    } catch (error) {
      this.#byTenant.get(tenant)?.delete(block.meta.ulid);
      // Its range is still in the head: nothing is missing.
      await this.#setAside(tenant, name, `${asideName(tenant, block.meta.ulid)}.rewritten`, error);
      this.#rewritten++;
      return false;
    }
    // The process that wrote it may have been killed before its name was durable.
    await disk.syncDirectory(join(directory, tenant));
    return true;
  }

  async write(tenant: TenantId, head: TenantHead, range: HeadRange, signal: AbortSignal): Promise<string> {
    if (range.seriesCount === 0) return '';
    const { disk, nowMs, withStartTimes } = this.#options;
    const directory = join(this.#options.directory, tenant);
    await disk.makeDirectory(directory);
    const ulid = makeUlid(nowMs(), randomBytes(10));
    const cutFrom = {
      range: range.begin / rangeMs,
      generation: range.generation,
      ...(range.loggedFrom >= 0 ? { loggedFrom: range.loggedFrom } : {}),
    };
    const feed = feedOf(head.series, range);
    const meta = await this.#options.write(feed, { directory, ulid, cutFrom, withStartTimes }, signal);
    this.#add(tenant, join(directory, ulid), meta);
    return ulid;
  }

  /** Removes a block: no query that begins from now on sees it. Its files go with the sweep that comes `queryMs` later. */
  remove(block: HeldBlock): void {
    if (this.#byTenant.get(block.tenant)?.delete(block.meta.ulid) === true) {
      this.#leaving.set(block, performance.now());
    }
  }

  /** Closes what nobody reads, and deletes what was removed longer ago than any query may take. */
  async sweep(queryMs: number): Promise<void> {
    const before = performance.now() - queryMs;
    for (const block of this.all()) await block.closeIdle(Math.min(before, performance.now() - openIdleMs));
    for (const [block, removedAtMs] of [...this.#leaving]) {
      if (removedAtMs > before) continue;
      await block.closeIdle(Number.POSITIVE_INFINITY);
      await removeBlock(this.#options.disk, block.path);
      this.#leaving.delete(block);
    }
  }

  /** Closes all files. */
  async close(): Promise<void> {
    for (const block of [...this.all(), ...this.#leaving.keys()]) await block.closeIdle(Number.POSITIVE_INFINITY);
  }

  #add(tenant: TenantId, path: string, meta: BlockMeta): void {
    const { disk, log, onDamage } = this.#options;
    const block = new HeldBlock(disk, tenant, path, meta, this.#memory, ({ damage }) => {
      log.error({ tenant, block: meta.ulid, path, error: damage }, 'a block on the local disk is damaged');
      onDamage?.();
    });
    const blocks = this.#byTenant.get(tenant) ?? new Map<Ulid, HeldBlock>();
    this.#byTenant.set(tenant, blocks);
    blocks.set(meta.ulid, block);
  }

  async #setAside(tenant: TenantId, folder: string, name: string, error: unknown): Promise<void> {
    const { disk, directory, damagedDirectory, log, nowMs } = this.#options;
    await disk.makeDirectory(damagedDirectory);
    let to = join(damagedDirectory, name);
    // There from an earlier time, where somebody has put a copy of it back that is no better.
    if ((await disk.list(to)).length > 0) to += `.${nowMs()}`;
    await disk.rename(join(directory, tenant, folder), to);
    log.error({ tenant, block: folder, now: to, error: String(error) }, 'a folder that is no good block was set aside');
  }

  async #miss(tenant: TenantId, ulid: Ulid, path: string): Promise<void> {
    const { disk } = this.#options;
    const { minTime, maxTime } = await readMeta(disk, path).catch(() => allTime);
    this.#missing.set(ulid, { tenant, ulid, minTime, maxTime, path });
  }
}

/** Whether a folder has every file of its block, in its length. @throws CorruptBlock; as openBlockFolder */
async function lookAt(disk: Disk, path: string): Promise<BlockMeta> {
  await using files = await openBlockFolder(disk, path);
  for (const { relPath, sizeBytes } of files.meta.thanos.files) {
    const file = join(path, relPath);
    if (sizeBytes === undefined || !isBlockFile(relPath)) continue;
    await using reader = await openFileReader(disk, file);
    if (reader.size !== sizeBytes) throw new CorruptBlock(file, 0, `it should have ${sizeBytes} bytes: ${reader.size}`);
  }
  return files.meta;
}

const isBlockFile = (relPath: string): boolean => relPath === 'index' || /^chunks\/\d{6}$/.test(relPath);

const allTime = { minTime: Number.NEGATIVE_INFINITY, maxTime: Number.POSITIVE_INFINITY };

function asideName(tenant: TenantId, ulid: Ulid): string {
  return `${tenant}-${ulid}`;
}

function tenantOf(name: string): TenantId | undefined {
  try {
    return parseTenantId(name);
  } catch {
    return undefined;
  }
}
