/**
 * The operators </ and >/: a histogram without the observations above or below a value (Prometheus model/histogram/
 * float_histogram.go, TrimBuckets). Owns how a bucket that the value cuts is divided, and the sum that is then estimated.
 */
import { customBucketsSchema, type Histogram } from './histogram.ts';
import { compactHistogram } from './histogram-arithmetic.ts';
import {
  fractionBelow,
  type HistogramBucket,
  negativeBuckets,
  positiveBuckets,
  zeroBucket,
} from './histogram-buckets.ts';

/** What is kept: observations below the value (</) or above it (>/). */
type TrimSide = 'below' | 'above';

interface Kept {
  readonly count: number;
  /** Where those observations are taken to lie, for the sum. */
  readonly midpoint: number;
}

/** How the counts of a bucket are thought to be spread within it. */
type Spread = 'linear' | 'positive' | 'negative';

const nothing: Kept = { count: 0, midpoint: 0 };

/** The histogram itself where nothing is cut off; else count and sum are made anew of the buckets that are left. */
export function trimHistogram(h: Histogram, value: number, keep: TrimSide): Histogram {
  let count = 0;
  let sum = 0;
  let trimmed = false;
  const spreadPositive = h.schema === customBucketsSchema ? 'linear' : 'positive';
  const trimSide = (buckets: readonly HistogramBucket[], spread: Spread): Float64Array =>
    Float64Array.from(buckets, (bucket) => {
      if (bucket.count === 0) return 0;
      const kept = trimBucket(bucket, value, keep, spread);
      count += kept.count;
      sum += kept.midpoint * kept.count;
      if (kept.count !== bucket.count) trimmed = true;
      return kept.count;
    });
  const positive = trimSide(positiveBuckets(h), spreadPositive);
  const negative = trimSide(negativeBuckets(h), h.schema === customBucketsSchema ? 'linear' : 'negative');
  let zeroCount = h.zeroCount;
  if (zeroCount > 0) {
    const hasPositive = h.positiveBuckets.some((bucket) => bucket !== 0);
    const hasNegative = h.negativeBuckets.some((bucket) => bucket !== 0);
    const kept = trimZeroBucket(zeroBucket(h), value, keep, hasPositive, hasNegative);
    sum += kept.midpoint * kept.count;
    count += kept.count;
    if (kept.count !== zeroCount) trimmed = true;
    zeroCount = kept.count;
  }
  if (!trimmed) return h;
  return compactHistogram({
    ...h,
    integer: false,
    count,
    sum,
    zeroCount,
    positiveBuckets: positive,
    negativeBuckets: negative,
  });
}

function trimBucket(bucket: HistogramBucket, value: number, keep: TrimSide, spread: Spread): Kept {
  const { lower, upper, count } = bucket;
  if (keep === 'below' ? upper <= value : lower >= value) return { count, midpoint: midpointOf(lower, upper, spread) };
  if (!(keep === 'below' ? lower < value : upper > value)) return nothing;
  if (lower === Number.NEGATIVE_INFINITY) return trimLowest(bucket, value, keep);
  if (upper === Number.POSITIVE_INFINITY) return trimHighest(bucket, value, keep);
  const below = countBelow(bucket, value, spread);
  return keep === 'below'
    ? { count: below, midpoint: midpointOf(lower, value, spread) }
    : { count: count - below, midpoint: midpointOf(value, upper, spread) };
}

function countBelow(bucket: HistogramBucket, value: number, spread: Spread): number {
  if (value <= bucket.lower) return 0;
  if (value >= bucket.upper) return bucket.count;
  return bucket.count * fractionBelow(bucket, value, spread === 'linear' ? 'linear' : 'exponential');
}

/** A bucket from -Infinity on, of custom buckets: with a positive end it is taken to begin at zero. */
function trimLowest({ upper, count }: HistogramBucket, value: number, keep: TrimSide): Kept {
  const finite = upper !== Number.POSITIVE_INFINITY;
  if (keep === 'below') {
    if (value >= upper) return { count, midpoint: 0 };
    if (value > 0 && upper > 0 && finite) return { count: (count * value) / upper, midpoint: value / 2 };
    if (upper <= 0) return { count, midpoint: value };
    return { count: 0, midpoint: finite ? upper : 0 };
  }
  if (value === Number.NEGATIVE_INFINITY) return { count, midpoint: 0 };
  if (value >= 0 && upper > value && finite) {
    return { count: count * (1 - value / upper), midpoint: (value + upper) / 2 };
  }
  return { count: 0, midpoint: finite ? upper : 0 };
}

/** A bucket up to Infinity: nobody knows where in it the observations lie. */
function trimHighest({ lower, count }: HistogramBucket, value: number, keep: TrimSide): Kept {
  return keep === 'above' && value >= lower ? { count, midpoint: value } : { count: 0, midpoint: lower };
}

/** The zero bucket is taken to lie on the side of zero where there are other observations. */
function trimZeroBucket(
  bucket: HistogramBucket,
  value: number,
  keep: TrimSide,
  hasPositive: boolean,
  hasNegative: boolean,
): Kept {
  const lower = hasPositive && !hasNegative ? 0 : bucket.lower;
  const upper = hasNegative && !hasPositive ? 0 : bucket.upper;
  const whole: Kept = { count: bucket.count, midpoint: (lower + upper) / 2 };
  if (value <= lower) return keep === 'below' ? nothing : whole;
  if (value >= upper) return keep === 'below' ? whole : nothing;
  return keep === 'below'
    ? { count: bucket.count * ((value - lower) / (upper - lower)), midpoint: (lower + value) / 2 }
    : { count: bucket.count * ((upper - value) / (upper - lower)), midpoint: (value + upper) / 2 };
}

function midpointOf(lower: number, upper: number, spread: Spread): number {
  const infiniteUpper = Math.abs(upper) === Number.POSITIVE_INFINITY;
  if (Math.abs(lower) === Number.POSITIVE_INFINITY) {
    if (infiniteUpper) return 0;
    return upper > 0 ? upper / 2 : upper;
  }
  if (infiniteUpper) return lower;
  if (spread === 'linear') return (lower + upper) / 2;
  const mean = Math.sqrt(Math.abs(lower * upper));
  return spread === 'positive' ? mean : -mean;
}
