/** What an ingester says of itself with every reply to whether it is there, between processes. */
import { codecOf, type MessageCodec } from './message-codec.ts';

const replyCodec: MessageCodec<{ readonly heldFromMs: number }> = codecOf('RingEpochReply');

export function encodeRingEpochReply(heldFromMs: number): Uint8Array {
  return replyCodec.encode({ heldFromMs });
}

/** 0 where it does not say. */
export function decodeRingEpochReply(bytes: Uint8Array): number {
  return replyCodec.decode(bytes).heldFromMs;
}
