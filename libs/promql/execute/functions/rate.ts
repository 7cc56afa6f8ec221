/**
 * rate, increase and delta: how much a series changed over a window, extrapolated to the window's ends.
 * Owns extrapolation and the float side; histograms are rate-histogram.ts, anchored and smoothed windows extended-rate.ts.
 * Resets are found once a series, so a step costs what its window has of resets, not of samples. The order of the additions is
 * Prometheus', so that the result is, to the bit. Facts: Prometheus promql/functions.go (extrapolatedRate).
 */
import type { Histogram } from '../../../model/histogram.ts';
import { multiplyHistogram } from '../../../model/histogram-arithmetic.ts';
import { secondsOfMs } from '../../syntax/literals.ts';
import { windowEndMs } from '../operator.ts';
import type { RangeSamples } from '../scan/range-samples.ts';
import type { StepColumn } from '../step-column.ts';
import type { KernelInput, RangeKernel } from './range-function.ts';
import { addHistogramNoted, HistogramResets, histogramAt, histogramIncrease } from './rate-histogram.ts';
import { isStartTimeReset, overlapsStartTime } from './start-time.ts';

export interface RateKind {
  /** Resets are added back, and the extrapolation stops where the counter was zero. */
  readonly isCounter: boolean;
  /** Per second. */
  readonly isRate: boolean;
}

/** A kernel of the kind. */
export function rateKernel(kind: RateKind): RangeKernel {
  return (input, out) => {
    if (input.samples.floatCount > 0) floatRates(input, kind, out);
    if (input.samples.histogramCount > 0) histogramRates(input, kind, out);
  };
}

/** Of most series: nothing is made for each. */
const nowhere: readonly number[] = [];

/** Indexes i of the samples that begin a counter anew: below sample i - 1, or started after it. */
function findResets({ floatV, floatT, floatSt, floatCount }: RangeSamples): readonly number[] {
  let resets: number[] | undefined;
  for (let i = 1; i < floatCount; i++) {
    const isReset =
      floatV[i] < floatV[i - 1] ||
      (floatSt !== null && isStartTimeReset(floatSt[i - 1], floatT[i - 1], floatSt[i], floatT[i]));
    if (!isReset) continue;
    resets ??= [];
    resets.push(i);
  }
  return resets ?? nowhere;
}

/** Indexes i of the samples whose start time lies before sample i - 1. */
function findOverlaps({ floatT, floatSt, floatCount }: RangeSamples): readonly number[] {
  if (floatSt === null) return nowhere;
  const overlaps: number[] = [];
  for (let i = 1; i < floatCount; i++)
    if (overlapsStartTime(floatSt[i - 1], floatT[i - 1], floatSt[i])) overlaps.push(i);
  return overlaps;
}

function floatRates(input: KernelInput, { isCounter, isRate }: RateKind, out: StepColumn): void {
  const { samples, bounds, windows, notes, worked } = input;
  const { floatT, floatV, floatSt } = samples;
  const { floatBegin, floatEnd, histogramBegin, histogramEnd } = bounds;
  const resets = isCounter ? findResets(samples) : nowhere;
  const overlaps = isCounter ? findOverlaps(samples) : nowhere;
  const rangeSeconds = secondsOfMs(windows.rangeMs);
  const hasHistograms = samples.histogramCount > 0;
  let firstReset = 0;
  let firstOverlap = 0;
  for (let step = 0; step < floatBegin.length; step++) {
    const begin = floatBegin[step];
    const end = floatEnd[step];
    if (begin === end) continue;
    if (hasHistograms && histogramBegin[step] < histogramEnd[step]) {
      notes.mixedFloatsHistograms();
      continue;
    }
    const last = end - 1;
    const firstT = floatT[begin];
    let increase = floatV[last] - floatV[begin];
    if (resets.length > 0) {
      while (firstReset < resets.length && resets[firstReset] <= begin) firstReset++;
      let next = firstReset;
      for (; next < resets.length && resets[next] < end; next++) increase += floatV[resets[next] - 1];
      worked(next - firstReset);
    }
    if (overlaps.length > 0) {
      while (firstOverlap < overlaps.length && overlaps[firstOverlap] <= begin) firstOverlap++;
      if (firstOverlap < overlaps.length && overlaps[firstOverlap] < end) notes.startTimeOverlap();
    }
    const windowEnd = windowEndMs(windows, step);
    const windowBegin = windowEnd - windows.rangeMs;
    const st = isCounter && floatSt !== null ? floatSt[begin] : 0;
    const startsInside = st !== 0 && st > windowBegin && st < firstT;
    if (!startsInside && begin === last) continue;
    if (startsInside) increase += floatV[begin];
    const firstCount = isCounter && !startsInside && increase > 0 && floatV[begin] >= 0 ? floatV[begin] : Number.NaN;
    const factor = extrapolation(
      startsInside ? st : firstT,
      firstT,
      floatT[last],
      last - begin,
      windowBegin,
      windowEnd,
      startsInside,
      firstCount,
      increase,
    );
    out.setFloat(step, increase * (isRate ? factor / rangeSeconds : factor));
  }
}

