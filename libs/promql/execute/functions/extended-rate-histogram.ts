/**
 * rate, increase and delta of histograms over anchored and smoothed windows, and the interpolation of histograms.
 * Facts: Prometheus promql/functions.go (extendedHistogramRate, interpolateHistograms, correctForCounterResetsHistogram).
 */
import { type Histogram, ResetHint } from '../../../model/histogram.ts';
import { compactHistogram, divideHistogram, multiplyHistogram } from '../../../model/histogram-arithmetic.ts';
import { detectReset } from '../../../model/histogram-resets.ts';
import type { RangeSamples } from '../scan/range-samples.ts';
import type { ExtendedWindow } from './extended-rate.ts';
import type { KernelNotes } from './range-function.ts';
import type { RateKind } from './rate.ts';
import { addHistogramNoted, isCustom, subtractHistogramNoted } from './rate-histogram.ts';

/** Histogram at time `at` between two samples; undefined, with a note, where they do not go together. */
export function interpolateHistograms(
  t1: number,
  h1: Histogram,
  t2: number,
  h2: Histogram,
  at: number,
  isCounter: boolean,
  notes: KernelNotes,
): Histogram | undefined {
  if (at === t1) return h1;
  if (at === t2) return h2;
  const fraction = (at - t1) / (t2 - t1);
  // After a reset the counter is taken to have begun at zero.
  if (isCounter && detectReset(h2, h1)) return multiplyHistogram(h2, fraction);
  const difference = subtractHistogramNoted(h2, h1, notes);
  if (difference === undefined) return undefined;
  return addHistogramNoted(multiplyHistogram(difference, fraction), h1, notes);
}

/** Change over an extended window, per second if the kind says so; undefined, with a note, where there is none. */
export function extendedHistogramRate(
  samples: RangeSamples,
  begin: number,
  window: ExtendedWindow,
  smoothed: boolean,
  { isCounter, isRate }: RateKind,
  rangeSeconds: number,
  notes: KernelNotes,
): Histogram | undefined {
  const { histograms, histogramT: t } = samples;
  const { first, last, windowBegin, windowEnd } = window;
  if (!isUniform(histograms, first, last, isCounter, notes)) return undefined;
  const at = (i: number): Histogram => histograms[i] as Histogram;
  const left =
    smoothed && t[first] < windowBegin
      ? interpolateHistograms(t[first], at(first), t[first + 1], at(first + 1), windowBegin, isCounter, notes)
      : at(first);
  if (left === undefined) return undefined;
  const right =
    smoothed && last > begin && t[last] > windowEnd
      ? interpolateHistograms(t[last - 1], at(last - 1), t[last], at(last), windowEnd, isCounter, notes)
      : at(last);
  if (right === undefined) return undefined;
  if (!isCounter && (left.resetHint !== ResetHint.gauge || right.resetHint !== ResetHint.gauge)) notes.notGauge();
  let change = subtractHistogramNoted(right, left, notes);
  if (change === undefined) return undefined;
  if (isCounter) {
    const lost = lostToResets(samples, window, left, right, smoothed, notes);
    if (lost === 'failed') return undefined;
    if (lost !== undefined) change = addHistogramNoted(change, lost, notes);
    if (change === undefined) return undefined;
  }
  if (isRate) change = divideHistogram(change, rangeSeconds);
  return compactHistogram({ ...change, resetHint: ResetHint.gauge });
}

/** Whether all have one kind of buckets; says so where not, and where a counter is called a gauge. */
function isUniform(
  histograms: readonly Histogram[],
  first: number,
  last: number,
  isCounter: boolean,
  notes: KernelNotes,
): boolean {
  const custom = isCustom(histograms[first] as Histogram);
  for (let i = first; i <= last; i++) {
    const h = histograms[i] as Histogram;
    if (isCustom(h) !== custom) {
      notes.mixedExponentialCustom();
      return false;
    }
    if (isCounter && h.resetHint === ResetHint.gauge) notes.notCounter();
  }
  return true;
}

/** What resets took, undefined if there were none. */
function lostToResets(
  { histograms, histogramT: t }: RangeSamples,
  { first, last, windowBegin }: ExtendedWindow,
  left: Histogram,
  right: Histogram,
  smoothed: boolean,
  notes: KernelNotes,
): Histogram | undefined | 'failed' {
  const at = (i: number): Histogram => histograms[i] as Histogram;
  // The first sample is in `left`, the last in `right`: only those between them are walked.
  let from = first + 1;
  let before = left;
  if (smoothed && t[first] < windowBegin && detectReset(at(first + 1), at(first))) {
    // The interpolation at the left end is of the time after this reset.
    before = at(first + 1);
    from++;
  }
  const to = last - 1;
  if (from > to + 1) return undefined;
  let lost: Histogram | undefined;
  for (let i = from; i <= to + 1; i++) {
    const current = i <= to ? at(i) : right;
    if (detectReset(current, before)) {
      lost = lost === undefined ? before : addHistogramNoted(lost, before, notes);
      if (lost === undefined) return 'failed';
    }
    before = current;
  }
  return lost;
}
