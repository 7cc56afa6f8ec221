/**
 * Adding, subtracting, scaling and comparing histograms as PromQL does (Prometheus model/histogram/float_histogram.go).
 * Owns how two histograms of different resolution, zero bucket or custom bounds come to have the same. Nothing is changed in place;
 * results are float histograms. Sums can be compensated (Kahan, Neumaier): the lost part then is a histogram of its own.
 */
import { customBucketsSchema, type Histogram, ResetHint } from './histogram.ts';
import { areAligned, areComparable, combineAligned, combineComparable, compactSide } from './histogram-aligned.ts';
import { exponentialBound } from './histogram-bounds.ts';
import { newCounts } from './histogram-counts.ts';
import { hintOfBoth, isHintCollision } from './histogram-hints.ts';
import { bucketIndexInSchema } from './histogram-resolution.ts';
import { bucketIndexes, sameNumbers, spansOfIndexes } from './histogram-spans.ts';

export interface HistogramSum {
  readonly histogram: Histogram;
  /** One said that its counter was reset, the other that it was not. */
  readonly resetCollision: boolean;
  /** Custom bounds differed and only those of both are left. */
  readonly boundsReconciled: boolean;
}

export interface CompensatedHistogramSum extends HistogramSum {
  /** What rounding took from each number of `histogram`, to be added at the end; of the same layout. */
  readonly compensation: Histogram;
}

/** Sums and what they lost, in pairs of columns. */
class Sums {
  readonly sums: number[];
  readonly lost: number[];

  constructor(sums: ArrayLike<number>, lost: ArrayLike<number>) {
    this.sums = Array.from(sums);
    this.lost = Array.from(lost);
  }

  add(at: number, term: number): void {
    const sum = this.sums[at];
    const total = sum + term;
    if (!Number.isFinite(total) && !Number.isNaN(total)) this.lost[at] = 0;
    else if (Math.abs(sum) >= Math.abs(term)) this.lost[at] += sum - total + term;
    else this.lost[at] += term - total + sum;
    this.sums[at] = total;
  }
}

/** Buckets of one sign as columns: ascending indexes, counts and what they lost. */
interface Side {
  readonly indexes: number[];
  readonly counts: Sums;
}

/** A histogram taken apart. */
interface Parts {
  schema: number;
  zeroThreshold: number;
  /** One pair: the zero bucket. */
  zero: Sums;
  positive: Side;
  negative: Side;
}

function sideOf(spans: Int32Array, counts: Float64Array, lost: Float64Array | undefined): Side {
  const indexes = Array.from(bucketIndexes(spans));
  return { indexes, counts: new Sums(counts, lost ?? new Float64Array(counts.length)) };
}

function partsOf(h: Histogram, compensation: Histogram | undefined): Parts {
  return {
    schema: h.schema,
    zeroThreshold: h.zeroThreshold,
    zero: new Sums([h.zeroCount], [compensation?.zeroCount ?? 0]),
    positive: sideOf(h.positiveSpans, h.positiveBuckets, compensation?.positiveBuckets),
    negative: sideOf(h.negativeSpans, h.negativeBuckets, compensation?.negativeBuckets),
  };
}

/** The sum of two histograms, or null where one has custom buckets and the other has not. Empty buckets are kept. */
export function addHistograms(a: Histogram, b: Histogram): HistogramSum | null {
  return combinePlain(a, b, 1);
}

/** `a` less `b`, as addHistograms. The counter reset hint is an addition's: the operator - makes a gauge of it. */
export function subtractHistograms(a: Histogram, b: Histogram): HistogramSum | null {
  return combinePlain(a, b, -1);
}

function combinePlain(a: Histogram, b: Histogram, sign: 1 | -1): HistogramSum | null {
  const isAligned = areAligned(a, b);
  if (!isAligned && !areComparable(a, b)) return combine(a, undefined, b, sign, 'plain');
  return {
    histogram: isAligned ? combineAligned(a, b, sign) : combineComparable(a, b, sign),
    resetCollision: isHintCollision(a.resetHint, b.resetHint),
    boundsReconciled: false,
  };
}

