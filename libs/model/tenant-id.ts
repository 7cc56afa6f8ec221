/**
 * The tenant, as a parsed and branded type: past `parseTenantId` the type is the proof.
 * Rules are those of Mimir (about-tenant-ids; grafana/dskit tenant validation): ASCII letters, digits and ! - _ . * ' ( ),
 * at most 150 bytes, neither `.` nor `..` nor the name of what Mimir keeps for itself in a bucket. A legal tenant may still be called
 * `__proto__`: never use one as an object key.
 */
import { Failure } from '../errors/failure.ts';

export type TenantId = string & { readonly __brand: 'TenantId' };

const tenantIdLengthMax = 150;
/** What Mimir keeps for itself at the top of its bucket: a folder beside the tenants'. */
const reserved = '__mimir_cluster';
const tenantIdPattern = /^[a-zA-Z0-9!\-_.*'()]+$/;

/**
 * Parses the value of `X-Scope-OrgID`.
 * @throws Failure `unauthenticated` when it is absent or empty, `bad_data` when it breaks a rule.
 */
export function parseTenantId(header: string | undefined): TenantId {
  if (header === undefined || header === '') throw new Failure('unauthenticated', 'no org id');
  if (!tenantIdPattern.test(header)) {
    throw new Failure('bad_data', "tenant ID contains a character outside of a-z A-Z 0-9 and ! - _ . * ' ( )");
  }
  if (header.length > tenantIdLengthMax) {
    throw new Failure('bad_data', `tenant ID is too long: max ${tenantIdLengthMax} characters`);
  }
  if (header === '.' || header === '..') throw new Failure('bad_data', "tenant ID is '.' or '..'");
  if (header === reserved) throw new Failure('bad_data', `tenant ID ${reserved} is reserved`);
  return header as TenantId; // the only cast: past this line the type is the proof
}

/** Whether a text that did not come from a request, such as a name in a listing, is a tenant. */
export function isTenantId(text: string): text is TenantId {
  if (text === '.' || text === '..' || text === reserved) return false;
  return tenantIdPattern.test(text) && text.length <= tenantIdLengthMax;
}