/**
 * By how much the increase seen between two samples is to be multiplied to be that of the whole window. Times in milliseconds.
 * A gap at an end of the window up to 1.1 times the average distance of samples is bridged, of a longer one half a distance.
 * @param countedFrom where the increase is counted from: the first sample, or its start time within the window.
 * @param firstCount value of the counter at the first sample, NaN for what is no counter: it is not extrapolated below zero.
 */
function extrapolation(
  countedFrom: number,
  firstT: number,
  lastT: number,
  intervals: number,
  windowBegin: number,
  windowEnd: number,
  startsInside: boolean,
  firstCount: number,
  increase: number,
): number {
  const sampledSeconds = (lastT - firstT) / 1000;
  const averageSeconds = intervals > 0 ? sampledSeconds / intervals : 0;
  const threshold = averageSeconds * 1.1;
  const countedSeconds = (lastT - countedFrom) / 1000;
  let toBegin = 0;
  if (!startsInside) {
    toBegin = (firstT - windowBegin) / 1000;
    if (toBegin >= threshold) toBegin = averageSeconds / 2;
    const toZero = countedSeconds * (firstCount / increase);
    if (toZero < toBegin) toBegin = toZero;
  }
  let toEnd = (windowEnd - lastT) / 1000;
  if (toEnd >= threshold) toEnd = averageSeconds / 2;
  return countedSeconds === 0 ? 1 : (countedSeconds + toBegin + toEnd) / countedSeconds;
}

/** How much more work a histogram is than a float. */
const workPerHistogram = 50;

function histogramRates(input: KernelInput, { isCounter, isRate }: RateKind, out: StepColumn): void {
  const { samples, bounds, windows, notes, worked } = input;
  const { histogramT, histogramSt, packedRow } = samples;
  const rangeSeconds = secondsOfMs(windows.rangeMs);
  const resets = new HistogramResets(samples, isCounter);
  const { packed } = samples;
  worked(workPerHistogram * samples.histogramCount);
  for (let step = 0; step < bounds.histogramBegin.length; step++) {
    const begin = bounds.histogramBegin[step];
    const end = bounds.histogramEnd[step];
    if (begin === end) continue;
    if (bounds.floatBegin[step] < bounds.floatEnd[step]) {
      notes.mixedFloatsHistograms();
      continue;
    }
    const last = end - 1;
    const windowEnd = windowEndMs(windows, step);
    const windowBegin = windowEnd - windows.rangeMs;
    const firstT = histogramT[begin];
    if (packed !== null && begin < last && resets.isWithout(begin, end)) {
      const from = packedRow[begin];
      const to = packedRow[last];
      if (packed.areAligned(from, to)) {
        worked(workPerHistogram);
        const firstCount = packed.countAt(from);
        const increase = packed.countAt(to) - firstCount;
        const counted = increase > 0 && firstCount >= 0 ? firstCount : Number.NaN;
        const lastT = histogramT[last];
        const times = extrapolation(
          firstT,
          firstT,
          lastT,
          last - begin,
          windowBegin,
          windowEnd,
          false,
          counted,
          increase,
        );
        out.setHistogram(step, packed.increase(from, to, isRate ? times / rangeSeconds : times));
        continue;
      }
    }
    const first = histogramAt(samples, begin);
    let increase: Histogram | undefined;
    if (begin < last) {
      increase = histogramIncrease(samples, resets, begin, end, isCounter, notes);
      worked(workPerHistogram * (resets.isUniform ? 1 + resets.countWithin(begin, end) : end - begin));
      if (increase === undefined) continue;
    }
    const st = isCounter && histogramSt !== null ? histogramSt[begin] : 0;
    const startsInside = st !== 0 && st > windowBegin && st < firstT;
    if (startsInside) increase = increase === undefined ? first : addHistogramNoted(increase, first, notes);
    if (increase === undefined) continue;
    const isAbove = isCounter && !startsInside && increase.count > 0 && first.count >= 0;
    const factor = extrapolation(
      startsInside ? st : firstT,
      firstT,
      histogramT[last],
      last - begin,
      windowBegin,
      windowEnd,
      startsInside,
      isAbove ? first.count : Number.NaN,
      increase.count,
    );
    out.setHistogram(step, multiplyHistogram(increase, isRate ? factor / rangeSeconds : factor));
  }
}
