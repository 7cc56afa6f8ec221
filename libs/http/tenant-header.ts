/**
 * The tenant of a request: `X-Scope-OrgID`, parsed once.
 * Owns what its absence means.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { parseTenantId, type TenantId } from '../model/tenant-id.ts';

export const missingHeaderWords = ['auto', 'anonymous', 'reject'] as const;

/** The tenant of requests without a header, where that is allowed. */
export const anonymousTenant: TenantId = parseTenantId('anonymous');

export type TenantOf = (headers: IncomingHttpHeaders) => TenantId;

/** @returns a parser that throws Failure `unauthenticated` or `bad_data` */
export function tenantReader(missingHeader: 'anonymous' | 'reject'): TenantOf {
  return (headers) => {
    const header = headers['x-scope-orgid'];
    if (header === undefined && missingHeader === 'anonymous') return anonymousTenant;
    return parseTenantId(Array.isArray(header) ? header.join(',') : header);
  };
}