/**
 * As addHistograms, with what rounding takes kept apart.
 * @param compensation that of the sum so far, or undefined at the first addition.
 */
export function addHistogramsKahan(
  a: Histogram,
  compensation: Histogram | undefined,
  b: Histogram,
): CompensatedHistogramSum | null {
  return combine(a, compensation, b, 1, 'compensated');
}

function combine(
  a: Histogram,
  compensation: Histogram | undefined,
  b: Histogram,
  sign: 1 | -1,
  method: 'plain' | 'compensated',
): CompensatedHistogramSum | null {
  const custom = a.schema === customBucketsSchema;
  if (custom !== (b.schema === customBucketsSchema)) return null;
  const sum = partsOf(a, compensation);
  const other = partsOf(b, undefined);
  const totals = new Sums([a.count, a.sum], [compensation?.count ?? 0, compensation?.sum ?? 0]);
  totals.add(0, sign * b.count);
  totals.add(1, sign * b.sum);
  let customValues = a.customValues;
  let boundsReconciled = false;
  if (custom && !sameBounds(a.customValues, b.customValues)) {
    boundsReconciled = true;
    customValues = boundsOfBoth(a.customValues, b.customValues);
    sum.positive = mergeCustomSides(sum.positive, a.customValues, other.positive, b.customValues, sign, customValues);
  } else if (custom) {
    sum.positive = addSides(sum, sum.positive, other.positive, sign, method);
  } else {
    reconcileZeroBuckets(sum, other);
    sum.zero.add(0, sign * other.zero.sums[0]);
    if (method === 'compensated') sum.zero.add(0, sign * other.zero.lost[0]);
    const schema = Math.min(sum.schema, other.schema);
    for (const parts of [sum, other]) {
      parts.positive = reduceSide(parts.positive, parts.schema, schema, method);
      parts.negative = reduceSide(parts.negative, parts.schema, schema, method);
      parts.schema = schema;
    }
    sum.positive = addSides(sum, sum.positive, other.positive, sign, method);
    sum.negative = addSides(sum, sum.negative, other.negative, sign, method);
  }
  const resetHint = hintOfBoth(a.resetHint, b.resetHint);
  const positiveSpans = spansOfIndexes(sum.positive.indexes);
  const negativeSpans = spansOfIndexes(sum.negative.indexes);
  const layout = { integer: false, schema: sum.schema, zeroThreshold: sum.zeroThreshold, positiveSpans, negativeSpans };
  const shape = { ...layout, customValues, stale: false, resetHint };
  return {
    histogram: {
      ...shape,
      zeroCount: sum.zero.sums[0],
      count: totals.sums[0],
      sum: totals.sums[1],
      positiveBuckets: Float64Array.from(sum.positive.counts.sums),
      negativeBuckets: Float64Array.from(sum.negative.counts.sums),
    },
    compensation: {
      ...shape,
      zeroCount: sum.zero.lost[0],
      count: totals.lost[0],
      sum: totals.lost[1],
      positiveBuckets: Float64Array.from(sum.positive.counts.lost),
      negativeBuckets: Float64Array.from(sum.negative.counts.lost),
    },
    resetCollision: isHintCollision(a.resetHint, b.resetHint),
    boundsReconciled,
  };
}

