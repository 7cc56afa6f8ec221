/**
 * Two sorted runs of samples of one series become one: the only place that decides which of two samples at one timestamp counts.
 * The rule does not depend on which side a sample came from, so every replica and every order of merging gives the same answer:
 * a histogram over a float, any value over a staleness marker, a number over NaN, then the larger value, then the larger bits.
 */
import { type Histogram, ResetHint } from '../model/histogram.ts';
import { isStaleNaN } from '../model/stale.ts';
import type { SampleColumns } from './sample-columns.ts';

/** Empty columns with room for `capacity` rows. */
export function makeColumns(capacity: number): SampleColumns {
  const v = new Float64Array(capacity);
  return {
    length: 0,
    t: new Float64Array(capacity),
    v,
    vBits: new Int32Array(v.buffer),
    st: null,
    h: null,
    packed: null,
  };
}

/** Which of two floats at one timestamp counts, as bits. Positive: the first, 0: they are equal, negative: the second. */
export function compareFloatBits(aHi: number, aLo: number, a: number, bHi: number, bLo: number, b: number): number {
  if (aHi === bHi && aLo === bLo) return 0;
  const aStale = isStaleNaN(aHi, aLo);
  if (aStale !== isStaleNaN(bHi, bLo)) return aStale ? -1 : 1;
  const aNaN = Number.isNaN(a);
  const bNaN = Number.isNaN(b);
  if (aNaN !== bNaN) return aNaN ? -1 : 1;
  if (!aNaN && a !== b) return a > b ? 1 : -1;
  return aHi !== bHi ? (aHi >>> 0) - (bHi >>> 0) : (aLo >>> 0) - (bLo >>> 0);
}

/** The same for histograms: by staleness, count, sum, then everything else in a fixed order. */
export function compareHistograms(a: Histogram, b: Histogram): number {
  return compareHistogramValues(a, b) || compareKnowledge(a, b);
}

/** Of what is only known of two that have the same value. */
function compareKnowledge(a: Histogram, b: Histogram): number {
  return compareNumbers([a.resetHint, a.integer ? 1 : 0], [b.resetHint, b.integer ? 1 : 0]);
}

/** Without what is only known of a histogram: its reset hint, and how its counts were written. */
function compareHistogramValues(a: Histogram, b: Histogram): number {
  if (a.stale !== b.stale) return a.stale ? -1 : 1;
  const columns: readonly (readonly [ArrayLike<number>, ArrayLike<number>])[] = [
    [
      [a.count, a.sum, a.zeroCount, a.schema, a.zeroThreshold],
      [b.count, b.sum, b.zeroCount, b.schema, b.zeroThreshold],
    ],
    [a.positiveSpans, b.positiveSpans],
    [a.negativeSpans, b.negativeSpans],
    [a.positiveBuckets, b.positiveBuckets],
    [a.negativeBuckets, b.negativeBuckets],
    [a.customValues, b.customValues],
  ];
  for (const [x, y] of columns) {
    const order = compareNumbers(x, y);
    if (order !== 0) return order;
  }
  return 0;
}

/** Number over NaN, then the larger, then the longer. */
function compareNumbers(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const length = Math.min(x.length, y.length);
  for (let i = 0; i < length; i++) {
    if (Number.isNaN(x[i]) !== Number.isNaN(y[i])) return Number.isNaN(x[i]) ? -1 : 1;
    if (x[i] !== y[i] && !Number.isNaN(x[i])) return x[i] > y[i] ? 1 : -1;
  }
  return x.length - y.length;
}

