/**
 * A Failure on its way through a link: the same kind and words on the other side.
 */
import { Failure, type FailureKind, toFailure } from '../errors/failure.ts';
import { wireStatus } from '../errors/wire-status.ts';
import { type CallFailureMessage, callFailureCodec } from '../wire/peer/greeting-messages.ts';

export function failureMessageOf(error: unknown): CallFailureMessage {
  const { kind, message, retryAfterSeconds = 0 } = toFailure(error);
  return { kind, message, retryAfterSeconds };
}

export function failureOf({ kind, message, retryAfterSeconds }: CallFailureMessage): Failure {
  const known = Object.hasOwn(wireStatus, kind) ? (kind as FailureKind) : 'internal';
  return new Failure(known, message, retryAfterSeconds > 0 ? { retryAfterSeconds } : undefined);
}

export function encodeFailure(error: unknown): Uint8Array {
  return callFailureCodec.encode(failureMessageOf(error));
}

export function decodeFailure(payload: Uint8Array): Failure {
  return failureOf(callFailureCodec.decode(payload));
}
