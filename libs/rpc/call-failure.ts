/**
 * A Failure on its way through a link: the same kind and words on the other side.
 */
import { Failure, type FailureKind } from '../errors/failure.ts';
import { wireStatus } from '../errors/wire-status.ts';
import { type CallFailureMessage, callFailureCodec } from '../wire/peer/greeting-messages.ts';

/** Anything else than a Failure is a mistake of ours: `internal`. */
export function failureMessageOf(error: unknown): CallFailureMessage {
  const failure = error instanceof Failure ? error : new Failure('internal', String(error));
  return { kind: failure.kind, message: failure.message, retryAfterSeconds: failure.retryAfterSeconds ?? 0 };
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
