/** What an ingester says of its head, between processes. */
import type { HeadStatus } from '../../contracts/ingester.ts';
import { parseTenantId, type TenantId } from '../../model/tenant-id.ts';
import { codecOf, type MessageCodec } from './message-codec.ts';

interface StatusRequest {
  readonly tenant: string;
  readonly countMax: number;
}

type StatusMessage = Omit<HeadStatus, 'minT' | 'maxT'> & { readonly minT?: number; readonly maxT?: number };

const requestCodec: MessageCodec<StatusRequest> = codecOf('HeadStatusRequest');
const statusCodec: MessageCodec<StatusMessage> = codecOf('HeadStatus');

export function encodeStatusRequest(tenant: TenantId, countMax: number): Uint8Array {
  return requestCodec.encode({ tenant, countMax });
}

export function decodeStatusRequest(bytes: Uint8Array): { readonly tenant: TenantId; readonly countMax: number } {
  const { tenant, countMax } = requestCodec.decode(bytes);
  return { tenant: parseTenantId(tenant), countMax };
}

export function encodeStatus({ minT, maxT, ...counts }: HeadStatus): Uint8Array {
  return statusCodec.encode({
    ...counts,
    ...(minT === undefined ? {} : { minT }),
    ...(maxT === undefined ? {} : { maxT }),
  });
}

export function decodeStatus(bytes: Uint8Array): HeadStatus {
  const { minT, maxT, ...counts } = statusCodec.decode(bytes);
  return { ...counts, minT, maxT };
}
