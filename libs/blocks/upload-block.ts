/**
 * A block from the local disk into the bucket: its files, then its meta.json, which makes it a block.
 * Owns the order and the looking again. Can be repeated after any end: what is there in full is not sent twice, and a block that
 * is complete is left as it is.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { mapBounded } from '../std/bounded.ts';
import { type BlockMeta, encodeMeta, parseMeta } from '../tsdb/block/meta.ts';
import type { Ulid } from '../tsdb/block/ulid.ts';
import { fetchMeta } from './fetch-metas.ts';
import { blockKey, metaName } from './paths.ts';

const filesAtOnceMax = 4;
/** A tombstones file without any has this length. */
const noTombstonesBytes = 9;

export interface UploadedBlock {
  readonly meta: BlockMeta;
  /** Sent by this call. */
  readonly bytes: number;
  /** Bytes of every file but meta.json. */
  readonly sizes: ReadonlyMap<string, number>;
}

/**
 * Uploads the block in `directory`, whose name is `ulid`. Resolves when every object was looked at and has its length.
 * @throws Failure `bad_data` where the folder is not that block
 */
export async function uploadBlock(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  directory: string,
  signal: AbortSignal,
): Promise<UploadedBlock> {
  const local = parseMeta(join(directory, metaName), new Uint8Array(await readFile(join(directory, metaName))));
  if (local.ulid !== ulid) throw new Failure('bad_data', `${directory} holds ${local.ulid}, not ${ulid}`);
  const sizes = await localFiles(directory);
  for (const { relPath, sizeBytes } of local.thanos.files) {
    const there = sizes.get(relPath);
    if (sizeBytes === undefined || relPath === 'tombstones' || there === sizeBytes) continue;
    const path = join(directory, relPath);
    throw new Failure('bad_data', `${path} has ${there ?? 'no'} bytes, its meta.json says ${sizeBytes}`);
  }
  const standing = await completeAlready(bucket, tenant, ulid, sizes, signal);
  if (standing !== undefined) return { meta: standing, bytes: 0, sizes };
  const sent = await mapBounded([...sizes], filesAtOnceMax, async ([relPath, bytes]) => {
    const key = blockKey(tenant, ulid, relPath);
    if ((await bucket.stat(key, signal))?.bytes === bytes) return 0;
    await bucket.put(key, { path: join(directory, relPath), bytes }, { signal });
    const there = (await bucket.stat(key, signal))?.bytes;
    if (there !== bytes) {
      throw new Failure('unavailable', `${bucket.name}/${key} has ${there ?? 'no'} bytes after an upload of ${bytes}`);
    }
    return bytes;
  });
  const meta: BlockMeta = {
    ...local,
    thanos: {
      ...local.thanos,
      segmentFiles: [...sizes.keys()].filter((name) => name.startsWith('chunks/')).map((name) => name.slice(7)),
      files: [
        ...[...sizes].map(([relPath, sizeBytes]) => ({ relPath, sizeBytes })),
        { relPath: metaName, sizeBytes: undefined },
      ].sort((a, b) => (a.relPath < b.relPath ? -1 : 1)),
    },
  };
  const body = encodeMeta(meta);
  await bucket.put(blockKey(tenant, ulid, metaName), body, { signal });
  const readBack = await fetchMeta(bucket, tenant, ulid, signal);
  return { meta: readBack, bytes: sent.reduce((sum, bytes) => sum + bytes, body.length), sizes };
}

/** Files of a block that are uploaded, by path, sorted; meta.json is not among them. */
async function localFiles(directory: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const name of (await readdir(join(directory, 'chunks'))).sort()) {
    if (!/^\d{6}$/.test(name)) throw new Failure('bad_data', `${join(directory, 'chunks', name)} is no chunk file`);
    sizes.set(`chunks/${name}`, (await stat(join(directory, 'chunks', name))).size);
  }
  sizes.set('index', (await stat(join(directory, 'index'))).size);
  const tombstones = await stat(join(directory, 'tombstones')).catch(() => undefined);
  if (tombstones !== undefined && tombstones.size > noTombstonesBytes) sizes.set('tombstones', tombstones.size);
  return sizes;
}

/** The meta.json of a block that is there with every file; undefined where anything is missing. */
async function completeAlready(
  bucket: Bucket,
  tenant: TenantId,
  ulid: Ulid,
  sizes: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<BlockMeta | undefined> {
  let meta: BlockMeta;
  try {
    meta = await fetchMeta(bucket, tenant, ulid, signal);
  } catch (error) {
    if (error instanceof Failure && (error.kind === 'not_found' || error.kind === 'bad_data')) return undefined;
    throw error;
  }
  const there = await mapBounded([...sizes], filesAtOnceMax, async ([relPath, bytes]) => {
    return (await bucket.stat(blockKey(tenant, ulid, relPath), signal))?.bytes === bytes;
  });
  return there.every((isThere) => isThere) ? meta : undefined;
}
