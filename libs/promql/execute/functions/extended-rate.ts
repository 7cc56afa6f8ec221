/**
 * rate, increase and delta over anchored and smoothed windows: nothing is extrapolated, the values at both ends are taken or
 * interpolated. The samples handed over reach a lookback before the window (anchored) or beyond both ends (smoothed).
 * Histograms are extended-rate-histogram.ts. Facts: Prometheus promql/functions.go (extendedRate).
 */
import { secondsOfMs } from '../../syntax/literals.ts';
import { windowEndMs } from '../operator.ts';
import type { RangeSamples } from '../scan/range-samples.ts';
import { extendedHistogramRate } from './extended-rate-histogram.ts';
import type { RangeKernel } from './range-function.ts';
import type { RateKind } from './rate.ts';

/** How much more work a histogram is than a float. */
const workPerHistogram = 50;

/** What of the samples of an extended window counts. */
export interface ExtendedWindow {
  readonly first: number;
  readonly last: number;
  readonly windowBegin: number;
  readonly windowEnd: number;
}

/**
 * Indexes of the samples at the ends of the window, those that may lie outside of it included; undefined where all lie before it. Where
 * all lie behind it, a smoothed window as an answer has the first of them at both ends, but there is no rate.
 * `t[begin, end)` are the samples handed over, at least one.
 */
export function extendedWindow(
  t: Float64Array,
  begin: number,
  end: number,
  windowBegin: number,
  windowEnd: number,
  smoothed: boolean,
): ExtendedWindow | undefined {
  let last = end - 1;
  // The last sample at or before the begin, or the first of all.
  let first = begin;
  while (first < last && t[first] <= windowBegin) first++;
  first = Math.max(begin, first - 1);
  if (smoothed) {
    let at = begin;
    while (at < last && t[at] < windowEnd) at++;
    last = at;
  }
  if (t[last] <= windowBegin) return undefined;
  return { first, last, windowBegin, windowEnd };
}

/** Value at time `at` on the line between two samples; a counter that fell begins at zero. */
export function interpolate(t1: number, v1: number, t2: number, v2: number, at: number, isCounter: boolean): number {
  const from = isCounter && v2 < v1 ? 0 : v1;
  return from + ((v2 - from) * (at - t1)) / (t2 - t1);
}

/** Values at the begin and the end of a window: of the samples there, or between two samples if it is smoothed. */
export function windowEdges(
  t: Float64Array,
  v: Float64Array,
  begin: number,
  { first, last, windowBegin, windowEnd }: ExtendedWindow,
  smoothed: boolean,
  isCounter: boolean,
): { readonly left: number; readonly right: number } {
  const left =
    smoothed && t[first] < windowBegin
      ? interpolate(t[first], v[first], t[first + 1], v[first + 1], windowBegin, isCounter)
      : v[first];
  const right =
    smoothed && last > begin && t[last] > windowEnd
      ? interpolate(t[last - 1], v[last - 1], t[last], v[last], windowEnd, isCounter)
      : v[last];
  return { left, right };
}

/** What resets took between `left`, samples [from, to] and `right`. */
function lostToResets(v: Float64Array, from: number, to: number, left: number, right: number): number {
  let lost = 0;
  let before = left;
  for (let i = from; i <= to; i++) {
    if (v[i] < before) lost += before;
    before = v[i];
  }
  return right < before ? lost + before : lost;
}

function floatChange(
  { floatT: t, floatV: v }: RangeSamples,
  begin: number,
  window: ExtendedWindow,
  smoothed: boolean,
  isCounter: boolean,
): number {
  const { left, right } = windowEdges(t, v, begin, window, smoothed, isCounter);
  if (!isCounter) return right - left;
  const from = t[window.first] <= window.windowBegin ? window.first + 1 : window.first;
  const to = t[window.last] >= window.windowEnd ? window.last - 1 : window.last;
  return right - left + lostToResets(v, from, to, left, right);
}

/** A kernel of the kind for windows with room at their ends. */
export function extendedRateKernel(kind: RateKind): RangeKernel {
  return (input, out) => {
    const { samples, bounds, windows, notes } = input;
    const rangeSeconds = secondsOfMs(windows.rangeMs);
    const smoothed = windows.afterMs > 0;
    for (let step = 0; step < out.stepCount; step++) {
      const hasFloats = bounds.floatBegin[step] < bounds.floatEnd[step];
      const hasHistograms = bounds.histogramBegin[step] < bounds.histogramEnd[step];
      if (!hasFloats && !hasHistograms) continue;
      if (hasFloats && hasHistograms) {
        notes.mixedFloatsHistograms();
        continue;
      }
      const windowEnd = windowEndMs(windows, step);
      const windowBegin = windowEnd - windows.rangeMs;
      const begin = hasFloats ? bounds.floatBegin[step] : bounds.histogramBegin[step];
      const end = hasFloats ? bounds.floatEnd[step] : bounds.histogramEnd[step];
      const t = hasFloats ? samples.floatT : samples.histogramT;
      const window = extendedWindow(t, begin, end, windowBegin, windowEnd, smoothed);
      if (window === undefined || (smoothed && t[window.first] > windowEnd)) continue;
      input.worked((end - begin) * (hasFloats ? 1 : workPerHistogram));
      if (hasFloats) {
        const change = floatChange(samples, begin, window, smoothed, kind.isCounter);
        out.setFloat(step, kind.isRate ? change / rangeSeconds : change);
      } else {
        const change = extendedHistogramRate(samples, begin, window, smoothed, kind, rangeSeconds, notes);
        if (change !== undefined) out.setHistogram(step, change);
      }
    }
  };
}
