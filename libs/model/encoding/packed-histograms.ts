/**
 * The histogram samples of one series as numbers in shared columns: no object a sample, until somebody asks for one.
 * Owns the columns, which are used again for the next series, the comparison of neighbours, and the increase between two samples. What
 * these come to is histogram-resets.ts' and histogram-arithmetic.ts' to say: results are the same to the bit.
 */
import { customBucketsSchema, type Histogram, ResetHint, staleHistogram } from '../histogram.ts';
import { areAligned, compactSide } from '../histogram-aligned.ts';
import { copyCounts, newCounts } from '../histogram-counts.ts';
import { detectReset } from '../histogram-resets.ts';
import { spannedBuckets } from '../histogram-spans.ts';
import type { HistogramLayout } from './histogram-layout.ts';

/** What neighbouring samples share. */
export interface HistogramShape extends HistogramLayout {
  readonly integer: boolean;
  readonly positiveCount: number;
  readonly bucketCount: number;
  /** Buckets of one place are the same bucket in two histograms of the shape (areAligned). */
  readonly isAligned: boolean;
}

/** Numbers of a sample in front of its buckets, the positive ones first. */
export const packedCount = 0;
export const packedZeroCount = 1;
export const packedSum = 2;
export const packedBuckets = 3;

/** Instead of a shape: no histogram, or a staleness marker among integer or float ones. */
const noShape = -1;
const staleInteger = -2;
const staleFloat = -3;

const noSpans: Int32Array = new Int32Array(0);
const noBuckets: Float64Array = new Float64Array(0);

export class PackedHistograms {
  /** Rows up to here may hold something. */
  #rows = 0;
  #shapeOf = new Int32Array(0);
  #begin = new Int32Array(0);
  #hints = new Uint8Array(0);
  #shapes: HistogramShape[] = [];
  /** As it was read, for the next chunk, which mostly has the same. */
  #lastShape: HistogramShape | undefined;
  #made: (Histogram | undefined)[] = [];
  /** Of row r from `begin` of it on: see packedCount. */
  numbers: Float64Array = new Float64Array(0);
  #used = 0;
  readonly #compact = new CompactSpans();

  /** Takes all samples away. */
  clear(): void {
    this.#shapeOf.fill(noShape, 0, this.#rows);
    this.#rows = 0;
    this.#used = 0;
    this.#made.length = 0;
    this.#shapes = this.#lastShape === undefined ? [] : [this.#lastShape];
  }

