/**
 * Histograms that have the same buckets, as those of one series mostly do: they are added and compared number by number, without
 * looking for buckets. Owns what counts as the same buckets, and running sums in place. What they come to is histogram-arithmetic.ts'
 * to say: results are the same to the bit.
 */
import { customBucketsSchema, type Histogram, type ResetHint } from './histogram.ts';
import { exponentialBound } from './histogram-bounds.ts';
import { copyCounts, newCounts } from './histogram-counts.ts';
import { hintOfBoth } from './histogram-hints.ts';
import { bucketIndexes, spansOfIndexes, unionOfIndexes } from './histogram-spans.ts';

/** What says where the buckets of a histogram are. */
type Buckets = Pick<Histogram, 'schema' | 'zeroThreshold' | 'positiveSpans' | 'negativeSpans' | 'customValues'>;

/** Whether buckets of one index are one bucket, and none of them lies in the zero bucket. */
export function areComparable(a: Buckets, b: Buckets): boolean {
  if (a.schema !== b.schema || a.zeroThreshold !== b.zeroThreshold) return false;
  if (a.schema === customBucketsSchema) return sameNumbersOf(a.customValues, b.customValues);
  return (
    isOutside(a.positiveSpans, a) &&
    isOutside(a.negativeSpans, a) &&
    isOutside(b.positiveSpans, b) &&
    isOutside(b.negativeSpans, b)
  );
}

/** Whether buckets i of both are the same bucket, none of them lies in the zero bucket, and the spans are as few as they can be. */
export function areAligned(a: Buckets, b: Buckets): boolean {
  return (
    sameSpans(a.positiveSpans, b.positiveSpans) && sameSpans(a.negativeSpans, b.negativeSpans) && areComparable(a, b)
  );
}

