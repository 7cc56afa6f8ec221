/**
 * Blocks on the local disk: what was cut from the head and is not yet safe elsewhere, `<directory>/<tenant>/<ULID>/`.
 * Owns which there are, writing one more, and removing one when its last reader has left. Does not own when a range is cut
 * (cut-ranges.ts), nor what is shipped. A folder that is no good block is set aside and named; the rest is served.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseTenantId, type TenantId } from '../model/tenant-id.ts';
import type { Disk } from '../std/disk.ts';
import type { BlockMeta } from './block/meta.ts';
import { openBlockFolder } from './block/read-block.ts';
import { isUlid, makeUlid, type Ulid } from './block/ulid.ts';
import type { BlockKeeper, CutBlock } from './cut-ranges.ts';
import type { HeadRange } from './head/head-range.ts';
import { rangeMs } from './head/head-range.ts';
import type { TenantHead } from './head/tenant-head.ts';
import { feedOf, type RangeFeed } from './range-feed.ts';
import { verifyFolder, type WriteRangeOptions } from './write-range.ts';

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
}

/** A block that answers. */
export class LocalBlock {
  readonly tenant: TenantId;
  readonly path: string;
  readonly meta: BlockMeta;
  readonly bytes: number;
  #readers = 0;
  #unread: (() => void) | undefined;

  constructor(tenant: TenantId, path: string, meta: BlockMeta) {
    this.tenant = tenant;
    this.path = path;
    this.meta = meta;
    this.bytes = meta.thanos.files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0);
  }

  /** Keeps its files until the call of what it returns. */
  hold(): () => void {
    this.#readers++;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      if (--this.#readers === 0) this.#unread?.();
    };
  }

  /** Resolves when nobody holds it. */
  async unread(): Promise<void> {
    if (this.#readers > 0) {
      await new Promise<void>((resolve) => {
        this.#unread = resolve;
      });
    }
  }
}

export class LocalBlocks implements BlockKeeper {
  readonly #options: LocalBlocksOptions;
  readonly #byTenant = new Map<TenantId, Map<Ulid, LocalBlock>>();
  /** Folders that were set aside. */
  damaged = 0;

  constructor(options: LocalBlocksOptions) {
    this.#options = options;
  }

  /** The blocks of a tenant. */
  of(tenant: TenantId): LocalBlock[] {
    return [...(this.#byTenant.get(tenant)?.values() ?? [])];
  }

  /** All blocks. */
  *all(): Generator<LocalBlock> {
    for (const blocks of this.#byTenant.values()) yield* blocks.values();
  }

  async recover(): Promise<CutBlock[]> {
    const { disk, directory } = this.#options;
    const cut: CutBlock[] = [];
    for (const name of await disk.list(directory)) {
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
          const files = await openBlockFolder(disk, path);
          await files[Symbol.asyncDispose]();
          const { meta } = files;
          this.#add(new LocalBlock(tenant, path, meta));
          if (meta.cutFrom !== undefined) {
            cut.push({ tenant, block: folder, ...meta.cutFrom, seriesCount: meta.stats.numSeries });
          }
        } catch (error) {
          await this.#setAside(tenant, folder, error);
        }
      }
    }
    return cut;
  }

  async verify(tenant: TenantId, name: string): Promise<boolean> {
    const block = this.of(tenant).find(({ meta }) => meta.ulid === name);
    if (block === undefined) return false;
    try {
      await verifyFolder(this.#options.disk, block.path, new AbortController().signal);
      return true;
    } catch (error) {
      this.#byTenant.get(tenant)?.delete(block.meta.ulid);
      await this.#setAside(tenant, name, error);
      return false;
    }
  }

  async write(tenant: TenantId, head: TenantHead, range: HeadRange, signal: AbortSignal): Promise<string> {
    if (range.seriesCount === 0) return '';
    const { disk, nowMs, withStartTimes } = this.#options;
    const directory = join(this.#options.directory, tenant);
    await disk.makeDirectory(directory);
    const ulid = makeUlid(nowMs(), randomBytes(10));
    const cutFrom = { range: range.begin / rangeMs, generation: range.generation };
    const feed = feedOf(head.series, range);
    const meta = await this.#options.write(feed, { directory, ulid, cutFrom, withStartTimes }, signal);
    this.#add(new LocalBlock(tenant, join(directory, ulid), meta));
    return ulid;
  }

  /** Removes a block: no read that begins from now on sees it, those that do keep it until they end. */
  async remove({ tenant, path, meta }: LocalBlock): Promise<void> {
    const block = this.#byTenant.get(tenant)?.get(meta.ulid);
    this.#byTenant.get(tenant)?.delete(meta.ulid);
    await block?.unread();
    await this.#options.disk.removeTree(path);
  }

  #add(block: LocalBlock): void {
    const blocks = this.#byTenant.get(block.tenant) ?? new Map<Ulid, LocalBlock>();
    this.#byTenant.set(block.tenant, blocks);
    blocks.set(block.meta.ulid, block);
  }

  async #setAside(tenant: TenantId, name: string, error: unknown): Promise<void> {
    const { disk, directory, damagedDirectory, log } = this.#options;
    this.damaged++;
    await disk.makeDirectory(damagedDirectory);
    const to = join(damagedDirectory, `${tenant}-${name}`);
    await disk.rename(join(directory, tenant, name), to);
    log.error({ tenant, block: name, now: to, error: String(error) }, 'a folder that is no good block was set aside');
  }
}

function tenantOf(name: string): TenantId | undefined {
  try {
    return parseTenantId(name);
  } catch {
    return undefined;
  }
}
