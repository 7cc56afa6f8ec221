/** How far an ingester has followed the log, between processes. */
import { codecOf, type MessageCodec } from './message-codec.ts';

interface AppliedRequest {
  readonly offset: number;
  readonly timeoutMs: number;
}

const requestCodec: MessageCodec<AppliedRequest> = codecOf('AppliedRequest');
const replyCodec: MessageCodec<{ readonly offset: number }> = codecOf('AppliedReply');

export function encodeAppliedRequest(request: AppliedRequest): Uint8Array {
  return requestCodec.encode(request);
}

export function decodeAppliedRequest(bytes: Uint8Array): AppliedRequest {
  return requestCodec.decode(bytes);
}

export function encodeAppliedReply(offset: number): Uint8Array {
  return replyCodec.encode({ offset });
}

export function decodeAppliedReply(bytes: Uint8Array): number {
  return replyCodec.decode(bytes).offset;
}
