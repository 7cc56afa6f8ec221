/**
 * Which partition a series belongs to: rendezvous hashing of tenant and labels without `le`, within the tenant's subset.
 * Owns the hash, which must never change: a series would move. A classic histogram stays together, since its buckets differ in `le`
 * alone; a partition more takes 1/(n+1) of the series of each other and moves nothing else.
 */
import { hashBytes, mix } from '../model/encoding/bytes.ts';
import { uvarintAt, uvarintEnd } from '../model/encoding/uvarint.ts';
import type { TenantId } from '../model/tenant-id.ts';

/** The hash of a text, for tenants and metric names. */
export function hashText(text: string): number {
  const bytes = Buffer.from(text);
  return hashBytes(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
}

/** The hash of canonical labels bytes[begin, end), `le` left out. */
export function hashSeries(bytes: Uint8Array, view: DataView, begin: number, end: number): number {
  let hash = 0x9747b28c;
  let at = begin;
  while (at < end) {
    const pairBegin = at;
    const nameLength = uvarintAt(bytes, at);
    at = uvarintEnd(bytes, at);
    const isLe = nameLength === 2 && bytes[at] === 0x6c && bytes[at + 1] === 0x65;
    at += nameLength;
    const valueLength = uvarintAt(bytes, at);
    at = uvarintEnd(bytes, at) + valueLength;
    if (!isLe) hash = mix(Math.imul(hash, 31) ^ hashBytes(view, pairBegin, at));
  }
  return hash;
}

/** Which of `partitions` something with this hash belongs to; -1 where there is none. */
export function placeOf(hash: number, tenantHash: number, partitions: readonly number[]): number {
  let best = -1;
  let bestScore = -1;
  for (const id of partitions) {
    const score = scoreOf(hash, tenantHash, id);
    if (score > bestScore || (score === bestScore && id < best)) {
      best = id;
      bestScore = score;
    }
  }
  return best;
}

function scoreOf(hash: number, tenantHash: number, id: number): number {
  return mix(Math.imul(hash ^ Math.imul(mix(id + 0x7f4a7c15), 0x9e3779b1), 0x27d4eb2f) ^ tenantHash);
}

/**
 * The partitions that a tenant's series are spread over: `size` of them (0: all), the same ones as long as they exist.
 * More of them is the same ones and others; a partition that comes or goes changes at most one.
 */
export function subsetOf(tenant: TenantId, partitions: readonly number[], size: number): readonly number[] {
  if (size === 0 || size >= partitions.length) return partitions;
  const tenantHash = hashText(tenant);
  return [...partitions]
    .sort((a, b) => scoreOf(0x5bd1e995, tenantHash, b) - scoreOf(0x5bd1e995, tenantHash, a) || a - b)
    .slice(0, size)
    .sort((a, b) => a - b);
}
