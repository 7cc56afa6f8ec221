/**
 * Ingestion rate: may this tenant send this much now?
 * Owns one token bucket of samples and one of requests per tenant. A limit of 0 is off. Where several distributors share the writes each
 * fills its buckets with its part of the rate; a burst is what each of them takes at once. Nothing of a refused request is stored. Most
 * are refused before they are scanned: from the bytes of a body it is guessed, with half of what the tenant's last one had, how much is in
 * it, and a guess beyond what is there now is a refusal. A full bucket is never refused by a guess, so that a wrong one ends.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';

export interface RateLimits {
  /** Per second; 0 is off. */
  readonly requestRate: number;
  readonly requestBurstSize: number;
  /** Items (floats, histograms, exemplars, metadata of 1.0) per second; 0 is off. */
  readonly ingestionRate: number;
  readonly ingestionBurstSize: number;
}

interface Bucket {
  tokens: number;
  filledMs: number;
  /** Of the last request that was scanned. */
  samplesPerByte: number;
}

/** Tenants with buckets; beyond it those that are full go, then all: a made-up tenant must not cost memory for good. */
const tenantsMax = 10_000;

export class IngestionRate {
  readonly #nowMs: () => number;
  readonly #sharers: () => number;
  readonly #requests = new Map<TenantId, Bucket>();
  readonly #samples = new Map<TenantId, Bucket>();

  /**
   * @param nowMs a monotonic clock
   * @param sharers distributors among which a rate is divided
   */
  constructor(nowMs: () => number, sharers: () => number) {
    this.#nowMs = nowMs;
    this.#sharers = sharers;
  }

  /**
   * Before a request is scanned.
   * @throws Failure `rate_limited` when the tenant sends too many requests, or certainly too many samples
   */
  takeRequest(tenant: TenantId, bodyBytes: number, limits: RateLimits): void {
    if (limits.ingestionRate > 0) {
      const { ingestionRate, ingestionBurstSize } = limits;
      const bucket = this.#bucketOf(this.#samples, tenant, ingestionRate, ingestionBurstSize);
      const guess = (bodyBytes * bucket.samplesPerByte) / 2;
      if (bucket.tokens < Math.min(guess, ingestionBurstSize)) throw samplesRefusal(limits);
    }
    if (limits.requestRate <= 0) return;
    const bucket = this.#bucketOf(this.#requests, tenant, limits.requestRate, limits.requestBurstSize);
    if (bucket.tokens < 1) throw requestsRefusal(limits);
    bucket.tokens -= 1;
  }

  /**
   * When it is known what is in a request.
   * @throws Failure `rate_limited` when the tenant sends too many samples
   */
  takeSamples(tenant: TenantId, count: number, bodyBytes: number, limits: RateLimits): void {
    if (limits.ingestionRate <= 0) return;
    const bucket = this.#bucketOf(this.#samples, tenant, limits.ingestionRate, limits.ingestionBurstSize);
    bucket.samplesPerByte = count / Math.max(1, bodyBytes);
    if (bucket.tokens < count) throw samplesRefusal(limits);
    bucket.tokens -= count;
  }

  #bucketOf(buckets: Map<TenantId, Bucket>, tenant: TenantId, rate: number, burst: number): Bucket {
    const nowMs = this.#nowMs();
    const ownRate = rate / this.#sharers();
    let bucket = buckets.get(tenant);
    if (bucket === undefined) {
      if (buckets.size >= tenantsMax) {
        for (const [other, { tokens, filledMs }] of buckets) {
          if (tokens + ((nowMs - filledMs) / 1000) * ownRate >= burst) buckets.delete(other);
        }
        if (buckets.size >= tenantsMax) buckets.clear();
      }
      bucket = { tokens: burst, filledMs: nowMs, samplesPerByte: 0 };
      buckets.set(tenant, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.filledMs) / 1000) * ownRate);
    bucket.filledMs = nowMs;
    return bucket;
  }
}

function requestsRefusal(limits: RateLimits): Failure {
  return new Failure(
    'rate_limited',
    `the request has been rejected because the tenant exceeded the request rate limit, set to ${limits.requestRate} ` +
      `requests/s across all distributors with a maximum allowed burst of ${limits.requestBurstSize} ` +
      '(err-mimir-tenant-max-request-rate). To adjust the related per-tenant limits, configure limits.request-rate and ' +
      'limits.request-burst-size, or contact your service administrator.',
    { retryAfterSeconds: 5 },
  );
}

function samplesRefusal(limits: RateLimits): Failure {
  return new Failure(
    'rate_limited',
    `the request has been rejected because the tenant exceeded the ingestion rate limit, set to ${limits.ingestionRate} ` +
      `items/s with a maximum allowed burst of ${limits.ingestionBurstSize}. This limit is applied on the total number of ` +
      'samples, exemplars and metadata received across all distributors (err-mimir-tenant-max-ingestion-rate). To adjust ' +
      'the related per-tenant limits, configure limits.ingestion-rate and limits.ingestion-burst-size, or contact your ' +
      'service administrator.',
    { retryAfterSeconds: 5 },
  );
}
