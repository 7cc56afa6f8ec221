/**
 * Marks of blocks: to be deleted after a delay, not to be compacted. Small JSON objects, as Thanos and Mimir write them.
 * Owns their format and that a mark is in both places. Deleting what is marked is the compactor's work; the order in which a
 * block's objects go is here, so that no half of a block ever looks like a whole one.
 */
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import { type Bucket, ObjectDenied } from '../object-store/bucket.ts';
import type { Ulid } from '../tsdb/block/ulid.ts';
import { getSmall } from './get-small.ts';
import { type BlockMark, blockKey, blockPrefix, markKeys, metaName } from './paths.ts';

const markBytesMax = 1 << 20;

/** Marks a block to be deleted; one that is marked keeps the time of its first mark. */
export async function markForDeletion(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  mark: { readonly nowMs: number; readonly details: string },
  signal: AbortSignal,
): Promise<void> {
  const json = { id: ulid, version: 1, details: mark.details, deletion_time: Math.floor(mark.nowMs / 1000) };
  await putMark(bucket, tenant, ulid, 'deletion', json, signal);
}

/** Marks a block so that no compactor touches it. */
export async function markNoCompact(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  mark: { readonly nowMs: number; readonly reason: 'manual' | 'critical'; readonly details: string },
  signal: AbortSignal,
): Promise<void> {
  const { nowMs, reason, details } = mark;
  const json = { id: ulid, version: 1, details, no_compact_time: Math.floor(nowMs / 1000), reason };
  await putMark(bucket, tenant, ulid, 'no-compact', json, signal);
}

async function putMark(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  mark: BlockMark,
  json: object,
  signal: AbortSignal,
): Promise<void> {
  const keys = markKeys(tenant, ulid, mark);
  const body = new TextEncoder().encode(JSON.stringify(json));
  // The one that listings find comes first: a mark that only stands beside its block is one that nobody sees.
  for (const key of [keys.global, keys.local]) {
    try {
      await bucket.put(key, body, { condition: 'absent', signal });
    } catch (error) {
      // Beside a block that we may only read it cannot stand, and need not: who has the other one knows.
      if (key === keys.local && error instanceof ObjectDenied) continue;
      if (!(error instanceof Failure) || error.kind !== 'precondition_failed') throw error;
    }
  }
}

/**
 * When a block was marked to be deleted, and why; undefined if it is not.
 * @throws Failure `bad_data` for a mark that cannot be read
 */
export async function readDeletionMark(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  signal: AbortSignal,
): Promise<{ readonly markedAtMs: number; readonly details: string } | undefined> {
  const { global } = markKeys(tenant, ulid, 'deletion');
  let json: unknown;
  try {
    const { bytes } = await getSmall(bucket, global, markBytesMax, signal);
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not_found') return undefined;
    if (error instanceof SyntaxError) throw new Failure('bad_data', `${global} is not JSON`, { cause: error });
    throw error;
  }
  const fields = typeof json === 'object' && json !== null ? (json as Readonly<Record<string, unknown>>) : {};
  const seconds = fields['deletion_time'];
  if (fields['version'] !== 1 || typeof seconds !== 'number' || !Number.isSafeInteger(seconds)) {
    throw new Failure('bad_data', `${global} is no deletion mark of version 1`);
  }
  const details = fields['details'];
  return { markedAtMs: seconds * 1000, details: typeof details === 'string' ? details : '' };
}

/**
 * Deletes a block with its marks: meta.json first, so that what is left is a partial block at once; the marks last, so that
 * a deletion that breaks off is found again.
 */
export async function deleteBlock(bucket: Bucket, tenant: TenantId, ulid: Ulid, signal: AbortSignal): Promise<void> {
  const marks = (['deletion', 'no-compact'] as const).map((mark) => markKeys(tenant, ulid, mark));
  await bucket.delete(blockKey(tenant, ulid, metaName), signal);
  await deleteAllBelow(bucket, blockPrefix(tenant, ulid), new Set(marks.map(({ local }) => local)), signal);
  for (const { local } of marks) await bucket.delete(local, signal);
  for (const { global } of marks.toReversed()) await bucket.delete(global, signal);
}

/** Deletes all that lies below a prefix, but for some. What has a name that is no key of ours stays: it must not keep the rest from going. */
export async function deleteAllBelow(
  bucket: Bucket,
  prefix: string,
  kept: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  for await (const entry of bucket.list(prefix, { delimiter: false, signal })) {
    if (entry.kind !== 'object' || kept.has(entry.key)) continue;
    try {
      await bucket.delete(entry.key, signal);
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'bad_data') throw error;
    }
  }
}
