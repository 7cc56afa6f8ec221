/**
 * The buckets of a histogram with their bounds, in the order in which queries walk through them (Prometheus model/histogram:
 * the bucket iterators). Owns the order, which end belongs to a bucket, and where the zero bucket cuts its neighbours.
 */
import { customBucketsSchema, type Histogram } from './histogram.ts';
import { bucketBound } from './histogram-bounds.ts';

export interface HistogramBucket {
  readonly lower: number;
  readonly upper: number;
  readonly lowerInclusive: boolean;
  readonly upperInclusive: boolean;
  readonly count: number;
}

/** Positive buckets, empty ones too, from zero upwards. */
export function positiveBuckets(h: Histogram): HistogramBucket[] {
  return bucketsOf(h, h.positiveSpans, h.positiveBuckets, (lower, upper, index, count) => {
    if (h.schema === customBucketsSchema) {
      return { lower, upper, lowerInclusive: index === 0, upperInclusive: true, count };
    }
    return { lower, upper, lowerInclusive: lower < 0, upperInclusive: upper > 0, count };
  });
}

/** Negative buckets, empty ones too, from zero downwards. */
export function negativeBuckets(h: Histogram): HistogramBucket[] {
  return bucketsOf(h, h.negativeSpans, h.negativeBuckets, (absLower, absUpper, _index, count) => {
    const lower = -absUpper;
    const upper = -absLower;
    return { lower, upper, lowerInclusive: lower < 0, upperInclusive: upper > 0, count };
  });
}

function bucketsOf(
  h: Histogram,
  spans: Int32Array,
  counts: Float64Array,
  make: (lower: number, upper: number, index: number, count: number) => HistogramBucket,
): HistogramBucket[] {
  const buckets: HistogramBucket[] = [];
  let index = 0;
  let at = 0;
  for (let i = 0; i < spans.length; i += 2) {
    index += spans[i];
    for (let j = 0; j < spans[i + 1] && at < counts.length; j++, index++) {
      const lower = bucketBound(index - 1, h.schema, h.customValues);
      buckets.push(make(lower, bucketBound(index, h.schema, h.customValues), index, counts[at++]));
    }
  }
  return buckets;
}

/** The bucket around zero of an exponential histogram. */
export function zeroBucket(h: Histogram): HistogramBucket {
  return {
    lower: -h.zeroThreshold,
    upper: h.zeroThreshold,
    lowerInclusive: true,
    upperInclusive: true,
    count: h.zeroCount,
  };
}

/**
 * All buckets, empty ones too, from the lowest to the highest: negative, zero (if it has a count), positive. A neighbour of the
 * zero bucket that reaches into it begins where that ends.
 */
export function allBuckets(h: Histogram): HistogramBucket[] {
  const all = negativeBuckets(h).reverse();
  if (h.zeroCount > 0) all.push(zeroBucket(h));
  all.push(...positiveBuckets(h));
  const threshold = h.zeroThreshold;
  return all.map((bucket) => {
    if (bucket.upper < 0 && bucket.upper > -threshold) return { ...bucket, upper: -threshold };
    return bucket.lower > 0 && bucket.lower < threshold ? { ...bucket, lower: threshold } : bucket;
  });
}

/**
 * Which part of a bucket's observations (0 to 1) is taken to lie at or below `value`, which is strictly within its finite bounds.
 * Linear for custom buckets and the zero bucket, else along the logarithm, as the bounds of exponential buckets are.
 */
export function fractionBelow(bucket: HistogramBucket, value: number, scale: 'linear' | 'exponential'): number {
  if (scale === 'linear') return (value - bucket.lower) / (bucket.upper - bucket.lower);
  const logLower = Math.log2(Math.abs(bucket.lower));
  const logUpper = Math.log2(Math.abs(bucket.upper));
  const logValue = Math.log2(Math.abs(value));
  return value > 0 ? (logValue - logLower) / (logUpper - logLower) : 1 - (logValue - logUpper) / (logLower - logUpper);
}
