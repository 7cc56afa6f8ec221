/**
 * The bucket index of a tenant against what lies in the bucket: one listing, meta.json of blocks that are new, one write.
 * Owns what enters and leaves the index. Surprising: others write it too (ingesters that ship, jobs that end), so this says only what
 * has changed since the index was read before the listing; what came meanwhile stays.
 */
import { damageOfFiles } from '../../libs/blocks/block-files.ts';
import {
  type BucketIndex,
  type IndexedBlock,
  type IndexedDetails,
  type IndexedMark,
  indexedBlock,
  readBucketIndex,
  updateBucketIndex,
} from '../../libs/blocks/bucket-index.ts';
import { readDeletionMark } from '../../libs/blocks/deletion-mark.ts';
import { fetchMeta, type TenantListing } from '../../libs/blocks/fetch-metas.ts';
import { blockKey, metaName } from '../../libs/blocks/paths.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { type Bucket, ObjectDenied } from '../../libs/object-store/bucket.ts';
import { mapBounded } from '../../libs/std/bounded.ts';
import { segmentName } from '../../libs/tsdb/block/chunks-file.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';

const requestsAtOnceMax = 16;

export interface RefreshedIndex {
  /** What was read back. */
  readonly index: BucketIndex;
  /** What is not what it must be, in sentences. */
  readonly problems: readonly string[];
  /** Blocks that are there but say nothing that can be understood, or lack some of their bytes. */
  readonly broken: readonly Ulid[];
}

/** The index as it stands before a listing; an index that is damaged is as good as none. */
export async function indexBefore(
  bucket: Bucket,
  tenant: TenantId,
  signal: AbortSignal,
): Promise<{ index: BucketIndex | undefined; problems: string[] }> {
  try {
    const stored = await readBucketIndex(bucket, tenant, signal);
    return { index: stored?.index, problems: [...(stored?.index.problems ?? [])] };
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'bad_data') throw error;
    return { index: undefined, problems: [error.message] };
  }
}

/** Brings the index up to the listing. `before` was read before the listing was begun. */
export async function refreshIndex(
  bucket: Bucket,
  tenant: TenantId,
  before: BucketIndex | undefined,
  listing: TenantListing,
  nowMs: number,
  signal: AbortSignal,
): Promise<RefreshedIndex> {
  const known = new Map(before?.blocks.map((block) => [block.ulid, block]));
  const complete = [...listing.blocks].filter(([, { uploadedAtMs }]) => uploadedAtMs !== undefined);
  const unknown = complete.filter(([ulid, { files }]) => {
    const details = known.get(ulid)?.details;
    if (details === undefined) return true;
    // One that is on its way out is passed over by readers where others hold what it does: what they know of it must stay.
    return !listing.deletionMarks.has(ulid) && !isAsListed(details, files);
  });
  const problems: string[] = [];
  const broken: Ulid[] = [];
  const found = await mapBounded(unknown, requestsAtOnceMax, async ([ulid, block]) => {
    try {
      const meta = await fetchMeta(bucket, tenant, ulid, signal);
      const damage = damageOfFiles(meta, block.files);
      if (damage === undefined) {
        const entry = indexedBlock(meta, block.uploadedAtMs ?? 0, block.files);
        if (entry.details === undefined)
          problems.push(`block ${ulid} of ${tenant} is not merged: no index can hold what it says`);
        return entry;
      }
      broken.push(ulid);
      problems.push(`block ${ulid} of ${tenant} ${damage}`);
      // Without details: queries over its time fail by its name, it covers nothing, and it is looked at again.
      return indexedBlock(meta, block.uploadedAtMs ?? 0, new Map());
    } catch (error) {
      if (!isOfObject(error) && !(error instanceof Failure && error.kind === 'not_found')) throw error;
      if (isOfObject(error)) broken.push(ulid);
      problems.push(error.message);
      return undefined;
    }
  });
  const added = found.filter((block) => block !== undefined);
  const marks = await newMarks(bucket, tenant, before, listing, problems, signal);
  const unlisted = [...known.keys()].filter((ulid) => listing.blocks.get(ulid)?.uploadedAtMs === undefined);
  // Out of the index is out of every answer: a listing alone does not say so.
  const looked = await mapBounded(unlisted, requestsAtOnceMax, async (ulid) => {
    return (await bucket.stat(blockKey(tenant, ulid, metaName), signal)) === undefined ? [ulid] : [];
  });
  const gone = new Set(looked.flat());
  const markedBefore = new Set(before?.deletionMarks.map(({ ulid }) => ulid));
  for (const ulid of gone) {
    if (markedBefore.has(ulid)) continue;
    problems.push(`block ${ulid} of ${tenant} is gone from the bucket, and was not marked for deletion`);
  }
  const stored = await updateBucketIndex(
    bucket,
    tenant,
    nowMs,
    // Where it was lost meanwhile those that were known before were not looked at: an index without them would hide them.
    (old) => changed(old ?? before, { added, marks, gone, listing, markedBefore: before?.deletionMarks ?? [] }),
    signal,
  );
  if (stored === undefined)
    throw new Failure('unavailable', `${bucket.name} has no index of ${tenant} after it was written`);
  return { index: stored.index, problems, broken };
}

