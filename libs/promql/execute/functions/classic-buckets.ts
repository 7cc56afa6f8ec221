/**
 * Quantiles and fractions of one classic histogram: buckets as cumulative counts with an upper bound each.
 * Owns the mending: buckets of one bound are added up, tiny differences levelled, decreases taken away. Works on two columns, sorted by
 * bound, that are changed. Facts: Prometheus promql/quantile.go (BucketQuantile, BucketFraction).
 */

/** Relative difference of two counts that can only come from rounding. */
const smallDelta = 1e-12;
const smallestNormal = 2 ** -1022;

/** Buckets of one histogram; the first `count` entries are in use. */
export class ClassicBuckets {
  readonly bounds: Float64Array;
  readonly counts: Float64Array;
  count = 0;
  /** Whether counts had to be made monotonic, and where. */
  forced = false;
  minForced = 0;
  maxForced = 0;
  maxDiff = 0;

  constructor(capacity: number) {
    this.bounds = new Float64Array(capacity);
    this.counts = new Float64Array(capacity);
  }

  /** Takes all buckets away. */
  clear(): void {
    this.count = 0;
    this.forced = false;
  }

  /** Adds a bucket; bounds must not decrease. Equal bounds are one bucket. */
  add(bound: number, count: number): void {
    const last = this.count - 1;
    if (last >= 0 && this.bounds[last] === bound) {
      this.counts[last] += count;
      return;
    }
    this.bounds[this.count] = bound;
    this.counts[this.count] = count;
    this.count++;
  }

  /** Value below which a part q of the observations lies. */
  quantile(q: number): number {
    this.forced = false;
    if (Number.isNaN(q)) return Number.NaN;
    if (q < 0) return Number.NEGATIVE_INFINITY;
    if (q > 1) return Number.POSITIVE_INFINITY;
    const { bounds, counts, count } = this;
    if (bounds[count - 1] !== Number.POSITIVE_INFINITY) return Number.NaN;
    this.#makeMonotonic();
    if (count < 2) return Number.NaN;
    const observations = counts[count - 1];
    if (observations === 0) return Number.NaN;
    const rank = q * observations;
    const at = firstAtLeast(counts, count - 1, rank);
    if (at === count - 1) return bounds[count - 2];
    if (at === 0 && bounds[0] <= 0) return bounds[0];
    const begin = at > 0 ? bounds[at - 1] : 0;
    const below = at > 0 ? counts[at - 1] : 0;
    return begin + (bounds[at] - begin) * ((rank - below) / (counts[at] - below));
  }

  /** Which part of the observations lies between two values. */
  fraction(lower: number, upper: number): number {
    const { bounds, counts, count } = this;
    if (bounds[count - 1] !== Number.POSITIVE_INFINITY) return Number.NaN;
    const observations = counts[count - 1];
    if (observations === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN;
    if (lower >= upper) return 0;
    let rank = 0;
    let lowerRank: number | undefined;
    let upperRank: number | undefined;
    for (let i = 0; i < count; i++) {
      const begin = i > 0 ? bounds[i - 1] : bounds[0] <= 0 ? Number.NEGATIVE_INFINITY : 0;
      const end = bounds[i];
      const inBucket = counts[i];
      const rankBefore = rank;
      const rankAt = (value: number): number =>
        begin === Number.NEGATIVE_INFINITY
          ? inBucket
          : rankBefore + ((inBucket - rankBefore) * (value - begin)) / (end - begin);
      if (lowerRank === undefined && begin >= lower) lowerRank = rank;
      if (upperRank === undefined && begin >= upper) upperRank = rank;
      if (lowerRank !== undefined && upperRank !== undefined) break;
      if (lowerRank === undefined && begin < lower && end > lower) lowerRank = rankAt(lower);
      if (upperRank === undefined && begin < upper && end > upper) upperRank = rankAt(upper);
      if (lowerRank !== undefined && upperRank !== undefined) break;
      rank = inBucket;
    }
    if (lowerRank === undefined || lowerRank > observations) lowerRank = observations;
    if (upperRank === undefined || upperRank > observations) upperRank = observations;
    return (upperRank - lowerRank) / observations;
  }

  #makeMonotonic(): void {
    const { bounds, counts } = this;
    this.minForced = Number.POSITIVE_INFINITY;
    this.maxForced = Number.NEGATIVE_INFINITY;
    this.maxDiff = 0;
    let before = counts[0];
    for (let i = 1; i < this.count; i++) {
      const current = counts[i];
      if (current === before) continue;
      if (isAlmostEqual(before, current)) {
        counts[i] = before;
      } else if (current < before) {
        counts[i] = before;
        this.forced = true;
        this.minForced = Math.min(this.minForced, bounds[i]);
        this.maxForced = Math.max(this.maxForced, bounds[i]);
        this.maxDiff = Math.max(this.maxDiff, before - current);
      } else {
        before = current;
      }
    }
  }
}

function isAlmostEqual(a: number, b: number): boolean {
  if (Number.isNaN(a) && Number.isNaN(b)) return true;
  const sum = Math.abs(a) + Math.abs(b);
  const difference = Math.abs(a - b);
  if (a === 0 || b === 0 || sum < smallestNormal) return difference < smallDelta * smallestNormal;
  return difference / Math.min(sum, Number.MAX_VALUE) < smallDelta;
}

/** First index below `count` whose value is not below `value`, by halving; `count` if there is none. */
function firstAtLeast(values: Float64Array, count: number, value: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle] >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}
