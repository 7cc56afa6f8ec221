/**
 * The files of a block in the bucket as readers by range.
 * Owns where their sizes come from: the bucket index, else meta.json, else a look at the object.
 */
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import type { RangeReader } from '../std/range-reader.ts';
import { CorruptBlock } from '../tsdb/block/corrupt-block.ts';
import type { BlockMeta } from '../tsdb/block/meta.ts';
import type { Ulid } from '../tsdb/block/ulid.ts';
import { blockKey, blockPrefix, isBlockFile } from './paths.ts';

/** An object of a block as a RangeReader. `size` is believed: a range of it that is not there is damage of the block. */
function bucketReader(bucket: Bucket, key: string, size: number): RangeReader {
  return {
    name: `${bucket.name}/${key}`,
    size,
    async read(begin, end, signal) {
      if (!(begin >= 0 && begin <= end && end <= size)) throw new RangeError(`${key}: [${begin}, ${end}) of ${size}`);
      if (begin === end) return new Uint8Array(0);
      try {
        return await bucket.getRange(key, begin, end, signal);
      } catch (error) {
        if (error instanceof Failure && error.kind === 'bad_data') {
          throw new CorruptBlock(
            `${bucket.name}/${key}`,
            begin,
            `it should have ${size} bytes: ${error.message}`,
            error,
          );
        }
        throw error;
      }
    },
  };
}

/**
 * Bytes of every file of a block by its path, meta.json left out.
 * @throws Failure `not_found` where the block has no index
 */
export async function blockFileSizes(
  bucket: Bucket,
  tenant: TenantId,
  meta: Pick<BlockMeta, 'ulid' | 'thanos'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for (const { relPath, sizeBytes } of meta.thanos.files) {
    if (isBlockFile(relPath) && sizeBytes !== undefined) sizes.set(relPath, sizeBytes);
  }
  if (sizes.has('index') && [...sizes.keys()].some((name) => name.startsWith('chunks/'))) {
    // Not every writer of that list names them, and what was deleted must not come back.
    const tombstones = await bucket.stat(blockKey(tenant, meta.ulid, 'tombstones'), signal);
    if (tombstones !== undefined) sizes.set('tombstones', tombstones.bytes);
    return sizes;
  }
  const found = await listedSizes(bucket, tenant, meta.ulid, signal);
  if (!found.has('index')) throw new Failure('not_found', `block ${meta.ulid} of ${tenant} has no index`);
  return found;
}

/**
 * What is wrong with the files of a block, by their sizes alone; undefined if nothing is.
 * @param files bytes of what lies in the bucket, by path
 */
export function damageOfFiles(
  { thanos }: Pick<BlockMeta, 'thanos'>,
  files: ReadonlyMap<string, number>,
): string | undefined {
  for (const { relPath, sizeBytes } of thanos.files) {
    const there = files.get(relPath);
    const isData = relPath === 'index' || relPath.startsWith('chunks/');
    if (isData && (there === undefined || (sizeBytes !== undefined && there !== sizeBytes))) {
      return `is damaged: ${relPath} has ${there ?? 'no'} bytes, meta.json says ${sizeBytes}`;
    }
  }
  return files.has('index') ? undefined : 'is damaged: it has no index';
}

async function listedSizes(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const prefix = blockPrefix(tenant, ulid);
  const sizes = new Map<string, number>();
  for await (const entry of bucket.list(prefix, { delimiter: false, signal })) {
    if (entry.kind !== 'object') continue;
    const relPath = entry.key.slice(prefix.length);
    if (isBlockFile(relPath)) sizes.set(relPath, entry.bytes);
  }
  return sizes;
}

/** A file of a block as a reader. */
export function blockFileReader(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  relPath: string,
  size: number,
): RangeReader {
  return bucketReader(bucket, blockKey(tenant, ulid, relPath), size);
}