/** Whether the spans are the fewest for their buckets. */
export function areFewestSpans(spans: Int32Array): boolean {
  return sameSpans(spans, spans);
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

function isOutside(spans: Int32Array, { schema, zeroThreshold }: Buckets): boolean {
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
export function combineAligned(
  a: Histogram,
  b: Histogram,
  sign: 1 | -1,
  what: 'all' | 'sums alone' = 'all',
): Histogram {
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
    positiveBuckets: what === 'all' ? combineCounts(a.positiveBuckets, b.positiveBuckets, sign) : a.positiveBuckets,
    negativeBuckets: what === 'all' ? combineCounts(a.negativeBuckets, b.negativeBuckets, sign) : a.negativeBuckets,
    customValues: a.customValues,
    stale: false,
  };
}

/** As combineAligned, of comparable histograms that do not have the same buckets. */
export function combineComparable(a: Histogram, b: Histogram, sign: 1 | -1): Histogram {
  const combined = combineAligned(a, b, sign, 'sums alone');
  const positive = mergeSides(a.positiveSpans, a.positiveBuckets, b.positiveSpans, b.positiveBuckets, sign);
  const negative = mergeSides(a.negativeSpans, a.negativeBuckets, b.negativeSpans, b.negativeBuckets, sign);
  return {
    ...combined,
    positiveSpans: positive.spans,
    negativeSpans: negative.spans,
    positiveBuckets: positive.counts,
    negativeBuckets: negative.counts,
  };
}

interface Side {
  readonly spans: Int32Array;
  readonly counts: Float64Array;
}

function mergeSides(
  aSpans: Int32Array,
  aCounts: Float64Array,
  bSpans: Int32Array,
  bCounts: Float64Array,
  sign: 1 | -1,
): Side {
  if (sameSpans(aSpans, bSpans)) return { spans: aSpans, counts: combineCounts(aCounts, bCounts, sign) };
  const a = bucketIndexes(aSpans);
  const b = bucketIndexes(bSpans);
  const union = unionOfIndexes(a, b);
  const counts = newCounts(union.length);
  let i = 0;
  let j = 0;
  for (let at = 0; at < union.length; at++) {
    const inA = i < a.length && a[i] === union[at];
    const inB = j < b.length && b[j] === union[at];
    if (inA && inB) counts[at] = aCounts[i] + sign * bCounts[j];
    else counts[at] = inA ? aCounts[i] : sign * bCounts[j];
    if (inA) i++;
    if (inB) j++;
  }
  return { spans: spansOfIndexes(union), counts };
}

/** The buckets that have a count, in the fewest spans. */
export function compactSide(spans: Int32Array, counts: Float64Array): Side {
  let filled = 0;
  for (let i = 0; i < counts.length; i++) if (counts[i] !== 0) filled++;
  const kept = newCounts(filled);
  const keptSpans: number[] = [];
  let bucket = 0;
  let from = 0;
  let at = 0;
  let next = 0;
  for (let i = 0; i < spans.length; i += 2) {
    bucket += spans[i];
    for (let j = 0; j < spans[i + 1]; j++, bucket++) {
      const count = counts[from++];
      if (count === 0) continue;
      kept[at++] = count;
      if (keptSpans.length > 0 && bucket === next) keptSpans[keptSpans.length - 1]++;
      else keptSpans.push(bucket - next, 1);
      next = bucket + 1;
    }
  }
  return { spans: Int32Array.from(keptSpans), counts: kept };
}

function combineCounts(a: Float64Array, b: Float64Array, sign: 1 | -1): Float64Array {
  if (a.length === 0) return a;
  const sums = newCounts(a.length);
  for (let i = 0; i < sums.length; i++) sums[i] = a[i] + sign * b[i];
  return sums;
}

/** Buckets of one sign of a running sum: rising indexes, and per bucket the sum and what rounding took from it. */
class RunningSide {
  /** The fewest spans for the buckets, as long as none has been added. */
  #spans: Int32Array;
  #indexes: Int32Array;
  #sums: Float64Array;
  #lost: Float64Array;

  constructor(spans: Int32Array, counts: Float64Array, lost: Float64Array | undefined) {
    this.#spans = spans;
    this.#indexes = bucketIndexes(spans);
    this.#sums = counts.slice();
    this.#lost = lost?.slice() ?? new Float64Array(counts.length);
  }

  add(spans: Int32Array, counts: Float64Array): void {
    const sums = this.#sums;
    if (spans === this.#spans || sameSpans(spans, this.#spans)) {
      for (let i = 0; i < counts.length; i++) addTo(sums, this.#lost, i, counts[i]);
      return;
    }
    const isNew = this.#has(spans) ? undefined : this.#makeRoom(spans);
    const indexes = this.#indexes;
    let bucket = 0;
    let from = 0;
    let at = 0;
    for (let i = 0; i < spans.length; i += 2) {
      bucket += spans[i];
      for (let j = 0; j < spans[i + 1]; j++, bucket++) {
        while (indexes[at] < bucket) at++;
        // A new one is the count itself, a zero's sign included.
        if (isNew?.[at] === 1) this.#sums[at] = counts[from++];
        else addTo(this.#sums, this.#lost, at, counts[from++]);
      }
    }
  }

  /** Whether any sum would be infinite with these counts. */
  overflowsWith(spans: Int32Array, counts: Float64Array): boolean {
    const indexes = this.#indexes;
    let bucket = 0;
    let from = 0;
    let at = 0;
    for (let i = 0; i < spans.length; i += 2) {
      bucket += spans[i];
      for (let j = 0; j < spans[i + 1]; j++, bucket++) {
        while (at < indexes.length && indexes[at] < bucket) at++;
        const sum = at < indexes.length && indexes[at] === bucket ? this.#sums[at] : 0;
        if (isInfinite(sum + counts[from++])) return true;
      }
    }
    return false;
  }

  /** Whether all buckets are there. */
  #has(spans: Int32Array): boolean {
    const indexes = this.#indexes;
    let bucket = 0;
    let at = 0;
    for (let i = 0; i < spans.length; i += 2) {
      bucket += spans[i];
      for (let j = 0; j < spans[i + 1]; j++, bucket++, at++) {
        while (at < indexes.length && indexes[at] < bucket) at++;
        if (at === indexes.length || indexes[at] !== bucket) return false;
      }
    }
    return true;
  }

  /** Puts in the buckets that are not there; tells which they are. */
  #makeRoom(spans: Int32Array): Uint8Array {
    const indexes = this.#indexes;
    const union = unionOfIndexes(indexes, bucketIndexes(spans));
    const sums = new Float64Array(union.length);
    const lost = new Float64Array(union.length);
    const isNew = new Uint8Array(union.length).fill(1);
    for (let i = 0, j = 0; i < indexes.length; j++) {
      if (union[j] !== indexes[i]) continue;
      isNew[j] = 0;
      sums[j] = this.#sums[i];
      lost[j] = this.#lost[i++];
    }
    this.#spans = spansOfIndexes(union);
    this.#indexes = union;
    this.#sums = sums;
    this.#lost = lost;
    return isNew;
  }

  get spans(): Int32Array {
    return this.#spans;
  }

  sums(): Float64Array {
    return copyCounts(this.#sums, 0, this.#sums.length);
  }

  lost(): Float64Array {
    return copyCounts(this.#lost, 0, this.#lost.length);
  }
}

const zeroCountAt = 0;
const countAt = 1;
const sumAt = 2;

/** A compensated sum (Neumaier) of histograms of one resolution, added in place. */
export class AlignedTotal {
  readonly #shape: Histogram;
  /** Zero count, count, sum; and what rounding took from each. */
  readonly #sums: Float64Array;
  readonly #lost: Float64Array;
  readonly #positive: RunningSide;
  readonly #negative: RunningSide;
  #resetHint: ResetHint;

  /** Begins with what there is; `lost` is of the same buckets. The spans are the fewest. */
  constructor(first: Histogram, lost: Histogram | undefined) {
    this.#shape = first;
    this.#resetHint = first.resetHint;
    this.#sums = Float64Array.of(first.zeroCount, first.count, first.sum);
    this.#lost = Float64Array.of(lost?.zeroCount ?? 0, lost?.count ?? 0, lost?.sum ?? 0);
    this.#positive = new RunningSide(first.positiveSpans, first.positiveBuckets, lost?.positiveBuckets);
    this.#negative = new RunningSide(first.negativeSpans, first.negativeBuckets, lost?.negativeBuckets);
  }

  takes(h: Histogram): boolean {
    return areComparable(this.#shape, h);
  }

  /** Whether any number would be infinite with `h`. */
  overflowsWith(h: Histogram): boolean {
    const sums = this.#sums;
    if (isInfinite(sums[zeroCountAt] + h.zeroCount) || isInfinite(sums[countAt] + h.count)) return true;
    if (isInfinite(sums[sumAt] + h.sum)) return true;
    const { customValues } = h;
    for (let i = 0; i < customValues.length; i++) if (isInfinite(customValues[i])) return true;
    return (
      this.#positive.overflowsWith(h.positiveSpans, h.positiveBuckets) ||
      this.#negative.overflowsWith(h.negativeSpans, h.negativeBuckets)
    );
  }

  /** Adds a histogram that `takes` says yes to. */
  add(h: Histogram): void {
    this.#resetHint = hintOfBoth(this.#resetHint, h.resetHint);
    const sums = this.#sums;
    const lost = this.#lost;
    if (this.#shape.schema !== customBucketsSchema) addTo(sums, lost, zeroCountAt, h.zeroCount);
    addTo(sums, lost, countAt, h.count);
    addTo(sums, lost, sumAt, h.sum);
    this.#positive.add(h.positiveSpans, h.positiveBuckets);
    this.#negative.add(h.negativeSpans, h.negativeBuckets);
  }

  sum(): Histogram {
    return this.#histogramOf(this.#sums, this.#positive.sums(), this.#negative.sums());
  }

  lost(): Histogram {
    return this.#histogramOf(this.#lost, this.#positive.lost(), this.#negative.lost());
  }

  #histogramOf(column: Float64Array, positiveBuckets: Float64Array, negativeBuckets: Float64Array): Histogram {
    const shape = this.#shape;
    return {
      integer: false,
      resetHint: this.#resetHint,
      schema: shape.schema,
      zeroThreshold: shape.zeroThreshold,
      zeroCount: column[zeroCountAt],
      count: column[countAt],
      sum: column[sumAt],
      positiveSpans: this.#positive.spans,
      negativeSpans: this.#negative.spans,
      positiveBuckets,
      negativeBuckets,
      customValues: shape.customValues,
      stale: false,
    };
  }
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
