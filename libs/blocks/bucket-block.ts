/**
 * A block in the bucket as the files of a block, read from its begin to its end: for whoever verifies, dumps or merges it there.
 * Does not own selections by matcher: those go through a header (services/store-gateway).
 */
import type { TenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { segmentName } from '../tsdb/block/chunks-file.ts';
import { CorruptBlock } from '../tsdb/block/corrupt-block.ts';
import type { BlockFiles } from '../tsdb/block/read-block.ts';
import { parseTombstones, tombstonesBytesMax } from '../tsdb/block/tombstones.ts';
import type { Ulid } from '../tsdb/block/ulid.ts';
import { blockFileReader, blockFileSizes } from './block-files.ts';
import { fetchMeta } from './fetch-metas.ts';

/**
 * Opens a block; nothing has to be closed.
 * @throws Failure `not_found`; `bad_data` for its meta.json; CorruptBlock; what the bucket throws
 */
export async function openBucketBlock(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  signal: AbortSignal,
): Promise<BlockFiles> {
  const meta = await fetchMeta(bucket, tenant, ulid, signal);
  const sizes = await blockFileSizes(bucket, tenant, meta, signal);
  const reader = (relPath: string, size: number) => blockFileReader(bucket, tenant, ulid, relPath, size);
  const index = reader('index', sizes.get('index') ?? 0);
  const tombstonesBytes = sizes.get('tombstones') ?? 0;
  if (tombstonesBytes > tombstonesBytesMax)
    throw new CorruptBlock(index.name, 0, `tombstones of ${tombstonesBytes} bytes`);
  const deleted = reader('tombstones', tombstonesBytes);
  return {
    meta,
    index,
    tombstones:
      tombstonesBytes === 0 ? new Map() : parseTombstones(deleted.name, await deleted.read(0, tombstonesBytes, signal)),
    openSegment: async (at) => {
      const name = `chunks/${segmentName(at)}`;
      const size = sizes.get(name);
      if (size === undefined) throw new CorruptBlock(index.name, 0, `it refers to ${name}, which is missing`);
      return reader(name, size);
    },
  };
}
