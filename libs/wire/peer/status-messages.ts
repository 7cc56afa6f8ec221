/** What an ingester says of its head, between processes. */
import type { HeadStatus, TimeSpan, WriteMarksOf } from '../../contracts/ingester.ts';
import { parseTenantId, type TenantId } from '../../model/tenant-id.ts';
import { codecOf, type MessageCodec } from './message-codec.ts';

interface StatusRequest {
  readonly tenant: string;
  readonly countMax: number;
}

type StatusMessage = Omit<HeadStatus, 'minT' | 'maxT'> & { readonly minT?: number; readonly maxT?: number };

interface MarksRequest {
  readonly tenant: string;
  readonly minT: readonly number[];
  readonly maxT: readonly number[];
}

const marksRequestCodec: MessageCodec<MarksRequest> = codecOf('WriteMarksRequest');
/** What an ingester says of its last writes. */
export const writeMarksCodec: MessageCodec<WriteMarksOf> = codecOf('WriteMarks');
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

export function encodeMarksRequest(tenant: TenantId, spans: readonly TimeSpan[]): Uint8Array {
  return marksRequestCodec.encode({ tenant, minT: spans.map(({ minT }) => minT), maxT: spans.map(({ maxT }) => maxT) });
}

export function decodeMarksRequest(bytes: Uint8Array): { readonly tenant: TenantId; readonly spans: TimeSpan[] } {
  const { tenant, minT, maxT } = marksRequestCodec.decode(bytes);
  return { tenant: parseTenantId(tenant), spans: minT.map((from, i) => ({ minT: from, maxT: maxT[i] ?? from })) };
}
