/**
 * Where things lie in the bucket: Mimir's layout, so that either serves what the other wrote.
 *
 *     <tenant>/<ULID>/meta.json, index, chunks/000001, ...       a block; complete when its meta.json is there
 *     <tenant>/<ULID>/deletion-mark.json, no-compact-mark.json   marks, beside the block
 *     <tenant>/markers/<ULID>-deletion-mark.json, ...            the same marks, where one listing finds them all
 *     <tenant>/markers/tenant-deletion-mark.json
 *     <tenant>/bucket-index.json.gz
 *     ~maru/...                                                  what the processes of a cluster know together (libs/ring)
 *
 * Owns the names, both ways. A tenant and a ULID are parsed before they become a key, and what a listing has is parsed before
 * it becomes either.
 */
import { isTenantId, type TenantId } from '../model/tenant-id.ts';
import { isUlid, type Ulid } from '../tsdb/block/ulid.ts';

export type BlockMark = 'deletion' | 'no-compact';

export const metaName = 'meta.json';
const markersFolder = 'markers';
const markNames = { deletion: 'deletion-mark.json', 'no-compact': 'no-compact-mark.json' } as const;

export function tenantPrefix(tenant: TenantId): string {
  return `${tenant}/`;
}

export function blockPrefix(tenant: TenantId, ulid: Ulid): string {
  return `${tenant}/${ulid}/`;
}

/** @param relPath `index`, `meta.json`, `chunks/000001` */
export function blockKey(tenant: TenantId, ulid: Ulid, relPath: string): string {
  return `${tenant}/${ulid}/${relPath}`;
}

export function bucketIndexKey(tenant: TenantId): string {
  return `${tenant}/bucket-index.json.gz`;
}

function markersPrefix(tenant: TenantId): string {
  return `${tenant}/${markersFolder}/`;
}

/** Whether a path below a block is one of its data files: what a meta.json lists may be anything. */
export function isBlockFile(relPath: string): boolean {
  return relPath === 'index' || relPath === 'tombstones' || /^chunks\/\d{6}$/.test(relPath);
}

/** Both places of a mark: the one that a listing finds, and the one beside the block. */
export function markKeys(tenant: TenantId, ulid: Ulid, mark: BlockMark): { global: string; local: string } {
  const name = markNames[mark];
  return { global: `${markersPrefix(tenant)}${ulid}-${name}`, local: blockKey(tenant, ulid, name) };
}

export function tenantDeletionMarkKey(tenant: TenantId): string {
  return `${markersPrefix(tenant)}tenant-deletion-mark.json`;
}

/** The tenant of a prefix at the top of the bucket (`name/`); undefined where that is no tenant's. */
export function tenantOfPrefix(prefix: string): TenantId | undefined {
  const name = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return isTenantId(name) ? name : undefined;
}

/** Whether a prefix at the top of the bucket is the cluster's own, which no tenant can be called. */
export function isClusterPrefix(prefix: string): boolean {
  return prefix === '~maru/';
}

/** What a key below a tenant's prefix is. */
export type TenantKey =
  | { readonly kind: 'block-file'; readonly ulid: Ulid; readonly relPath: string }
  | { readonly kind: 'mark'; readonly ulid: Ulid; readonly mark: BlockMark }
  | { readonly kind: 'bucket-index' }
  | { readonly kind: 'tenant-deletion-mark' }
  | { readonly kind: 'foreign' };

/** @param rest of the key, behind the tenant's prefix */
export function parseTenantKey(rest: string): TenantKey {
  if (rest === 'bucket-index.json.gz') return { kind: 'bucket-index' };
  const slash = rest.indexOf('/');
  if (slash < 0) return { kind: 'foreign' };
  const folder = rest.slice(0, slash);
  const name = rest.slice(slash + 1);
  if (isUlid(folder)) return { kind: 'block-file', ulid: folder, relPath: name };
  if (folder !== markersFolder) return { kind: 'foreign' };
  if (name === 'tenant-deletion-mark.json') return { kind: 'tenant-deletion-mark' };
  const ulid = name.slice(0, 26);
  for (const mark of ['deletion', 'no-compact'] as const) {
    if (name === `${ulid}-${markNames[mark]}` && isUlid(ulid)) return { kind: 'mark', ulid, mark };
  }
  return { kind: 'foreign' };
}
