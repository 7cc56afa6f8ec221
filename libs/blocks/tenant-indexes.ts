/**
 * The bucket indexes of tenants as a reader knows them: read when asked for and too old, kept when the bucket is away.
 * Owns their age and that none goes back to a lower generation, and that an index that was lost, or that nobody has written yet, is not taken
 * for a tenant without blocks: where there is none it is looked, with a listing, which there are. What is asked for at once is read once.
 */
import { getHeapStatistics } from 'node:v8';
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { ageClock } from '../std/age-clock.ts';
import { untilAborted } from '../std/until-aborted.ts';
import { type BucketIndex, emptyBucketIndex, isNewerIndex, readBucketIndex } from './bucket-index.ts';
import { listBlockNames } from './fetch-metas.ts';
import { indexFromMetas } from './index-from-metas.ts';
import { tenantDeletionMarkKey } from './paths.ts';

export interface TenantIndexesOptions {
  readonly bucket: Bucket;
  readonly nowMs: () => number;
  /** Of a clock that nobody sets; absent: that of the process. */
  readonly steadyMs?: () => number;
  /** An index read longer ago is read again before it is used; never more than staleMsMax. */
  readonly ageMsMax: number;
  /** While the bucket cannot be read, one is used as long as this; then reads of the tenant fail. */
  readonly staleMsMax: number;
  /** What the indexes that are held may take, about; absent: a part of the heap. */
  readonly heldBytesMax?: number;
  /** Something to tell the operator: entries that are none, an index that went back. */
  readonly onProblem: (tenant: TenantId, problem: string) => void;
}

interface Known {
  index: BucketIndex;
  /** Memory that it takes, about. */
  bytes: number;
  /** By the clock of ages; undefined where none was read. */
  readAtMs: number | undefined;
  usedAtMs: number;
  reading: Promise<BucketIndex> | undefined;
}

/** How old an index may be that readers go by, while the bucket cannot be read: what is deleted must have been marked for longer. */
export const indexStaleMsMax = 3_600_000;
/** Tenants whose index is held; the one used longest ago goes first. */
const tenantsMax = 10_000;
/** Of the heap, for the indexes that are held: those of thousands of tenants with years of blocks would fill it. */
const heldPartOfHeap = 1 / 8;
/** An entry of a block in memory, without the names in its lists, and one of these. */
const blockBytes = 1_000;
const nameBytes = 64;
/** Blocks that are looked at where there is no index; of a tenant with more none is. */
const unindexedMax = 1_000;

/** Of a tenant that is being deleted, its index first: it was not lost. */
const deleted: BucketIndex = { ...emptyBucketIndex };

export class TenantIndexes {
  readonly #options: TenantIndexesOptions;
  readonly #known = new Map<TenantId, Known>();
  readonly #ageMs: () => number;
  readonly #heldBytesMax: number;
  /** Of all that are held. */
  #heldBytes = 0;

  constructor(options: TenantIndexesOptions) {
    const { nowMs, steadyMs = () => performance.now() } = options;
    this.#options = options;
    this.#ageMs = ageClock(nowMs, steadyMs);
    this.#heldBytesMax = options.heldBytesMax ?? getHeapStatistics().heap_size_limit * heldPartOfHeap;
  }

  /**
   * The index of a tenant, not older than ageMsMax where the bucket can be read.
   * @throws Failure `unavailable`; `internal` where the index cannot be understood and none before it is known
   */
  async of(tenant: TenantId, signal: AbortSignal): Promise<BucketIndex> {
    signal.throwIfAborted();
    const known = this.#of(tenant);
    known.usedAtMs = this.#ageMs();
    const { ageMsMax, staleMsMax } = this.#options;
    if (this.#isWithin(known, Math.min(ageMsMax, staleMsMax))) return known.index;
    return untilAborted(this.refresh(tenant), signal);
  }

  /** What is held of a tenant, however old. */
  held(tenant: TenantId): { readonly index: BucketIndex; readonly ageMs: number } | undefined {
    const known = this.#known.get(tenant);
    if (known?.readAtMs === undefined) return undefined;
    known.usedAtMs = this.#ageMs();
    return { index: known.index, ageMs: known.usedAtMs - known.readAtMs };
  }

  /** Tenants that were asked for no longer ago. */
  usedWithin(ms: number): TenantId[] {
    const sinceMs = this.#ageMs() - ms;
    return [...this.#known].filter(([, { usedAtMs }]) => usedAtMs >= sinceMs).map(([tenant]) => tenant);
  }

  /** Reads the index now. */
  refresh(tenant: TenantId): Promise<BucketIndex> {
    const known = this.#of(tenant);
    known.reading ??= this.#read(tenant, known).finally(() => {
      known.reading = undefined;
    });
    return known.reading;
  }

