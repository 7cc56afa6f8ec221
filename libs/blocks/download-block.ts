/**
 * A block from the bucket onto the local disk, for whoever rewrites it or looks at it with Prometheus' tools.
 * Owns the order: meta.json comes last here too, so that a folder with one is a whole block.
 */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { mapBounded } from '../std/bounded.ts';
import { type BlockMeta, encodeMeta } from '../tsdb/block/meta.ts';
import type { Ulid } from '../tsdb/block/ulid.ts';
import { blockFileReader, blockFileSizes } from './block-files.ts';
import { fetchMeta } from './fetch-metas.ts';
import { metaName } from './paths.ts';

const pieceBytes = 8 << 20;
const piecesAtOnceMax = 4;

/**
 * Downloads a block into `directory`, which may not hold another. Nothing is synced: it can be had again.
 * @param onProgress told of bytes as they arrive
 */
export async function downloadBlock(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  directory: string,
  signal: AbortSignal,
  onProgress: (bytes: number) => void = () => {},
): Promise<BlockMeta> {
  const meta = await fetchMeta(bucket, tenant, ulid, signal);
  const sizes = await blockFileSizes(bucket, tenant, meta, signal);
  for (const [relPath, size] of sizes) {
    const path = join(directory, relPath);
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'w');
    try {
      const reader = blockFileReader(bucket, tenant, ulid, relPath, size);
      const begins = Array.from({ length: Math.ceil(size / pieceBytes) }, (_, i) => i * pieceBytes);
      await mapBounded(begins, piecesAtOnceMax, async (begin) => {
        const bytes = await reader.read(begin, Math.min(size, begin + pieceBytes), signal);
        await file.write(bytes, 0, bytes.length, begin);
        onProgress(bytes.length);
      });
    } finally {
      await file.close();
    }
  }
  await writeFile(join(directory, metaName), encodeMeta(meta));
  return meta;
}
