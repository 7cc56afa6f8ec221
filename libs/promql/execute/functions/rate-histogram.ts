/**
 * The increase of a histogram over the samples of a window, with what resets took added back.
 * Facts: Prometheus promql/functions.go (histogramRate).
 */
import { customBucketsSchema, type Histogram, ResetHint } from '../../../model/histogram.ts';
import { addHistograms, compactHistogram, subtractHistograms } from '../../../model/histogram-arithmetic.ts';
import { detectReset } from '../../../model/histogram-resets.ts';
import { reduceResolution } from '../../../model/histogram-resolution.ts';
import { type RangeSamples, unpackSamples } from '../scan/range-samples.ts';
import type { KernelNotes } from './range-function.ts';
import { isStartTimeReset, overlapsStartTime } from './start-time.ts';

const noSpans = new Int32Array(0);
const noBuckets = new Float64Array(0);

/** Whether the buckets of a histogram have bounds of its own. */
export function isCustom(h: Histogram): boolean {
  return h.schema === customBucketsSchema;
}

/** A histogram of nothing, of the same kind of buckets. */
function nothingLike(h: Histogram): Histogram {
  return {
    integer: false,
    resetHint: ResetHint.unknown,
    schema: h.schema,
    zeroThreshold: 0,
    zeroCount: 0,
    count: 0,
    sum: 0,
    positiveSpans: noSpans,
    negativeSpans: noSpans,
    positiveBuckets: noBuckets,
    negativeBuckets: noBuckets,
    customValues: h.customValues,
    stale: false,
  };
}

/** The sum, or undefined with a note where the two do not go together. */
export function addHistogramNoted(base: Histogram, other: Histogram, notes: KernelNotes): Histogram | undefined {
  const sum = addHistograms(base, other);
  if (sum === null) {
    notes.mixedExponentialCustom();
    return undefined;
  }
  if (sum.boundsReconciled) notes.reconciledBuckets('addition');
  return sum.histogram;
}

/** As addHistogramNoted, a difference. */
export function subtractHistogramNoted(base: Histogram, other: Histogram, notes: KernelNotes): Histogram | undefined {
  const difference = subtractHistograms(base, other);
  if (difference === null) {
    notes.mixedExponentialCustom();
    return undefined;
  }
  if (difference.boundsReconciled) notes.reconciledBuckets('subtraction');
  return difference.histogram;
}

/**
 * Where the histograms of a series begin anew, found once a series however many windows look there. Packed ones stay so where they are
 * a uniform counter's.
 */
export class HistogramResets {
  readonly #samples: RangeSamples;
  /** Indexes of the samples that begin a counter anew against the one before. */
  readonly indexes: number[] = [];
  /** All histograms have the same kind and resolution of buckets, none is a gauge, and start times are unknown. */
  readonly isUniform: boolean;

  constructor(samples: RangeSamples, isCounter: boolean) {
    this.#samples = samples;
    if (isCounter && isUniformPacked(samples)) {
      this.isUniform = true;
      findPackedResets(samples, this.indexes);
      return;
    }
    unpackSamples(samples);
    const { histograms, histogramCount, histogramSt } = samples;
    let isUniform = histogramSt === null;
    const first = histograms[0] as Histogram;
    for (let i = 0; i < histogramCount && isUniform; i++) {
      const h = histograms[i] as Histogram;
      isUniform = h.schema === first.schema && h.resetHint !== ResetHint.gauge;
    }
    this.isUniform = isUniform;
    for (let i = 1; i < histogramCount; i++) {
      if (this.isReset(i, histograms[i - 1] as Histogram)) this.indexes.push(i);
    }
  }

  /** How many resets a window has. */
  countWithin(begin: number, end: number): number {
    return firstAbove(this.indexes, end - 1) - firstAbove(this.indexes, begin);
  }

  /** Whether a window has no reset. */
  isWithout(begin: number, end: number): boolean {
    const { indexes } = this;
    const next = firstAbove(indexes, begin);
    return next === indexes.length || (indexes[next] as number) >= end;
  }

  /** Whether sample i begins anew after `before`, which stands for the sample before it. */
  isReset(i: number, before: Histogram): boolean {
    const { histograms, histogramT, histogramSt } = this.#samples;
    const startReset =
      histogramSt !== null && isStartTimeReset(histogramSt[i - 1], histogramT[i - 1], histogramSt[i], histogramT[i]);
    return startReset || detectReset(histograms[i] as Histogram, before);
  }
}