  async #read(tenant: TenantId, known: Known): Promise<BucketIndex> {
    const { bucket, staleMsMax, onProblem } = this.#options;
    try {
      // For all that wait: none of them alone stops it. The bucket has its own time-outs.
      const stored = await readBucketIndex(bucket, tenant, new AbortController().signal);
      const next = stored?.index ?? (await this.#withoutIndex(tenant, known.index));
      const isBack =
        known.readAtMs !== undefined &&
        (stored === undefined ? wasWritten(known.index) && next !== deleted : !isNewerIndex(known.index, next));
      if (isBack && this.#isWithin(known, staleMsMax)) {
        onProblem(
          tenant,
          `the bucket index went from generation ${known.index.generation} to ${next.generation}: passed over`,
        );
        return known.index;
      }
      for (const problem of next.problems) onProblem(tenant, problem);
      known.index = next;
      known.readAtMs = this.#ageMs();
      this.#count(known);
      return next;
    } catch (error) {
      if (!this.#isWithin(known, staleMsMax)) {
        const isDamaged = error instanceof Failure && error.kind === 'bad_data';
        throw isDamaged ? new Failure('internal', error.message, { cause: error }) : error;
      }
      onProblem(tenant, `the bucket index cannot be read: ${error instanceof Failure ? error.message : String(error)}`);
      return known.index;
    }
  }

  async #withoutIndex(tenant: TenantId, before: BucketIndex): Promise<BucketIndex> {
    const { bucket } = this.#options;
    const { signal } = new AbortController();
    const names = await listBlockNames(bucket, tenant, unindexedMax, signal);
    // What is left of a tenant that is being deleted is no part of any answer.
    const hasAny = names.length > 0 || before.blocks.length > 0;
    if (hasAny && (await bucket.stat(tenantDeletionMarkKey(tenant), signal)) !== undefined) return deleted;
    if (names.length === unindexedMax) return { ...emptyBucketIndex, unindexed: names };
    return indexFromMetas(bucket, tenant, names, before, signal);
  }

  #isWithin({ readAtMs }: Known, ms: number): boolean {
    return readAtMs !== undefined && this.#ageMs() - readAtMs <= ms;
  }

  #of(tenant: TenantId): Known {
    const known = this.#known.get(tenant) ?? {
      index: emptyBucketIndex,
      bytes: 0,
      readAtMs: undefined,
      // Whoever only keeps up with it does not use it.
      usedAtMs: Number.NEGATIVE_INFINITY,
      reading: undefined,
    };
    if (!this.#known.has(tenant)) {
      if (this.#known.size >= tenantsMax) this.#dropOldest();
      this.#known.set(tenant, known);
    }
    return known;
  }

  /** Takes note of what an index takes that was read, and makes room for it. */
  #count(known: Known): void {
    const before = known.bytes;
    known.bytes = bytesOf(known.index);
    this.#heldBytes += known.bytes - before;
    let isFound = true;
    while (this.#heldBytes > this.#heldBytesMax && isFound) isFound = this.#dropOldest();
  }

  /** Lets go of the one used longest ago, but of none that is being read. Whether there was one. */
  #dropOldest(): boolean {
    let oldest: TenantId | undefined;
    let usedAtMs = Number.POSITIVE_INFINITY;
    for (const [tenant, known] of this.#known) {
      if (known.usedAtMs >= usedAtMs || known.reading !== undefined) continue;
      oldest = tenant;
      usedAtMs = known.usedAtMs;
    }
    if (oldest === undefined) return false;
    this.#heldBytes -= this.#known.get(oldest)?.bytes ?? 0;
    this.#known.delete(oldest);
    return true;
  }
}

function bytesOf({ blocks, deletionMarks, noCompact }: BucketIndex): number {
  let names = deletionMarks.length + noCompact.length;
  // Entries may share a list.
  const lists = new Set<readonly string[]>();
  for (const { details } of blocks) {
    if (details !== undefined) lists.add(details.sources).add(details.jobOutputs);
  }
  for (const list of lists) names += list.length;
  return blocks.length * blockBytes + names * nameBytes;
}

/** Whether an index with blocks stood in the bucket, and was not put together here. */
function wasWritten({ blocks, updatedAtMs }: BucketIndex): boolean {
  return blocks.length > 0 && updatedAtMs > 0;
}
