/**
 * The increase of a histogram over the samples of a window, with what resets took added back.
 * Facts: Prometheus promql/functions.go (histogramRate).
 */
import { customBucketsSchema, type Histogram, ResetHint } from '../../../model/histogram.ts';
import { addHistograms, compactHistogram, subtractHistograms } from '../../../model/histogram-arithmetic.ts';
import { detectReset } from '../../../model/histogram-resets.ts';
import { reduceResolution } from '../../../model/histogram-resolution.ts';
import type { RangeSamples } from '../scan/range-samples.ts';
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

/** Increase from sample begin to sample end - 1, of which there are at least two; undefined, with a note, where there is none. */
export function histogramIncrease(
  samples: RangeSamples,
  begin: number,
  end: number,
  isCounter: boolean,
  notes: KernelNotes,
): Histogram | undefined {
  const { histograms, histogramT, histogramSt } = samples;
  const first = histograms[begin] as Histogram;
  const last = histograms[end - 1] as Histogram;
  let gauge = isCounter && (first.resetHint === ResetHint.gauge || last.resetHint === ResetHint.gauge);
  const isReset = (i: number, before: Histogram): boolean => {
    const startReset =
      histogramSt !== null && isStartTimeReset(histogramSt[i - 1], histogramT[i - 1], histogramSt[i], histogramT[i]);
    return startReset || detectReset(histograms[i] as Histogram, before);
  };
  // Where the counter begins anew with the second sample, what the first looked like does not matter.
  const second = histograms[begin + 1] as Histogram;
  const origin = isCounter && isReset(begin + 1, first) ? nothingLike(second) : first;
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
      if (isReset(i, before)) {
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
