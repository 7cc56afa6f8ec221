/**
 * The index of a tenant for whom nobody has written one, from the meta.json of its blocks: a reader must not wait for a compactor.
 * Owns what becomes of a block that is not whole: one without meta.json is none yet, one whose meta.json cannot be understood stays unindexed.
 * Blocks do not change, so what was known of them before is not asked for again. Marks are not looked for: a block that is marked is
 * read until it is gone.
 */
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import { type Bucket, ObjectDenied } from '../object-store/bucket.ts';
import { mapBounded } from '../std/bounded.ts';
import type { Ulid } from '../tsdb/block/ulid.ts';
import { blockFileSizes } from './block-files.ts';
import { type BucketIndex, emptyBucketIndex, type IndexedBlock, indexedBlock } from './bucket-index.ts';
import { fetchMeta } from './fetch-metas.ts';

const requestsAtOnceMax = 16;

/**
 * @param names of all blocks of the tenant, whole or not
 * @throws Failure as the bucket's
 */
export async function indexFromMetas(
  bucket: Bucket,
  tenant: TenantId,
  names: readonly Ulid[],
  before: BucketIndex,
  signal: AbortSignal,
): Promise<BucketIndex> {
  const known = new Map(before.blocks.map((block) => [block.ulid, block]));
  const unindexed: Ulid[] = [];
  const found = await mapBounded(names, requestsAtOnceMax, async (ulid) => {
    const entry = known.get(ulid);
    if (entry?.details !== undefined) return entry;
    try {
      return await entryOf(bucket, tenant, ulid, signal);
    } catch (error) {
      if (!(error instanceof ObjectDenied) && !(error instanceof Failure && error.kind === 'bad_data')) throw error;
      unindexed.push(ulid);
      return undefined;
    }
  });
  const blocks = found.filter((block) => block !== undefined);
  return { ...emptyBucketIndex, blocks, ...(unindexed.length > 0 ? { unindexed } : {}) };
}

/** Undefined for a block that is not complete. One that lacks its files has no details: whoever reads it says so. */
async function entryOf(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  signal: AbortSignal,
): Promise<IndexedBlock | undefined> {
  try {
    const meta = await fetchMeta(bucket, tenant, ulid, signal);
    const sizes = await blockFileSizes(bucket, tenant, meta, signal).catch((error: unknown) => {
      if (error instanceof Failure && error.kind === 'not_found') return new Map<string, number>();
      throw error;
    });
    return indexedBlock(meta, 0, sizes);
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not_found') return undefined;
    throw error;
  }
}
