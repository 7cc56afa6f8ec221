/**
 * What lies in the bucket, asked of the bucket itself: tenants, and of a tenant every block with its files and marks.
 * Owns the two listings and the reading of meta.json. Whatever is foreign is named and passed over. Meant for the compactor and
 * for people; readers go by the bucket index, and look here where nobody has written one.
 */
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { type BlockMeta, metaBytesMax, parseMeta } from '../tsdb/block/meta.ts';
import { isUlid, type Ulid } from '../tsdb/block/ulid.ts';
import { getSmall } from './get-small.ts';
import {
  blockKey,
  isBlockFile,
  isClusterPrefix,
  metaName,
  parseTenantKey,
  tenantOfPrefix,
  tenantPrefix,
} from './paths.ts';

export interface ListedBlock {
  /** Bytes of each data file by its path in the block. */
  readonly files: ReadonlyMap<string, number>;
  /** When the last of its files was written. */
  readonly modifiedMs: number;
  /** When its meta.json was: that is the end of an upload; undefined where there is none, and the block is not complete. */
  readonly uploadedAtMs: number | undefined;
}

export interface TenantListing {
  readonly blocks: ReadonlyMap<Ulid, ListedBlock>;
  readonly deletionMarks: ReadonlySet<Ulid>;
  readonly noCompactMarks: ReadonlySet<Ulid>;
  readonly tenantDeletionMark: boolean;
  /** Keys that are no part of the layout, the first few. */
  readonly foreign: readonly string[];
  readonly foreignCount: number;
}

const foreignNamedMax = 20;

/** Tenants with anything in the bucket, and what else lies at its top. */
export async function listTenants(
  bucket: Bucket,
  signal: AbortSignal,
): Promise<{ tenants: TenantId[]; foreign: string[] }> {
  const tenants: TenantId[] = [];
  const foreign: string[] = [];
  for await (const entry of bucket.list('', { delimiter: true, signal })) {
    const name = entry.kind === 'prefix' ? entry.prefix : entry.key;
    const tenant = entry.kind === 'prefix' ? tenantOfPrefix(name) : undefined;
    if (tenant !== undefined) tenants.push(tenant);
    else if (!isClusterPrefix(name)) foreign.push(name);
  }
  return { tenants, foreign };
}

/** Names of a tenant's blocks, whole or not: the first `countMax`, with a listing that ends there. */
export async function listBlockNames(
  bucket: Bucket,
  tenant: TenantId,
  countMax: number,
  signal: AbortSignal,
): Promise<Ulid[]> {
  const names: Ulid[] = [];
  const prefix = tenantPrefix(tenant);
  for await (const entry of bucket.list(prefix, { delimiter: true, signal })) {
    const name = entry.kind === 'prefix' ? entry.prefix.slice(prefix.length, -1) : '';
    if (isUlid(name)) names.push(name);
    if (names.length >= countMax) break;
  }
  return names;
}

/** Everything of a tenant, with one listing. */
export async function listTenant(bucket: Bucket, tenant: TenantId, signal: AbortSignal): Promise<TenantListing> {
  const blocks = new Map<Ulid, { files: Map<string, number>; modifiedMs: number; uploadedAtMs: number | undefined }>();
  const marks = { deletion: new Set<Ulid>(), 'no-compact': new Set<Ulid>() };
  const foreign: string[] = [];
  let foreignCount = 0;
  let tenantDeletionMark = false;
  const prefix = tenantPrefix(tenant);
  for await (const entry of bucket.list(prefix, { delimiter: false, signal })) {
    if (entry.kind !== 'object') continue;
    const key = parseTenantKey(entry.key.slice(prefix.length));
    switch (key.kind) {
      case 'block-file': {
        const block = blocks.get(key.ulid) ?? { files: new Map(), modifiedMs: 0, uploadedAtMs: undefined };
        if (isBlockFile(key.relPath)) block.files.set(key.relPath, entry.bytes);
        block.modifiedMs = Math.max(block.modifiedMs, entry.modifiedMs);
        if (key.relPath === metaName) block.uploadedAtMs = entry.modifiedMs;
        blocks.set(key.ulid, block);
        break;
      }
      case 'mark':
        marks[key.mark].add(key.ulid);
        break;
      case 'tenant-deletion-mark':
        tenantDeletionMark = true;
        break;
      case 'foreign':
        foreignCount++;
        if (foreign.length < foreignNamedMax) foreign.push(entry.key);
        break;
      case 'bucket-index':
    }
  }
  const noCompactMarks = marks['no-compact'];
  return { blocks, deletionMarks: marks.deletion, noCompactMarks, tenantDeletionMark, foreign, foreignCount };
}

/**
 * meta.json of a block.
 * @throws Failure `not_found`; `bad_data` where it cannot be understood or speaks of another block
 */
export async function fetchMeta(bucket: Bucket, tenant: TenantId, ulid: Ulid, signal: AbortSignal): Promise<BlockMeta> {
  const key = blockKey(tenant, ulid, metaName);
  const { bytes } = await getSmall(bucket, key, metaBytesMax, signal);
  const meta = parseMeta(`${bucket.name}/${key}`, bytes);
  if (meta.ulid !== ulid) throw new Failure('bad_data', `${bucket.name}/${key} says that it is ${meta.ulid}`);
  return meta;
}
