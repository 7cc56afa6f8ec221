/**
 * Local blocks into the bucket, and off the local disk when they are safe there.
 * Owns when a block may go: it, or a merge of it, has stood in the tenant's bucket index for as long as a reader may hold an
 * older index and as the longest query may take; and it is old enough that nobody asks the head's neighbours alone. So neither a
 * bucket that is away nor a compactor that is down (which writes the index) hides a sample. A block that is damaged here goes as soon as
 * readers must have heard of the bucket's, and one of a tenant that was deleted as soon as that is seen. Before a block goes, and where an
 * index does not name it that was written after its upload, it is looked whether the bucket has all of it. Does not own how a block is uploaded.
 */
import type { BucketIndex } from '../../libs/blocks/bucket-index.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { mapBounded } from '../../libs/std/bounded.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import type { HeldBlock, LocalBlocks, MissingBlock } from '../../libs/tsdb/local-blocks.ts';

export interface ShipDeps {
  readonly blocks: LocalBlocks;
  /** The index as it stands in the bucket now. @throws Failure */
  readonly readIndex: (tenant: TenantId) => Promise<BucketIndex>;
  /** Whether the bucket says that all of the tenant is to be deleted. Asked only where the index is empty. @throws Failure */
  readonly isTenantDeleted: (tenant: TenantId) => Promise<boolean>;
  /** Sends what the bucket does not have of it: how many bytes. Can be repeated after any end. @throws Failure */
  readonly upload: (block: HeldBlock, signal: AbortSignal) => Promise<{ readonly bytes: number }>;
  /** A block has gone that is nowhere else: answers that were kept while it was here are no longer right. */
  readonly onDeleted: (block: HeldBlock) => void;
  readonly nowMs: () => number;
  /** Of a clock that nobody sets: for what must have lasted. */
  readonly steadyMs: () => number;
  /** How long a block must have stood in the index. */
  readonly settleMs: number;
  /** A block with samples younger than this stays, whatever the index says. */
  readonly recentMs: number;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
}

/** Of an index what it says of the blocks that are here: all of one takes megabytes, and there are as many as tenants that write. */
interface OwnIndex extends Pick<BucketIndex, 'blocks' | 'deletionMarks' | 'updatedAtMs'> {
  /** Whether it names no block at all. */
  readonly isEmpty: boolean;
}

interface Progress {
  /** As an index says when it was written. */
  uploadedAtMs: number | undefined;
  /** By the clock that nobody sets. */
  indexedAtMs: number | undefined;
  failures: number;
  /** By the same. */
  retryAtMs: number;
}

const retryMsMin = 5_000;
const retryMsMax = 300_000;
/** An index that does not name an uploaded block yet is read again after this, or sooner where somebody waits for it. */
const indexPollMs = 60_000;
const hastyPollMs = 2_000;
/** Small blocks that are brought to the bucket beside one another: most of the time they wait for it, and there is one a tenant and two hours. */
const smallAtOnceMax = 8;
/** All of these together take less memory than one large block does. */
const smallBytesMax = 8 << 20;

export class BlockShipper {
  readonly #deps: ShipDeps;
  readonly #progress = new Map<Ulid, Progress>();
  readonly #indexes = new Map<TenantId, { readonly index: OwnIndex; readonly readAtMs: number }>();
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #pollMs = indexPollMs;
  /** Counters for metrics. */
  readonly counters = { shipped: 0, failures: 0, removed: 0 };

  constructor(deps: ShipDeps) {
    this.#deps = deps;
  }