/** Adds or subtracts the buckets of `b`, both of the schema of `parts`; those of b that lie in the zero bucket are in it already. */
function addSides(parts: Parts, a: Side, b: Side, sign: 1 | -1, method: 'plain' | 'compensated'): Side {
  const indexes: number[] = [];
  const counts = new Sums([], []);
  let j = 0;
  if (parts.schema !== customBucketsSchema) {
    while (j < b.indexes.length && exponentialBound(b.indexes[j], parts.schema) <= parts.zeroThreshold) j++;
  }
  for (let i = 0; i < a.indexes.length || j < b.indexes.length; ) {
    const fromA = j === b.indexes.length || (i < a.indexes.length && a.indexes[i] <= b.indexes[j]);
    const fromB = i === a.indexes.length || (j < b.indexes.length && b.indexes[j] <= a.indexes[i]);
    const at = indexes.length;
    indexes.push(fromA ? a.indexes[i] : b.indexes[j]);
    if (fromA) {
      counts.sums.push(a.counts.sums[i]);
      counts.lost.push(a.counts.lost[i]);
      i++;
    }
    if (fromB) {
      const term = sign * b.counts.sums[j];
      const lost = sign * b.counts.lost[j];
      j++;
      if (!fromA) {
        counts.sums.push(term);
        counts.lost.push(lost);
      } else {
        counts.add(at, term);
        if (lost !== 0 && method === 'compensated') counts.add(at, lost);
      }
    }
  }
  return { indexes, counts };
}

/** Buckets of a lower schema; plain sums lose what rounding takes, as Prometheus' do. */
function reduceSide(side: Side, schemaFrom: number, schemaTo: number, method: 'plain' | 'compensated'): Side {
  if (schemaFrom === schemaTo) return side;
  const indexes: number[] = [];
  const counts = new Sums([], []);
  side.indexes.forEach((from, i) => {
    const to = bucketIndexInSchema(from, schemaFrom, schemaTo);
    const last = indexes.length - 1;
    if (last < 0 || indexes[last] !== to) {
      indexes.push(to);
      counts.sums.push(side.counts.sums[i]);
      counts.lost.push(side.counts.lost[i]);
      return;
    }
    counts.add(last, side.counts.sums[i]);
    if (method === 'compensated') counts.add(last, side.counts.lost[i]);
  });
  return { indexes, counts };
}

function sameBounds(a: Float64Array, b: Float64Array): boolean {
  return a.length === b.length && a.every((bound, i) => bound === b[i]);
}

/** The bounds that are in both. */
function boundsOfBoth(a: Float64Array, b: Float64Array): Float64Array {
  const ofB = new Set(b);
  return a.filter((bound) => ofB.has(bound));
}

/** Brings both sides to the bounds that they share and adds them; buckets that come out empty are left out. */
function mergeCustomSides(
  a: Side,
  aBounds: Float64Array,
  b: Side,
  bBounds: Float64Array,
  sign: 1 | -1,
  bounds: Float64Array,
): Side {
  const all = new Sums(new Float64Array(bounds.length + 1), new Float64Array(bounds.length + 1));
  a.indexes.forEach((index, i) => {
    const to = customBucketOf(index, aBounds, bounds);
    all.add(to, a.counts.sums[i]);
    all.add(to, a.counts.lost[i]);
  });
  b.indexes.forEach((index, i) => {
    all.add(customBucketOf(index, bBounds, bounds), sign * b.counts.sums[i]);
  });
  return withoutEmpty({ indexes: all.sums.map((_count, i) => i), counts: all });
}

/** The bucket of `boundsTo`, a part of `boundsFrom`, that holds all of the bucket `index` of boundsFrom. */
function customBucketOf(index: number, boundsFrom: Float64Array, boundsTo: Float64Array): number {
  if (index >= boundsFrom.length) return boundsTo.length;
  const upper = boundsFrom[index];
  let to = 0;
  while (to < boundsTo.length && boundsTo[to] < upper) to++;
  return to;
}

function withoutEmpty(side: Side): Side {
  const indexes: number[] = [];
  const counts = new Sums([], []);
  side.indexes.forEach((index, i) => {
    if (side.counts.sums[i] === 0 && side.counts.lost[i] === 0) return;
    indexes.push(index);
    counts.sums.push(side.counts.sums[i]);
    counts.lost.push(side.counts.lost[i]);
  });
  return { indexes, counts };
}

