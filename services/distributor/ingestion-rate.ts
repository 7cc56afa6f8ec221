/**
 * Ingestion rate: may this tenant send this much now?
 * Owns one token bucket of samples and one of requests per tenant. A limit of 0 is off. Both are asked before anything of a
 * request is stored: a refusal costs two subtractions.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';

export interface RateLimits {
  /** Per second; 0 is off. */
  readonly requestRate: number;
  readonly requestBurstSize: number;
  /** Samples (floats, histograms, exemplars) per second; 0 is off. */
  readonly ingestionRate: number;
  readonly ingestionBurstSize: number;
}

interface Bucket {
  tokens: number;
  filledMs: number;
}

export class IngestionRate {
  readonly #nowMs: () => number;
  readonly #requests = new Map<TenantId, Bucket>();
  readonly #samples = new Map<TenantId, Bucket>();

  /** @param nowMs a monotonic clock */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @throws Failure `rate_limited` when the tenant sends too many requests */
  takeRequest(tenant: TenantId, limits: RateLimits): void {
    if (limits.requestRate <= 0) return;
    if (this.#take(this.#requests, tenant, 1, limits.requestRate, limits.requestBurstSize)) return;
    throw new Failure(
      'rate_limited',
      `the request has been rejected because the tenant exceeded the request rate limit, set to ${limits.requestRate} ` +
        `requests/s across all distributors with a maximum allowed burst of ${limits.requestBurstSize} ` +
        '(err-mimir-tenant-max-request-rate). To adjust the related per-tenant limits, configure limits.request-rate and ' +
        'limits.request-burst-size, or contact your service administrator.',
      { retryAfterSeconds: 5 },
    );
  }

  /** @throws Failure `rate_limited` when the tenant sends too many samples */
  takeSamples(tenant: TenantId, count: number, limits: RateLimits): void {
    if (limits.ingestionRate <= 0) return;
    if (this.#take(this.#samples, tenant, count, limits.ingestionRate, limits.ingestionBurstSize)) return;
    throw new Failure(
      'rate_limited',
      `the request has been rejected because the tenant exceeded the ingestion rate limit, set to ${limits.ingestionRate} ` +
        `items/s with a maximum allowed burst of ${limits.ingestionBurstSize}. This limit is applied on the total number of ` +
        'samples, exemplars and metadata received across all distributors (err-mimir-tenant-max-ingestion-rate). To adjust ' +
        'the related per-tenant limits, configure limits.ingestion-rate and limits.ingestion-burst-size, or contact your ' +
        'service administrator.',
      { retryAfterSeconds: 5 },
    );
  }

  #take(buckets: Map<TenantId, Bucket>, tenant: TenantId, count: number, rate: number, burst: number): boolean {
    const nowMs = this.#nowMs();
    let bucket = buckets.get(tenant);
    if (bucket === undefined) {
      bucket = { tokens: burst, filledMs: nowMs };
      buckets.set(tenant, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.filledMs) / 1000) * rate);
    bucket.filledMs = nowMs;
    if (bucket.tokens < count) return false;
    bucket.tokens -= count;
    return true;
  }
}
