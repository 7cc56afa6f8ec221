/**
 * How each kind of failure looks on a wire: the one table from kind to HTTP status, gRPC code and Prometheus errorType.
 * Sources: Prometheus web/api/v1/api.go (returnAPIError), Mimir's about-tenant-limits and remote_write 2.0 retry rules.
 */
import type { FailureKind } from './failure.ts';

export interface WireStatus {
  readonly http: number;
  readonly grpc: number;
  /** `errorType` in the Prometheus JSON envelope. */
  readonly prometheus: string;
  /** Whether the same request may succeed later without change. */
  readonly worthRetrying: boolean;
}

export const wireStatus = {
  bad_data: { http: 400, grpc: 3, prometheus: 'bad_data', worthRetrying: false },
  execution: { http: 422, grpc: 9, prometheus: 'execution', worthRetrying: false },
  query_limit: { http: 422, grpc: 8, prometheus: 'execution', worthRetrying: false },
  canceled: { http: 499, grpc: 1, prometheus: 'canceled', worthRetrying: false },
  timeout: { http: 503, grpc: 4, prometheus: 'timeout', worthRetrying: true },
  unauthenticated: { http: 401, grpc: 16, prometheus: 'bad_data', worthRetrying: false },
  limit_exceeded: { http: 400, grpc: 9, prometheus: 'bad_data', worthRetrying: false },
  rate_limited: { http: 429, grpc: 8, prometheus: 'too_many_requests', worthRetrying: true },
  too_large: { http: 413, grpc: 8, prometheus: 'too_large_entry', worthRetrying: false },
  unsupported_media_type: { http: 415, grpc: 3, prometheus: 'bad_data', worthRetrying: false },
  not_found: { http: 404, grpc: 5, prometheus: 'not_found', worthRetrying: false },
  precondition_failed: { http: 412, grpc: 9, prometheus: 'bad_data', worthRetrying: false },
  not_acceptable: { http: 406, grpc: 3, prometheus: 'not_acceptable', worthRetrying: false },
  unavailable: { http: 503, grpc: 14, prometheus: 'unavailable', worthRetrying: true },
  internal: { http: 500, grpc: 13, prometheus: 'internal', worthRetrying: true },
} as const satisfies Record<FailureKind, WireStatus>;