/** Whether a failure is one of this object alone, that cannot be understood or is not given to us: others must not wait for it. */
export function isOfObject(error: unknown): error is Failure {
  return error instanceof ObjectDenied || (error instanceof Failure && error.kind === 'bad_data');
}

/** Whether the files of a block are those that the index knows: one that was copied here may have been listed before it was whole. */
function isAsListed(details: IndexedDetails, files: ReadonlyMap<string, number>): boolean {
  const { indexBytes, segmentBytes, tombstonesBytes } = details;
  if (files.get('index') !== indexBytes || (files.get('tombstones') ?? 0) !== tombstonesBytes) return false;
  const segmentCount = [...files.keys()].filter((relPath) => relPath.startsWith('chunks/')).length;
  if (segmentCount !== segmentBytes.length) return false;
  return segmentBytes.every((bytes, i) => files.get(`chunks/${segmentName(i)}`) === bytes);
}

async function newMarks(
  bucket: Bucket,
  tenant: TenantId,
  before: BucketIndex | undefined,
  listing: TenantListing,
  problems: string[],
  signal: AbortSignal,
): Promise<IndexedMark[]> {
  const known = new Set(before?.deletionMarks.map(({ ulid }) => ulid));
  const unknown = [...listing.deletionMarks].filter((ulid) => !known.has(ulid));
  const marks = await mapBounded(unknown, requestsAtOnceMax, async (ulid) => {
    try {
      const mark = await readDeletionMark(bucket, tenant, ulid, signal);
      return mark === undefined ? undefined : { ulid, markedAtMs: mark.markedAtMs };
    } catch (error) {
      if (!isOfObject(error)) throw error;
      problems.push(error.message);
      return undefined;
    }
  });
  return marks.filter((mark) => mark !== undefined);
}

interface Change {
  readonly added: readonly IndexedBlock[];
  readonly marks: readonly IndexedMark[];
  /** In the index before, and no longer in the bucket. */
  readonly gone: ReadonlySet<Ulid>;
  readonly listing: TenantListing;
  readonly markedBefore: readonly IndexedMark[];
}

/** The next index: also without a change, so that its time says that somebody looks. */
function changed(
  old: BucketIndex | undefined,
  { added, marks, gone, listing, markedBefore }: Change,
): Pick<BucketIndex, 'blocks' | 'deletionMarks' | 'noCompact'> {
  const blocks = new Map(old?.blocks.map((block) => [block.ulid, block]));
  for (const ulid of gone) blocks.delete(ulid);
  for (const block of added) blocks.set(block.ulid, block);
  const known = new Set(markedBefore.map(({ ulid }) => ulid));
  const deletionMarks = new Map(old?.deletionMarks.map((mark) => [mark.ulid, mark]));
  for (const ulid of known) if (!listing.deletionMarks.has(ulid)) deletionMarks.delete(ulid);
  for (const mark of marks) deletionMarks.set(mark.ulid, mark);
  return {
    blocks: [...blocks.values()].sort((a, b) => (a.ulid < b.ulid ? -1 : 1)),
    deletionMarks: [...deletionMarks.values()],
    noCompact: [...listing.noCompactMarks],
  };
}
