/**
 * Histograms that have the same buckets, as those of one series mostly do: they are added and compared number by number, without
 * looking for buckets. Owns what counts as the same buckets, and running sums in place. What they come to is histogram-arithmetic.ts'
 * to say: results are the same to the bit.
 */
import { customBucketsSchema, type Histogram, type ResetHint } from './histogram.ts';
import { exponentialBound } from './histogram-bounds.ts';
import { hintOfBoth } from './histogram-hints.ts';

/**
 * Whether buckets i of both are the same bucket, none of them lies in the zero bucket, and the spans are as few as they can be.
 */
export function areAligned(a: Histogram, b: Histogram): boolean {
  if (a.schema !== b.schema || a.zeroThreshold !== b.zeroThreshold) return false;
  if (!sameSpans(a.positiveSpans, b.positiveSpans) || !sameSpans(a.negativeSpans, b.negativeSpans)) return false;
  if (a.schema === customBucketsSchema) return sameNumbersOf(a.customValues, b.customValues);
  return isOutside(a.positiveSpans, a) && isOutside(a.negativeSpans, a);
}

/** Only where they are the fewest spans for their buckets. */
function sameSpans(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 2) {
    if (a[i] !== b[i] || a[i + 1] !== b[i + 1] || a[i + 1] === 0 || (i > 0 && a[i] === 0)) return false;
  }
  return true;
}

function sameNumbersOf(a: Float64Array, b: Float64Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function isOutside(spans: Int32Array, { schema, zeroThreshold }: Histogram): boolean {
  return spans.length === 0 || zeroThreshold === 0 || exponentialBound(spans[0], schema) > zeroThreshold;
}

/** Whether any count of `current` is below that of `previous`; they are aligned. */
export function hasAnyFallen(current: Histogram, previous: Histogram): boolean {
  return (
    current.zeroCount < previous.zeroCount ||
    isAnyBelow(current.positiveBuckets, previous.positiveBuckets) ||
    isAnyBelow(current.negativeBuckets, previous.negativeBuckets)
  );
}

function isAnyBelow(counts: Float64Array, before: Float64Array): boolean {
  for (let i = 0; i < counts.length; i++) if (counts[i] < before[i]) return true;
  return false;
}

/** a + sign * b of aligned histograms, nothing compensated. */
export function combineAligned(a: Histogram, b: Histogram, sign: 1 | -1): Histogram {
  return {
    integer: false,
    resetHint: hintOfBoth(a.resetHint, b.resetHint),
    schema: a.schema,
    zeroThreshold: a.zeroThreshold,
    zeroCount: a.schema === customBucketsSchema ? a.zeroCount : a.zeroCount + sign * b.zeroCount,
    count: a.count + sign * b.count,
    sum: a.sum + sign * b.sum,
    positiveSpans: a.positiveSpans,
    negativeSpans: a.negativeSpans,
    positiveBuckets: combineCounts(a.positiveBuckets, b.positiveBuckets, sign),
    negativeBuckets: combineCounts(a.negativeBuckets, b.negativeBuckets, sign),
    customValues: a.customValues,
    stale: false,
  };
}

function combineCounts(a: Float64Array, b: Float64Array, sign: 1 | -1): Float64Array {
  if (a.length === 0) return a;
  const sums = new Float64Array(a.length);
  for (let i = 0; i < sums.length; i++) sums[i] = a[i] + sign * b[i];
  return sums;
}

const zeroCountAt = 0;
const countAt = 1;
const sumAt = 2;
const bucketsAt = 3;

/** A compensated sum (Neumaier) of aligned histograms, added in place. */
export class AlignedTotal {
  readonly #shape: Histogram;
  /** Zero count, count, sum, positive and negative buckets; and what rounding took from each. */
  readonly #sums: Float64Array;
  readonly #lost: Float64Array;
  #resetHint: ResetHint;

  /** Begins with what there is; `lost` is of the same buckets. */
  constructor(first: Histogram, lost: Histogram | undefined) {
    this.#shape = first;
    this.#resetHint = first.resetHint;
    const size = bucketsAt + first.positiveBuckets.length + first.negativeBuckets.length;
    this.#sums = new Float64Array(size);
    this.#lost = new Float64Array(size);
    load(first, this.#sums);
    if (lost !== undefined) load(lost, this.#lost);
  }

  takes(h: Histogram): boolean {
    return areAligned(this.#shape, h);
  }

  /** Whether any number would be infinite with `h`. */
  overflowsWith(h: Histogram): boolean {
    const sums = this.#sums;
    const { positiveBuckets, negativeBuckets, customValues } = h;
    if (isInfinite(sums[zeroCountAt] + h.zeroCount) || isInfinite(sums[countAt] + h.count)) return true;
    if (isInfinite(sums[sumAt] + h.sum)) return true;
    let at = bucketsAt;
    for (let i = 0; i < positiveBuckets.length; i++) if (isInfinite(sums[at++] + positiveBuckets[i])) return true;
    for (let i = 0; i < negativeBuckets.length; i++) if (isInfinite(sums[at++] + negativeBuckets[i])) return true;
    for (let i = 0; i < customValues.length; i++) if (isInfinite(customValues[i])) return true;
    return false;
  }

  /** Adds a histogram that `takes` says yes to. */
  add(h: Histogram): void {
    this.#resetHint = hintOfBoth(this.#resetHint, h.resetHint);
    const sums = this.#sums;
    const lost = this.#lost;
    const { positiveBuckets, negativeBuckets } = h;
    if (this.#shape.schema !== customBucketsSchema) addTo(sums, lost, zeroCountAt, h.zeroCount);
    addTo(sums, lost, countAt, h.count);
    addTo(sums, lost, sumAt, h.sum);
    let at = bucketsAt;
    for (let i = 0; i < positiveBuckets.length; i++) addTo(sums, lost, at++, positiveBuckets[i]);
    for (let i = 0; i < negativeBuckets.length; i++) addTo(sums, lost, at++, negativeBuckets[i]);
  }

  sum(): Histogram {
    return this.#histogramOf(this.#sums);
  }

  lost(): Histogram {
    return this.#histogramOf(this.#lost);
  }

  #histogramOf(column: Float64Array): Histogram {
    const shape = this.#shape;
    const positiveEnd = bucketsAt + shape.positiveBuckets.length;
    return {
      integer: false,
      resetHint: this.#resetHint,
      schema: shape.schema,
      zeroThreshold: shape.zeroThreshold,
      zeroCount: column[zeroCountAt],
      count: column[countAt],
      sum: column[sumAt],
      positiveSpans: shape.positiveSpans,
      negativeSpans: shape.negativeSpans,
      positiveBuckets: column.slice(bucketsAt, positiveEnd),
      negativeBuckets: column.slice(positiveEnd),
      customValues: shape.customValues,
      stale: false,
    };
  }
}

function load(h: Histogram, column: Float64Array): void {
  column[zeroCountAt] = h.zeroCount;
  column[countAt] = h.count;
  column[sumAt] = h.sum;
  column.set(h.positiveBuckets, bucketsAt);
  column.set(h.negativeBuckets, bucketsAt + h.positiveBuckets.length);
}

function addTo(sums: Float64Array, lost: Float64Array, at: number, term: number): void {
  const sum = sums[at];
  const total = sum + term;
  if (total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY) lost[at] = 0;
  else if (Math.abs(sum) >= Math.abs(term)) lost[at] += sum - total + term;
  else lost[at] += term - total + sum;
  sums[at] = total;
}

function isInfinite(value: number): boolean {
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;
}