/** Widens the zero buckets of both until they are equal and end within no bucket that has a count. */
function reconcileZeroBuckets(sum: Parts, other: Parts): void {
  const otherZero = other.zero;
  while (sum.zeroThreshold !== other.zeroThreshold) {
    if (Number.isNaN(sum.zeroThreshold) || Number.isNaN(other.zeroThreshold)) return;
    if (sum.zeroThreshold > other.zeroThreshold) {
      // The buckets of the other stay as they are, so each widening counts them from the first.
      other.zero = otherZero;
      widenZeroBucket(other, sum.zeroThreshold);
    } else {
      widenZeroBucket(sum, other.zeroThreshold);
      sum.positive = withoutEmpty(outsideZeroBucket(sum, sum.positive));
      sum.negative = withoutEmpty(outsideZeroBucket(sum, sum.negative));
    }
  }
}

/** The side with zero for what lies in the zero bucket. */
function outsideZeroBucket(parts: Parts, side: Side): Side {
  const counts = new Sums(side.counts.sums, side.counts.lost);
  for (let i = 0; i < side.indexes.length; i++) {
    if (exponentialBound(side.indexes[i] - 1, parts.schema) >= parts.zeroThreshold) break;
    counts.sums[i] = 0;
    counts.lost[i] = 0;
  }
  return { indexes: side.indexes, counts };
}

/**
 * Gives a histogram a larger zero threshold and counts what falls within. Where the new threshold would cut a bucket that has a
 * count, it grows to that bucket's end.
 */
function widenZeroBucket(parts: Parts, threshold: number): void {
  let wider = threshold;
  let lost = parts.zero.lost;
  for (let again = true; again; ) {
    again = false;
    // Prometheus begins again with the count but not with what it lost: the last bits of its answers follow from that.
    const zero = new Sums(parts.zero.sums, lost);
    lost = zero.lost;
    for (const side of [parts.positive, parts.negative]) {
      const end = addInside(parts.schema, side, zero, wider);
      if (end === wider) continue;
      wider = end;
      // The positive buckets have been counted for a smaller threshold.
      if (side === parts.negative) again = true;
    }
    if (!again) parts.zero = zero;
  }
  parts.zeroThreshold = wider;
}

/** Adds the buckets below the threshold to `zero`; returns the threshold, moved to the end of a bucket it would cut. */
function addInside(schema: number, side: Side, zero: Sums, threshold: number): number {
  for (let i = 0; i < side.indexes.length; i++) {
    if (exponentialBound(side.indexes[i] - 1, schema) >= threshold) break;
    zero.add(0, side.counts.sums[i]);
    zero.add(0, side.counts.lost[i]);
    const upper = exponentialBound(side.indexes[i], schema);
    if (upper > threshold) return side.counts.sums[i] === 0 ? threshold : upper;
  }
  return threshold;
}

/** What the zero count of `h` would be with a threshold that is not smaller, and where that would have to end. */
export function zeroBucketWithThreshold(h: Histogram, threshold: number): { zeroCount: number; zeroThreshold: number } {
  if (h.zeroThreshold === threshold) return { zeroCount: h.zeroCount, zeroThreshold: threshold };
  const parts = partsOf(h, undefined);
  widenZeroBucket(parts, threshold);
  return { zeroCount: parts.zero.sums[0], zeroThreshold: parts.zeroThreshold };
}

/** All counts and the sum times `factor`; a negative one makes a gauge of it. */
export function multiplyHistogram(h: Histogram, factor: number): Histogram {
  return scale(h, factor, 'multiply');
}

/** All counts and the sum by `divisor`; a negative one makes a gauge of it, zero takes the buckets away. */
export function divideHistogram(h: Histogram, divisor: number): Histogram {
  const scaled = scale(h, divisor, 'divide');
  if (divisor !== 0) return scaled;
  const none = new Int32Array(0);
  const empty = new Float64Array(0);
  return { ...scaled, positiveSpans: none, negativeSpans: none, positiveBuckets: empty, negativeBuckets: empty };
}