/** Which of row i of a and row j of b, both at one timestamp, counts. Positive: that of a, 0: they are equal, negative: that of b. */
function compareRows(a: SampleColumns, i: number, b: SampleColumns, j: number): number {
  const aHistogram = a.h?.[i] ?? null;
  const bHistogram = b.h?.[j] ?? null;
  // Of equal values the one with the later known start.
  const starts = (a.st?.[i] ?? 0) - (b.st?.[j] ?? 0);
  if (aHistogram !== null && bHistogram !== null) {
    return compareHistogramValues(aHistogram, bHistogram) || starts || compareKnowledge(aHistogram, bHistogram);
  }
  if (aHistogram !== null) return 1;
  if (bHistogram !== null) return -1;
  const aBits = a.vBits;
  const bBits = b.vBits;
  return compareFloatBits(aBits[2 * i + 1], aBits[2 * i], a.v[i], bBits[2 * j + 1], bBits[2 * j], b.v[j]) || starts;
}

/** Whether row i of a and row j of b, which do not count alike, have different values, and not only different knowledge of them. */
function differ(a: SampleColumns, i: number, b: SampleColumns, j: number): boolean {
  const aHistogram = a.h?.[i] ?? null;
  const bHistogram = b.h?.[j] ?? null;
  if (aHistogram !== null && bHistogram !== null) return compareHistogramValues(aHistogram, bHistogram) !== 0;
  if (aHistogram !== null || bHistogram !== null) return true;
  return a.vBits[2 * i] !== b.vBits[2 * j] || a.vBits[2 * i + 1] !== b.vBits[2 * j + 1];
}

/**
 * Merges rows [0, length) of `a` and `b` into `out` (other memory than either). Where a histogram follows one of the other run, what
 * its source knew of a counter reset no longer holds, so its hint becomes unknown (a gauge stays one).
 * @returns conflicts: timestamps at which the two had different values
 */
export function mergeColumns(a: SampleColumns, b: SampleColumns, out: SampleColumns): number {
  reserve(out, a.length + b.length, a.st !== null || b.st !== null, a.h !== null || b.h !== null);
  let i = 0;
  let j = 0;
  let row = 0;
  let conflicts = 0;
  let lastFrom: SampleColumns | null = null;
  while (i < a.length || j < b.length) {
    const onlyA = j >= b.length || (i < a.length && a.t[i] < b.t[j]);
    const onlyB = i >= a.length || (j < b.length && b.t[j] < a.t[i]);
    let takeA = onlyA;
    if (!onlyA && !onlyB) {
      const order = compareRows(a, i, b, j);
      if (order !== 0 && differ(a, i, b, j)) conflicts++;
      takeA = order >= 0;
    }
    if (takeA) copyRow(a, i, out, row, lastFrom === null || lastFrom === a);
    else copyRow(b, j, out, row, lastFrom === null || lastFrom === b);
    lastFrom = takeA ? a : b;
    if (!onlyB) i++;
    if (!onlyA) j++;
    row++;
  }
  out.length = row;
  return conflicts;
}

function copyRow(from: SampleColumns, i: number, to: SampleColumns, row: number, sameRun: boolean): void {
  to.t[row] = from.t[i];
  to.vBits[2 * row] = from.vBits[2 * i];
  to.vBits[2 * row + 1] = from.vBits[2 * i + 1];
  if (to.st !== null) to.st[row] = from.st?.[i] ?? 0;
  if (to.h === null) return;
  const h = from.h?.[i] ?? null;
  const keepsHint = sameRun || h === null || h.resetHint === ResetHint.gauge || h.resetHint === ResetHint.unknown;
  to.h[row] = keepsHint ? h : { ...h, resetHint: ResetHint.unknown };
}

function reserve(columns: SampleColumns, rows: number, withStarts: boolean, withHistograms: boolean): void {
  if (columns.t.length < rows) {
    const capacity = Math.max(rows, columns.t.length * 2);
    columns.t = new Float64Array(capacity);
    columns.v = new Float64Array(capacity);
    columns.vBits = new Int32Array(columns.v.buffer);
    columns.st = null;
  }
  columns.st = withStarts ? (columns.st ?? new Float64Array(columns.t.length)) : null;
  columns.h = withHistograms ? new Array<Histogram | null>(rows).fill(null) : null;
}