function isUniformPacked({ packed, packedRow, histogramCount, histogramSt }: RangeSamples): boolean {
  if (packed === null || histogramSt !== null) return false;
  const { schema } = packed.shapeAt(packedRow[0]);
  for (let i = 0; i < histogramCount; i++) {
    const row = packedRow[i];
    if (packed.hintAt(row) === ResetHint.gauge || packed.shapeAt(row).schema !== schema) return false;
  }
  return true;
}

function findPackedResets({ packed, packedRow, histogramCount }: RangeSamples, indexes: number[]): void {
  for (let i = 1; i < histogramCount; i++) if (packed?.isReset(packedRow[i], packedRow[i - 1])) indexes.push(i);
}

/** Histogram i, packed or not. */
export function histogramAt({ histograms, packed, packedRow }: RangeSamples, i: number): Histogram {
  return packed === null ? (histograms[i] as Histogram) : packed.at(packedRow[i]);
}

/** As histogramIncrease, of a counter whose samples are uniform: only the ends and the resets are looked at. */
function uniformIncrease(
  samples: RangeSamples,
  resets: readonly number[],
  begin: number,
  end: number,
  notes: KernelNotes,
): Histogram | undefined {
  let next = firstAbove(resets, begin);
  let before = histogramAt(samples, begin);
  if (resets[next] === begin + 1) {
    // What the first looked like does not matter then.
    before = nothingLike(histogramAt(samples, begin + 1));
    next++;
  }
  let increase = subtractHistogramNoted(histogramAt(samples, end - 1), before, notes);
  for (; increase !== undefined && next < resets.length && resets[next] < end; next++) {
    increase = addHistogramNoted(increase, histogramAt(samples, resets[next] - 1), notes);
  }
  return increase === undefined ? undefined : compactHistogram({ ...increase, resetHint: ResetHint.gauge });
}

/** Place of the first number above `bound` in a rising list. */
function firstAbove(rising: readonly number[], bound: number): number {
  let from = 0;
  let to = rising.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((rising[middle] as number) > bound) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** Increase from sample begin to sample end - 1, of which there are at least two; undefined, with a note, where there is none. */
export function histogramIncrease(
  samples: RangeSamples,
  resets: HistogramResets,
  begin: number,
  end: number,
  isCounter: boolean,
  notes: KernelNotes,
): Histogram | undefined {
  const { histograms, histogramT, histogramSt } = samples;
  if (isCounter && resets.isUniform) return uniformIncrease(samples, resets.indexes, begin, end, notes);
  const first = histograms[begin] as Histogram;
  const last = histograms[end - 1] as Histogram;
  let gauge = isCounter && (first.resetHint === ResetHint.gauge || last.resetHint === ResetHint.gauge);
  // Where the counter begins anew with the second sample, what the first looked like does not matter.
  const second = histograms[begin + 1] as Histogram;
  const origin = isCounter && resets.isReset(begin + 1, first) ? nothingLike(second) : first;
  const custom = isCustom(origin);
  if (isCustom(last) !== custom) {
    if (gauge) notes.notCounter();
    notes.mixedExponentialCustom();
    return undefined;
  }
  let schema = Math.min(last.schema, origin.schema);
  if (isCounter) {
    for (let i = begin + 1; i < end - 1; i++) {
      const h = histograms[i] as Histogram;
      gauge ||= h.resetHint === ResetHint.gauge;
      if (h.schema < schema) schema = h.schema;
      if (isCustom(h) !== custom) {
        notes.mixedExponentialCustom();
        return undefined;
      }
    }
  }
  let increase = subtractHistogramNoted(reduceResolution(last, schema), origin, notes);
  if (increase === undefined) return undefined;
  if (gauge) notes.notCounter();
  if (isCounter) {
    let before = origin;
    let overlap = false;
    for (let i = begin + 1; i < end; i++) {
      overlap ||= histogramSt !== null && overlapsStartTime(histogramSt[i - 1], histogramT[i - 1], histogramSt[i]);
      if (resets.isReset(i, before)) {
        increase = addHistogramNoted(increase, before, notes);
        if (increase === undefined) return undefined;
      }
      before = histograms[i] as Histogram;
    }
    if (overlap) notes.startTimeOverlap();
  } else if (first.resetHint !== ResetHint.gauge || last.resetHint !== ResetHint.gauge) {
    notes.notGauge();
  }
  return compactHistogram({ ...increase, resetHint: ResetHint.gauge });
}
