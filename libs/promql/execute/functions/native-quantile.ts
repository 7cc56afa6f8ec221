/**
 * Quantiles and fractions of one native histogram.
 * Owns the interpolation: along the logarithm within exponential buckets, linear in the zero bucket and in custom ones. A histogram
 * whose sum is NaN may have observed NaN, which is in no bucket: then the buckets are walked from below whatever the quantile, and
 * what that does to the answer is said. Facts: Prometheus promql/quantile.go (HistogramQuantile, HistogramFraction).
 */
import { customBucketsSchema, type Histogram } from '../../../model/histogram.ts';
import { allBuckets, fractionBelow, type HistogramBucket } from '../../../model/histogram-buckets.ts';
import { goLog2 } from '../../go-math.ts';

/** What is to be said about NaN observations. */
type NaNNote = (what: 'result' | 'skew' | 'fraction') => void;

/** Value below which a part q of the observations lies. */
export function histogramQuantile(q: number, h: Histogram, note: NaNNote): number {
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  if (h.count === 0 || Number.isNaN(q)) return Number.NaN;
  const hasNaNSum = Number.isNaN(h.sum);
  const forward = hasNaNSum || q < 0.5;
  const buckets = allBuckets(h);
  if (!forward) buckets.reverse();
  let rank = forward ? q * h.count : (1 - q) * h.count;
  let bucket: HistogramBucket = { lower: 0, upper: 0, lowerInclusive: false, upperInclusive: false, count: 0 };
  let count = 0;
  let at = 0;
  while (at < buckets.length) {
    bucket = buckets[at++] as HistogramBucket;
    if (bucket.count === 0) continue;
    count += bucket.count;
    if (count >= rank) break;
  }
  let { lower, upper } = bucket;
  if (h.schema === customBucketsSchema) {
    if (lower === Number.NEGATIVE_INFINITY) {
      if (upper <= 0) return upper;
      lower = 0;
    } else if (upper === Number.POSITIVE_INFINITY) {
      return lower;
    }
  } else if (lower < 0 && upper > 0) {
    // With observations on one side alone, those in the zero bucket are taken to lie there too.
    if (h.negativeBuckets.length === 0 && h.positiveBuckets.length > 0) lower = 0;
    else if (h.positiveBuckets.length === 0 && h.negativeBuckets.length > 0) upper = 0;
  }
  // Rounding may have made more of it than there is.
  if (count > h.count) count = h.count;
  if (count < rank) {
    if (!hasNaNSum) return upper;
    note('result');
    return Number.NaN;
  }
  rank = forward ? rank - (count - bucket.count) : count - rank;
  if (hasNaNSum) {
    let total = count;
    // Prometheus goes on with the last of the buckets that it adds up here, and so do we.
    for (; at < buckets.length; at++) {
      bucket = buckets[at] as HistogramBucket;
      ({ lower, upper } = bucket);
      total += bucket.count;
    }
    if (total < h.count) note('skew');
  }
  const fraction = rank / bucket.count;
  if (h.schema === customBucketsSchema || (lower <= 0 && upper >= 0)) return lower + (upper - lower) * fraction;
  const logLower = goLog2(Math.abs(lower));
  const logUpper = goLog2(Math.abs(upper));
  if (lower > 0) return 2 ** (logLower + (logUpper - logLower) * fraction);
  return -(2 ** (logUpper + (logLower - logUpper) * (1 - fraction)));
}

/** Which part of the observations lies between two values. */
export function histogramFraction(lower: number, upper: number, h: Histogram, note: NaNNote): number {
  if (h.count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN;
  if (lower >= upper) return 0;
  const custom = h.schema === customBucketsSchema;
  const buckets = allBuckets(h);
  let counted = 0;
  let rank = 0;
  let lowerRank: number | undefined;
  let upperRank: number | undefined;
  let at = 0;
  while (at < buckets.length) {
    const bucket = zeroSided(buckets[at++] as HistogramBucket, h);
    counted += bucket.count;
    const linear = custom || (bucket.lower <= 0 && bucket.upper >= 0);
    const rankAt = (value: number): number => {
      // Nothing is known of where in an endless bucket the observations lie.
      if (linear && bucket.lower === Number.NEGATIVE_INFINITY) return bucket.count;
      return rank + bucket.count * fractionBelow(bucket, value, linear ? 'linear' : 'exponential');
    };
    if (lowerRank === undefined && bucket.lower >= lower) lowerRank = rank;
    if (upperRank === undefined && bucket.lower >= upper) upperRank = rank;
    if (lowerRank !== undefined && upperRank !== undefined) break;
    if (lowerRank === undefined && bucket.lower < lower && bucket.upper > lower) lowerRank = rankAt(lower);
    if (upperRank === undefined && bucket.lower < upper && bucket.upper > upper) upperRank = rankAt(upper);
    if (lowerRank !== undefined && upperRank !== undefined) break;
    rank += bucket.count;
  }
  let total = h.count;
  if (Number.isNaN(h.sum)) {
    for (; at < buckets.length; at++) counted += (buckets[at] as HistogramBucket).count;
    total = counted;
    if (counted < h.count) note('fraction');
  }
  if (lowerRank === undefined || lowerRank > total) lowerRank = total;
  if (upperRank === undefined || upperRank > total) upperRank = total;
  return (upperRank - lowerRank) / h.count;
}

/** The zero bucket on the one side that has observations. */
function zeroSided(bucket: HistogramBucket, h: Histogram): HistogramBucket {
  if (bucket.lower > 0 || bucket.upper < 0) return bucket;
  if (h.negativeBuckets.length === 0 && h.positiveBuckets.length > 0) return { ...bucket, lower: 0 };
  if (h.positiveBuckets.length === 0 && h.negativeBuckets.length > 0) return { ...bucket, upper: 0 };
  return bucket;
}
