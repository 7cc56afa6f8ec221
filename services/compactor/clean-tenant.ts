/**
 * What of a tenant may go: blocks that others cover and blocks beyond the retention are marked; what was marked long enough ago is
 * deleted, if what it was merged into still stands; uploads that nobody finished; everything, where the tenant itself is deleted.
 * Owns the decisions and their order. Does not own the order in which one block's objects go (libs/blocks/deletion-mark.ts).
 */
import {
  type BucketIndex,
  type IndexedBlock,
  type IndexedMark,
  updateBucketIndex,
} from '../../libs/blocks/bucket-index.ts';
import { deleteAllBelow, deleteBlock, markForDeletion, readDeletionMark } from '../../libs/blocks/deletion-mark.ts';
import type { TenantListing } from '../../libs/blocks/fetch-metas.ts';
import {
  blockKey,
  blockPrefix,
  bucketIndexKey,
  metaName,
  tenantDeletionMarkKey,
  tenantPrefix,
} from '../../libs/blocks/paths.ts';
import type { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { mapBounded } from '../../libs/std/bounded.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import { coveredBlocks } from './coverage.ts';
import { isOfObject } from './refresh-index.ts';
import { compactedDetails, coverOf } from './run-job.ts';

/** Deleted beside one another: a block takes a dozen requests one after the other, and other tenants wait until a large one is gone. */
const blocksAtOnceMax = 16;

export interface CleanOptions {
  readonly nowMs: number;
  readonly deletionDelayMs: number;
  /** 0 is for ever. */
  readonly retentionMs: number;
  /** 0 is never. */
  readonly partialDelayMs: number;
}

export interface Cleaned {
  readonly marked: readonly Ulid[];
  readonly deleted: readonly Ulid[];
  readonly partialsDeleted: readonly Ulid[];
  /** Uploads under way, or left behind and not old enough. */
  readonly partials: number;
  /** Due, but what they were merged into is not there: named, kept. */
  readonly held: readonly Ulid[];
  /** What the store does not let us delete, in its words. */
  readonly problems: readonly string[];
  /** The index after all this. */
  readonly index: BucketIndex;
}

/** Cleans by an index that was read back after the listing. */
export async function cleanTenant(
  bucket: Bucket,
  tenant: TenantId,
  index: BucketIndex,
  listing: TenantListing,
  options: CleanOptions,
  signal: AbortSignal,
): Promise<Cleaned> {
  const { nowMs, deletionDelayMs, partialDelayMs } = options;
  const covered = coveredBlocks(index.blocks, new Set(index.noCompact));
  const marked = await markBlocks(bucket, tenant, index, covered, options, signal);
  const due = [...index.deletionMarks]
    .filter(({ markedAtMs }) => markedAtMs + deletionDelayMs <= nowMs)
    .sort((a, b) => a.markedAtMs - b.markedAtMs);
  const held: Ulid[] = [];
  const deletable: Ulid[] = [];
  const indexed = new Map<string, IndexedBlock>(index.blocks.map((block) => [block.ulid, block]));
  const setAside = new Set<string>(index.noCompact);
  const stands = (ulid: string): boolean => indexed.get(ulid)?.details !== undefined && !setAside.has(ulid);
  for (const { ulid } of due) {
    const block = indexed.get(ulid);
    const isWanted = block !== undefined && !isBeyondRetention(block, nowMs - deletionDelayMs, options);
    if (isWanted && !covered.has(ulid)) {
      const mark = await readableMark(bucket, tenant, ulid, signal);
      // The mark was taken away again, cannot be read, or says that others hold what the block does, which they do not.
      if (mark === undefined || coverOf(mark.details)?.every(stands) === false) {
        held.push(ulid);
        continue;
      }
    }
    deletable.push(ulid);
  }
  const next = await publish(bucket, tenant, index, marked, new Set(deletable), nowMs, signal);
  const undeleted = await deleteBlocks(bucket, tenant, deletable, signal);
  const partialsDeleted: Ulid[] = [];
  let partials = 0;
  for (const [ulid, { uploadedAtMs, modifiedMs }] of listing.blocks) {
    if (uploadedAtMs !== undefined || deletable.includes(ulid)) continue;
    partials++;
    if (partialDelayMs === 0 || modifiedMs + partialDelayMs > nowMs) continue;
    // The listing is older than all that was done since.
    if (!(await isLeftBehind(bucket, tenant, ulid, nowMs - partialDelayMs, signal))) continue;
    const failed = await deleteBlocks(bucket, tenant, [ulid], signal);
    if (failed.size === 0) partialsDeleted.push(ulid);
    for (const [name, failure] of failed) undeleted.set(name, failure);
  }
  return {
    marked: marked.map(({ ulid }) => ulid),
    deleted: deletable.filter((ulid) => !undeleted.has(ulid)),
    partialsDeleted,
    partials,
    held,
    problems: [...undeleted.values()].map(({ message }) => message),
    index: next,
  };
}

/** Deletes blocks; those of which the store does not let us delete an object hold up no other. @returns these, and why */
async function deleteBlocks(
  bucket: Bucket,
  tenant: TenantId,
  ulids: readonly Ulid[],
  signal: AbortSignal,
): Promise<Map<Ulid, Failure>> {
  const undeleted = new Map<Ulid, Failure>();
  await mapBounded(ulids, blocksAtOnceMax, async (ulid) => {
    try {
      await deleteBlock(bucket, tenant, ulid, signal);
    } catch (error) {
      if (!isOfObject(error)) throw error;
      undeleted.set(ulid, error);
    }
  });
  return undeleted;
}

/** The mark of a block; undefined where there is none that can be understood. */
async function readableMark(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  signal: AbortSignal,
): ReturnType<typeof readDeletionMark> {
  try {
    return await readDeletionMark(bucket, tenant, ulid, signal);
  } catch (error) {
    if (!isOfObject(error)) throw error;
    return undefined;
  }
}

/** Whether an upload has not gone on since, and was not finished. */
async function isLeftBehind(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  sinceMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const metaKey = blockKey(tenant, ulid, metaName);
  if ((await bucket.stat(metaKey, signal)) !== undefined) return false;
  for await (const entry of bucket.list(blockPrefix(tenant, ulid), { delimiter: false, signal })) {
    if (entry.kind === 'object' && entry.modifiedMs > sinceMs) return false;
  }
  return true;
}

/** Whether a block was older than anybody wants at a time. */
function isBeyondRetention({ maxTime }: IndexedBlock, atMs: number, { retentionMs }: CleanOptions): boolean {
  return retentionMs > 0 && maxTime <= atMs - retentionMs;
}

/** Marks what is covered, and what is older than anybody wants. */
async function markBlocks(
  bucket: Bucket,
  tenant: TenantId,
  index: BucketIndex,
  covered: ReadonlyMap<Ulid, readonly Ulid[]>,
  options: CleanOptions,
  signal: AbortSignal,
): Promise<IndexedMark[]> {
  const { nowMs, retentionMs } = options;
  const known = new Set(index.deletionMarks.map(({ ulid }) => ulid));
  const markedAtMs = Math.floor(nowMs / 1000) * 1000;
  const marked: IndexedMark[] = [];
  for (const block of index.blocks) {
    const { ulid } = block;
    if (known.has(ulid)) continue;
    const outputs = covered.get(ulid);
    const isOld = isBeyondRetention(block, nowMs, options);
    if (outputs === undefined && !isOld) continue;
    const details = isOld ? `beyond the retention of ${retentionMs / 1000} s` : compactedDetails(outputs ?? []);
    await markForDeletion(bucket, tenant, ulid, { nowMs: markedAtMs, details }, signal);
    marked.push({ ulid, markedAtMs });
  }
  return marked;
}

/** New marks into the index, and what is about to be deleted out of it: readers are told before the objects go. */
async function publish(
  bucket: Bucket,
  tenant: TenantId,
  index: BucketIndex,
  marked: readonly IndexedMark[],
  deleted: ReadonlySet<Ulid>,
  nowMs: number,
  signal: AbortSignal,
): Promise<BucketIndex> {
  if (marked.length === 0 && deleted.size === 0) return index;
  const stored = await updateBucketIndex(
    bucket,
    tenant,
    nowMs,
    (old) => {
      if (old === undefined) return undefined;
      const known = new Set(old.deletionMarks.map(({ ulid }) => ulid));
      return {
        blocks: old.blocks.filter(({ ulid }) => !deleted.has(ulid)),
        deletionMarks: [...old.deletionMarks, ...marked.filter(({ ulid }) => !known.has(ulid))].filter(
          ({ ulid }) => !deleted.has(ulid),
        ),
        noCompact: old.noCompact.filter((ulid) => !deleted.has(ulid)),
      };
    },
    signal,
  );
  return stored?.index ?? index;
}

/** Deletes everything of a tenant that is marked so; its mark goes last, after a delay, so that late uploads are met by it. */
export async function deleteTenant(
  bucket: Bucket,
  tenant: TenantId,
  listing: TenantListing,
  options: { readonly nowMs: number; readonly cleanupDelayMs: number },
  signal: AbortSignal,
): Promise<{ blocksDeleted: number; isGone: boolean }> {
  await bucket.delete(bucketIndexKey(tenant), signal);
  const [failure] = (await deleteBlocks(bucket, tenant, [...listing.blocks.keys()], signal)).values();
  if (failure !== undefined) throw failure;
  const markKey = tenantDeletionMarkKey(tenant);
  await deleteAllBelow(bucket, tenantPrefix(tenant), new Set([markKey]), signal);
  const mark = await bucket.stat(markKey, signal);
  const isGone = mark !== undefined && mark.modifiedMs + options.cleanupDelayMs <= options.nowMs;
  if (isGone) await bucket.delete(markKey, signal);
  return { blocksDeleted: listing.blocks.size, isGone };
}