  /** Makes room for rows; those that nothing is put into hold no histogram. */
  reserve(rowCount: number): void {
    if (rowCount <= this.#shapeOf.length) return;
    const length = Math.max(rowCount, this.#shapeOf.length * 2, 128);
    const shapeOf = new Int32Array(length).fill(noShape);
    shapeOf.set(this.#shapeOf);
    this.#shapeOf = shapeOf;
    this.#begin = grown(this.#begin, new Int32Array(length));
    this.#hints = grown(this.#hints, new Uint8Array(length));
  }

  /** The number of a shape, for `put`. */
  shapeNumber(layout: HistogramLayout, integer: boolean): number {
    if (this.#lastShape === undefined || !isShape(this.#lastShape, layout, integer)) {
      const positiveCount = spannedBuckets(layout.positiveSpans);
      this.#lastShape = {
        ...layout,
        integer,
        positiveCount,
        bucketCount: positiveCount + spannedBuckets(layout.negativeSpans),
        isAligned: areAligned(layout, layout),
      };
      this.#shapes.push(this.#lastShape);
    }
    return this.#shapes.length - 1;
  }

  /** Puts a sample into a row; returns where its numbers are to be written in `numbers`. */
  put(row: number, shape: number, hint: ResetHint): number {
    const size = packedBuckets + this.#shapes[shape].bucketCount;
    const begin = this.#used;
    if (begin + size > this.numbers.length) {
      this.numbers = grown(this.numbers, new Float64Array(Math.max(begin + size, this.numbers.length * 2, 1024)));
    }
    this.#used = begin + size;
    this.#shapeOf[row] = shape;
    this.#begin[row] = begin;
    this.#hints[row] = hint;
    if (row >= this.#rows) this.#rows = row + 1;
    return begin;
  }

  putStale(row: number, integer: boolean): void {
    this.#shapeOf[row] = integer ? staleInteger : staleFloat;
    if (row >= this.#rows) this.#rows = row + 1;
  }

  /** Whether a histogram stands in a row, a staleness marker too. */
  has(row: number): boolean {
    return row < this.#rows && this.#shapeOf[row] !== noShape;
  }

  isStale(row: number): boolean {
    return this.#shapeOf[row] < noShape;
  }

  /** Of a row that has a histogram. */
  shapeAt(row: number): HistogramShape {
    return this.#shapes[this.#shapeOf[row]];
  }

  hintAt(row: number): ResetHint {
    return this.#hints[row] as ResetHint;
  }

  countAt(row: number): number {
    return this.numbers[this.#begin[row] + packedCount];
  }

  /** The histogram of a row that has one, in memory of its own. */
  at(row: number): Histogram {
    let made = this.#made[row];
    if (made === undefined) {
      made = this.#make(row);
      this.#made[row] = made;
    }
    return made;
  }

  #make(row: number): Histogram {
    if (this.isStale(row)) return staleHistogram(this.#shapeOf[row] === staleInteger);
    const { integer, schema, zeroThreshold, positiveSpans, negativeSpans, customValues, ...size } = this.shapeAt(row);
    const begin = this.#begin[row];
    const { numbers } = this;
    const buckets = begin + packedBuckets;
    const negative = buckets + size.positiveCount;
    const end = buckets + size.bucketCount;
    return {
      integer,
      resetHint: this.hintAt(row),
      schema,
      zeroThreshold,
      zeroCount: numbers[begin + packedZeroCount],
      count: numbers[begin + packedCount],
      sum: numbers[begin + packedSum],
      positiveSpans,
      negativeSpans,
      positiveBuckets: buckets === negative ? noBuckets : copyCounts(numbers, buckets, negative),
      negativeBuckets: negative === end ? noBuckets : copyCounts(numbers, negative, end),
      customValues,
      stale: false,
    };
  }

  /** The samples as objects, null in rows without. */
  unpack(rowCount: number): (Histogram | null)[] {
    const histograms: (Histogram | null)[] = [];
    for (let row = 0; row < rowCount; row++) histograms.push(this.has(row) ? this.at(row) : null);
    return histograms;
  }

  /** As detectReset of the samples of two rows. */
  isReset(row: number, before: number): boolean {
    const hint = this.#hints[row];
    if (hint === ResetHint.reset) return true;
    if (hint === ResetHint.notReset) return false;
    if (!this.areAligned(row, before)) return detectReset(this.at(row), this.at(before));
    const { numbers } = this;
    const a = this.#begin[row];
    const b = this.#begin[before];
    if (numbers[a + packedCount] < numbers[b + packedCount]) return true;
    if (numbers[a + packedZeroCount] < numbers[b + packedZeroCount]) return true;
    const size = packedBuckets + this.shapeAt(row).bucketCount;
    for (let i = packedBuckets; i < size; i++) if (numbers[a + i] < numbers[b + i]) return true;
    return false;
  }

  /** Whether two samples have the same buckets in the same places. */
  areAligned(a: number, b: number): boolean {
    return this.#shapeOf[a] === this.#shapeOf[b] && this.shapeAt(a).isAligned;
  }

  /** Leaves count and sum alone; what the buckets say of a reset is said by the hints from then on. */
  dropBuckets(): void {
    const { numbers } = this;
    let last = -1;
    for (let row = 0; row < this.#rows; row++) {
      if (this.#shapeOf[row] < 0) continue;
      if (last >= 0 && this.#hints[row] === ResetHint.unknown) {
        this.#hints[row] = this.isReset(row, last) ? ResetHint.reset : ResetHint.notReset;
      }
      last = row;
    }
    for (let row = 0; row < this.#rows; row++) {
      if (this.#shapeOf[row] >= 0) numbers[this.#begin[row] + packedZeroCount] = 0;
    }
    this.#made.length = 0;
    this.#shapes = this.#shapes.map(withoutBuckets);
  }

  /** The increase from one sample to another that is aligned with it, times `factor`, without empty buckets: a gauge. */
  increase(from: number, to: number, factor: number): Histogram {
    const shape = this.shapeAt(to);
    const { numbers } = this;
    const a = this.#begin[to];
    const b = this.#begin[from];
    const { schema, zeroThreshold, customValues, positiveCount, bucketCount } = shape;
    const zeroCount =
      schema === customBucketsSchema
        ? numbers[a + packedZeroCount]
        : numbers[a + packedZeroCount] - numbers[b + packedZeroCount];
    const sides = this.#compact;
    sides.read(shape.positiveSpans, numbers, a + packedBuckets, b + packedBuckets, positiveCount, factor);
    const { spans: positiveSpans, counts: positiveBuckets } = sides;
    const negative = packedBuckets + positiveCount;
    sides.read(shape.negativeSpans, numbers, a + negative, b + negative, bucketCount - positiveCount, factor);
    return {
      integer: false,
      resetHint: ResetHint.gauge,
      schema,
      zeroThreshold,
      zeroCount: zeroCount * factor,
      count: (numbers[a + packedCount] - numbers[b + packedCount]) * factor,
      sum: (numbers[a + packedSum] - numbers[b + packedSum]) * factor,
      positiveSpans,
      negativeSpans: sides.spans,
      positiveBuckets,
      negativeBuckets: sides.counts,
      customValues,
      stale: false,
    };
  }
}

/** Differences of buckets without those that are empty. Remembers the spans: which buckets are empty changes seldom. */
class CompactSpans {
  spans = noSpans;
  counts = noBuckets;
  #differences: Float64Array = new Float64Array(64);
  #from = noSpans;
  #isEmpty: Uint8Array = new Uint8Array(0);
  #kept = noSpans;

  /** Of `size` numbers at `a` and `b`: a - b, times `factor`. */
  read(spans: Int32Array, numbers: Float64Array, a: number, b: number, size: number, factor: number): void {
    this.spans = spans;
    this.counts = noBuckets;
    if (size === 0) return;
    if (this.#differences.length < size) this.#differences = new Float64Array(size * 2);
    const differences = this.#differences;
    let empty = 0;
    for (let i = 0; i < size; i++) {
      const difference = numbers[a + i] - numbers[b + i];
      differences[i] = difference;
      if (difference === 0) empty++;
    }
    const counts = newCounts(size - empty);
    this.counts = counts;
    if (empty === 0) {
      for (let i = 0; i < size; i++) counts[i] = differences[i] * factor;
      return;
    }
    if (!this.#isKnown(spans, size)) {
      this.#from = spans;
      this.#isEmpty = new Uint8Array(size);
      for (let i = 0; i < size; i++) this.#isEmpty[i] = differences[i] === 0 ? 1 : 0;
      this.#kept = compactSide(spans, differences.subarray(0, size)).spans;
    }
    this.spans = this.#kept;
    let at = 0;
    for (let i = 0; i < size; i++) if (differences[i] !== 0) counts[at++] = differences[i] * factor;
  }

  #isKnown(spans: Int32Array, size: number): boolean {
    if (spans !== this.#from) return false;
    const isEmpty = this.#isEmpty;
    const differences = this.#differences;
    for (let i = 0; i < size; i++) if ((differences[i] === 0) !== (isEmpty[i] === 1)) return false;
    return true;
  }
}

function withoutBuckets(shape: HistogramShape): HistogramShape {
  return {
    integer: shape.integer,
    schema: shape.schema,
    zeroThreshold: 0,
    positiveSpans: noSpans,
    negativeSpans: noSpans,
    customValues: noBuckets,
    positiveCount: 0,
    bucketCount: 0,
    isAligned: true,
  };
}

function isShape(shape: HistogramShape, layout: HistogramLayout, integer: boolean): boolean {
  return (
    shape.integer === integer &&
    shape.schema === layout.schema &&
    shape.zeroThreshold === layout.zeroThreshold &&
    sameNumbersOf(shape.positiveSpans, layout.positiveSpans) &&
    sameNumbersOf(shape.negativeSpans, layout.negativeSpans) &&
    sameNumbersOf(shape.customValues, layout.customValues)
  );
}

function sameNumbersOf(a: Int32Array | Float64Array, b: Int32Array | Float64Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function grown<Column extends Int32Array | Uint8Array | Float64Array>(column: Column, into: Column): Column {
  into.set(column);
  return into;
}
