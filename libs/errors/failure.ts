/**
 * The failures that the world may cause, as a closed set.
 * Owns the kinds and the error class. Does not own how a kind looks on a wire: that is wire-status.ts.
 */

/**
 * What went wrong, in the words of the Prometheus API where it has one.
 * `limit_exceeded` is a limit that a retry would meet again; `rate_limited` one that passes with time.
 */
export type FailureKind =
  | 'bad_data'
  | 'execution'
  | 'query_limit'
  | 'canceled'
  | 'timeout'
  | 'unauthenticated'
  | 'limit_exceeded'
  | 'rate_limited'
  | 'too_large'
  | 'unsupported_media_type'
  | 'not_found'
  | 'precondition_failed'
  | 'not_acceptable'
  | 'unavailable'
  | 'internal';

/** Anything else than a Failure is a mistake of ours: `internal`. */
export function toFailure(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure('internal', String(error), { cause: error });
}

/** An expected failure. Thrown where it is understood; turned into a status only at the edge. */
export class Failure extends Error {
  readonly kind: FailureKind;
  /** Seconds after which a retry makes sense, where that is known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(kind: FailureKind, message: string, options?: { cause?: unknown; retryAfterSeconds?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Failure';
    this.kind = kind;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}