  /** Blocks that are not in the bucket yet. */
  get unshipped(): number {
    let count = 0;
    for (const { meta } of this.#deps.blocks.all()) {
      if (this.#progress.get(meta.ulid)?.uploadedAtMs === undefined) count++;
    }
    return count;
  }

  /** Somebody waits for all blocks to be safe: the index is read more often from now on. */
  hasten(): void {
    this.#pollMs = hastyPollMs;
  }

  /**
   * Why not all that was here is in the bucket, in a sentence.
   * @param settled whether readers that go by an older index must have heard of it as well
   * @param only of these blocks, whatever others came since; absent: of all
   */
  unsafe(settled: boolean, only?: ReadonlySet<Ulid>): string | undefined {
    const { blocks, steadyMs, settleMs } = this.#deps;
    for (const { tenant, ulid, path } of blocks.missing) {
      return `block ${ulid} of tenant ${tenant} was damaged and the bucket does not have it: repair or remove ${path}, and start again`;
    }
    let [uploads, entries, readers] = [0, 0, 0];
    for (const { meta } of blocks.all()) {
      if (only?.has(meta.ulid) === false) continue;
      const progress = this.#progress.get(meta.ulid);
      if (progress?.uploadedAtMs === undefined) uploads++;
      else if (progress.indexedAtMs === undefined) entries++;
      else if (steadyMs() - progress.indexedAtMs < settleMs) readers++;
    }
    if (uploads > 0) return `${uploads} blocks that are not in the bucket yet`;
    if (entries > 0) return `${entries} blocks that the bucket index does not name yet: the compactor writes it`;
    return settled && readers > 0 ? `readers that may not have heard of ${readers} blocks yet` : undefined;
  }

  /**
   * The lowest offset of a record of the log with a sample in a block that some reader may not have heard of; undefined where there is none.
   * Whoever begins above it answers without that block. A block that is missing holds everything.
   */
  loggedFrom(): number | undefined {
    let lowest: number | undefined;
    for (const { meta } of this.#unsettled()) {
      const from = meta.cutFrom?.loggedFrom ?? 0;
      if (lowest === undefined || from < lowest) lowest = from;
    }
    return [...this.#deps.blocks.missing].length > 0 ? 0 : lowest;
  }

  /** The time of the oldest sample in such a block; Infinity where there is none. */
  heldFromMs(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { meta } of this.#unsettled()) oldest = Math.min(oldest, meta.minTime);
    for (const { minTime } of this.#deps.blocks.missing) oldest = Math.min(oldest, minTime);
    return oldest;
  }

  /** Blocks that some reader may not have heard of. */
  *#unsettled(): Generator<HeldBlock> {
    const { blocks, steadyMs, settleMs } = this.#deps;
    for (const block of blocks.all()) {
      const indexedAtMs = this.#progress.get(block.meta.ulid)?.indexedAtMs;
      if (indexedAtMs === undefined || steadyMs() - indexedAtMs < settleMs) yield block;
    }
  }

  /** One look at all local blocks. While one goes on, others join it. */
  shipDue(): Promise<void> {
    this.#running ??= this.#shipDue().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #shipDue(): Promise<void> {
    const { blocks } = this.#deps;
    const there = new Set<Ulid>();
    const tenants = new Set<TenantId>();
    const small: HeldBlock[] = [];
    const large: HeldBlock[] = [];
    for (const block of blocks.all()) {
      there.add(block.meta.ulid);
      tenants.add(block.tenant);
      (block.bytes <= smallBytesMax ? small : large).push(block);
    }
    await mapBounded(small, smallAtOnceMax, (block) => this.#ship(block));
    for (const block of large) await this.#ship(block);
    if (this.#abort.signal.aborted) return;
    for (const missing of [...blocks.missing]) {
      there.add(missing.ulid);
      tenants.add(missing.tenant);
      await this.#lookFor(missing);
    }
    for (const ulid of this.#progress.keys()) if (!there.has(ulid)) this.#progress.delete(ulid);
    for (const tenant of this.#indexes.keys()) if (!tenants.has(tenant)) this.#indexes.delete(tenant);
  }

  async #ship(block: HeldBlock): Promise<void> {
    const progress = this.#of(block.meta.ulid);
    if (this.#abort.signal.aborted || progress.retryAtMs > this.#deps.steadyMs()) return;
    try {
      await this.#step(block, progress);
      progress.failures = 0;
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.counters.failures++;
      progress.retryAtMs = this.#deps.steadyMs() + Math.min(retryMsMax, retryMsMin * 2 ** progress.failures++);
      this.#deps.log.error(
        { tenant: block.tenant, block: block.meta.ulid, error: String(error) },
        'a block could not be brought to the bucket: it stays on the local disk and is tried again',
      );
    }
  }

  /** A block that was set aside may have been shipped before. */
  async #lookFor(missing: MissingBlock): Promise<void> {
    const { blocks, steadyMs, settleMs, log } = this.#deps;
    const { tenant, ulid } = missing;
    const progress = this.#of(ulid);
    try {
      if (!isIndexed(await this.#index(tenant, this.#pollMs), ulid)) return;
      progress.indexedAtMs ??= steadyMs();
      // A reader that goes by an older index would leave its samples out.
      if (steadyMs() - progress.indexedAtMs < settleMs) return;
      await blocks.isInBucket(missing);
      log.info({ tenant, block: ulid }, 'a block that was damaged on the local disk is in the bucket');
    } catch (error) {
      log.error({ tenant, block: ulid, error: String(error) }, 'whether the bucket has a damaged block cannot be said');
    }
  }

  async #step(block: HeldBlock, progress: Progress): Promise<void> {
    const { blocks, nowMs, steadyMs, settleMs, recentMs, upload, log } = this.#deps;
    const { tenant, meta } = block;
    if (progress.uploadedAtMs === undefined) {
      // After a restart it may be there, or be merged already and gone again: then it must not come back.
      const begin = performance.now();
      const index = await this.#index(tenant, 0);
      if (!isIndexed(index, meta.ulid)) {
        if (await this.#leaveDeleted(index, block)) return;
        if (block.damage !== undefined) throw new Error(`it is damaged: ${block.damage}`);
        await upload(block, this.#abort.signal);
      }
      progress.uploadedAtMs = nowMs();
      this.counters.shipped++;
      const seconds = (performance.now() - begin) / 1000;
      log.info({ tenant, block: meta.ulid, bytes: block.bytes, seconds }, 'a block is in the bucket');
      return;
    }
    if (progress.indexedAtMs === undefined) {
      const index = await this.#index(tenant, this.#pollMs);
      if (isIndexed(index, meta.ulid)) progress.indexedAtMs = steadyMs();
      else if (!(await this.#leaveDeleted(index, block)) && index.updatedAtMs >= progress.uploadedAtMs) {
        await this.#isWhole(block, progress);
      }
      return;
    }
    if (steadyMs() - progress.indexedAtMs < settleMs) return;
    if (nowMs() < meta.maxTime + recentMs && block.damage === undefined) return;
    const index = await this.#index(tenant, 0);
    if (!isIndexed(index, meta.ulid)) {
      // Whoever took it out of the index took it away: it is shipped once more.
      progress.uploadedAtMs = undefined;
      progress.indexedAtMs = undefined;
      return;
    }
    if (isNeeded(index, meta.ulid) && !(await this.#isWhole(block, progress))) return;
    blocks.remove(block);
    this.counters.removed++;
    log.info({ tenant, block: meta.ulid }, 'a block that is safe in the bucket leaves the local disk');
  }

  /** Whether the bucket has all of a block; what it lacks is sent again, and readers must hear of it anew. */
  async #isWhole(block: HeldBlock, progress: Progress): Promise<boolean> {
    const { nowMs, upload, log } = this.#deps;
    const { tenant, meta, damage } = block;
    if (damage !== undefined) return true;
    const { bytes } = await upload(block, this.#abort.signal);
    progress.uploadedAtMs = nowMs();
    if (bytes === 0) return true;
    progress.indexedAtMs = undefined;
    log.error(
      { tenant, block: meta.ulid, bytes },
      'the bucket did not have all of a block any more: it was sent again',
    );
    return false;
  }

  /** Lets go of a block if its tenant was deleted: the compactor would delete it, too. Whether it did. */
  async #leaveDeleted(index: OwnIndex, block: HeldBlock): Promise<boolean> {
    const { blocks, isTenantDeleted, onDeleted, log } = this.#deps;
    const { tenant, meta } = block;
    if (!index.isEmpty || !(await isTenantDeleted(tenant))) return false;
    blocks.remove(block);
    onDeleted(block);
    this.counters.removed++;
    log.info({ tenant, block: meta.ulid }, 'a block of a tenant that was deleted leaves the local disk');
    return true;
  }

  /** The index of a tenant, read at most this long ago. */
  async #index(tenant: TenantId, ageMsMax: number): Promise<OwnIndex> {
    const { steadyMs, readIndex } = this.#deps;
    const known = this.#indexes.get(tenant);
    if (known !== undefined && steadyMs() - known.readAtMs < ageMsMax) return known.index;
    const index = this.#ownOf(tenant, await readIndex(tenant));
    this.#indexes.set(tenant, { index, readAtMs: steadyMs() });
    return index;
  }

  #ownOf(tenant: TenantId, { blocks, deletionMarks, updatedAtMs }: BucketIndex): OwnIndex {
    const here = new Set<Ulid>(this.#deps.blocks.of(tenant).map(({ meta }) => meta.ulid));
    for (const missing of this.#deps.blocks.missing) if (missing.tenant === tenant) here.add(missing.ulid);
    const isHere = (ulid: Ulid): boolean => here.has(ulid);
    return {
      blocks: blocks.filter(({ ulid, details }) => isHere(ulid) || details?.sources.some(isHere) === true),
      deletionMarks: deletionMarks.filter(({ ulid }) => isHere(ulid)),
      updatedAtMs,
      isEmpty: blocks.length === 0,
    };
  }

  #of(ulid: Ulid): Progress {
    let progress = this.#progress.get(ulid);
    if (progress === undefined) {
      progress = { uploadedAtMs: undefined, indexedAtMs: undefined, failures: 0, retryAtMs: Number.NEGATIVE_INFINITY };
      this.#progress.set(ulid, progress);
    }
    return progress;
  }
}

/** Whether the index names the block itself, and not only until it is deleted. */
function isNeeded({ blocks, deletionMarks }: OwnIndex, ulid: Ulid): boolean {
  return blocks.some((block) => block.ulid === ulid) && !deletionMarks.some((mark) => mark.ulid === ulid);
}

/** Whether the index names the block, or one that holds its samples. */
function isIndexed({ blocks }: OwnIndex, ulid: Ulid): boolean {
  return blocks.some((block) => block.ulid === ulid || block.details?.sources.includes(ulid) === true);
}