function scale(h: Histogram, by: number, how: 'multiply' | 'divide'): Histogram {
  const apply = (value: number): number => (how === 'multiply' ? value * by : value / by);
  return {
    integer: false,
    resetHint: by < 0 ? ResetHint.gauge : h.resetHint,
    schema: h.schema,
    zeroThreshold: h.zeroThreshold,
    zeroCount: apply(h.zeroCount),
    count: apply(h.count),
    sum: apply(h.sum),
    positiveSpans: h.positiveSpans,
    negativeSpans: h.negativeSpans,
    positiveBuckets: scaleCounts(h.positiveBuckets, by, how),
    negativeBuckets: scaleCounts(h.negativeBuckets, by, how),
    customValues: h.customValues,
    stale: h.stale,
  };
}

function scaleCounts(counts: Float64Array, by: number, how: 'multiply' | 'divide'): Float64Array {
  const scaled = newCounts(counts.length);
  if (how === 'multiply') for (let i = 0; i < scaled.length; i++) scaled[i] = counts[i] * by;
  else for (let i = 0; i < scaled.length; i++) scaled[i] = counts[i] / by;
  return scaled;
}

/** The histogram without empty buckets, in the fewest spans (Compact(0)). */
export function compactHistogram(h: Histogram): Histogram {
  if (isCompact(h.positiveSpans, h.positiveBuckets) && isCompact(h.negativeSpans, h.negativeBuckets)) return h;
  const positive = compactSide(h.positiveSpans, h.positiveBuckets);
  const negative = compactSide(h.negativeSpans, h.negativeBuckets);
  return {
    ...h,
    positiveSpans: positive.spans,
    negativeSpans: negative.spans,
    positiveBuckets: positive.counts,
    negativeBuckets: negative.counts,
  };
}

function isCompact(spans: Int32Array, counts: Float64Array): boolean {
  for (let i = 0; i < spans.length; i += 2) if (spans[i + 1] === 0 || (i > 0 && spans[i] === 0)) return false;
  return !counts.includes(0);
}

/**
 * Whether two histograms are the same data: spans (but for those without a bucket) and all numbers bit for bit; not the hint.
 * Two adjacent spans are not the same as one, as in Prometheus: the data is compared, not its meaning.
 */
export function equalHistograms(a: Histogram, b: Histogram): boolean {
  return (
    a.schema === b.schema &&
    a.stale === b.stale &&
    a.zeroThreshold === b.zeroThreshold &&
    sameNumbers([a.count, a.sum, a.zeroCount], [b.count, b.sum, b.zeroCount]) &&
    (a.schema !== customBucketsSchema || sameBounds(a.customValues, b.customValues)) &&
    sameNumbers(filledSpans(a.positiveSpans), filledSpans(b.positiveSpans)) &&
    sameNumbers(filledSpans(a.negativeSpans), filledSpans(b.negativeSpans)) &&
    sameNumbers(a.positiveBuckets, b.positiveBuckets) &&
    sameNumbers(a.negativeBuckets, b.negativeBuckets)
  );
}

/** The spans without those that have no bucket, whose offset goes to the next. */
function filledSpans(spans: Int32Array): number[] {
  const filled: number[] = [];
  let offset = 0;
  for (let i = 0; i < spans.length; i += 2) {
    offset += spans[i];
    if (spans[i + 1] === 0) continue;
    filled.push(offset, spans[i + 1]);
    offset = 0;
  }
  return filled;
}

/** Whether any number of the histogram is infinite: a sum has then left the range of floats. */
export function hasOverflow(h: Histogram): boolean {
  const infinite = (value: number): boolean => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;
  return (
    infinite(h.zeroCount) ||
    infinite(h.count) ||
    infinite(h.sum) ||
    h.positiveBuckets.some(infinite) ||
    h.negativeBuckets.some(infinite) ||
    h.customValues.some(infinite)
  );
}
