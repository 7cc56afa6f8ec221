/**
 * irate and idelta: the change between the last two samples of a window, floats or histograms.
 * Facts: Prometheus promql/functions.go (instantValue).
 */
import { type Histogram, ResetHint } from '../../../model/histogram.ts';
import { compactHistogram, divideHistogram } from '../../../model/histogram-arithmetic.ts';
import { detectReset } from '../../../model/histogram-resets.ts';
import type { StepColumn } from '../step-column.ts';
import type { KernelInput, RangeKernel } from './range-function.ts';
import { subtractHistogramNoted } from './rate-histogram.ts';
import { isStartTimeReset } from './start-time.ts';

/** Counter: per second, over a reset from zero. Gauge: the difference as it is. */
export function instantChangeKernel(of: 'counter' | 'gauge'): RangeKernel {
  return (input, out) => {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = input.bounds;
    const { samples } = input;
    for (let step = 0; step < floatBegin.length; step++) {
      const floats = floatEnd[step] - floatBegin[step];
      const histograms = histogramEnd[step] - histogramBegin[step];
      if (floats + histograms < 2) continue;
      const float = floatEnd[step] - 1;
      const histogram = histogramEnd[step] - 1;
      // Which kinds the two last samples of both have.
      const bothFloats = histograms === 0 || (floats >= 2 && samples.floatT[float - 1] > samples.histogramT[histogram]);
      const bothHistograms =
        floats === 0 || (histograms >= 2 && samples.histogramT[histogram - 1] > samples.floatT[float]);
      if (bothFloats) floatChange(input, float, step, of, out);
      else if (bothHistograms) histogramChange(input, histogram, step, of, out);
      else input.notes.mixedFloatsHistograms();
    }
  };
}

function floatChange(
  { samples }: KernelInput,
  last: number,
  step: number,
  of: 'counter' | 'gauge',
  out: StepColumn,
): void {
  const { floatT, floatV, floatSt } = samples;
  const t = floatT[last];
  const prevT = floatT[last - 1];
  if (of === 'gauge') {
    out.setFloat(step, floatV[last] - floatV[last - 1]);
    return;
  }
  const restarted = floatSt !== null && isStartTimeReset(floatSt[last - 1], prevT, floatSt[last], t);
  const isReset = floatV[last] < floatV[last - 1] || restarted;
  const change = isReset ? floatV[last] : floatV[last] - floatV[last - 1];
  out.setFloat(step, change / ((t - prevT) / 1000));
}

function histogramChange(
  { samples, notes }: KernelInput,
  last: number,
  step: number,
  of: 'counter' | 'gauge',
  out: StepColumn,
): void {
  const { histogramT, histogramSt } = samples;
  const h = samples.histograms[last] as Histogram;
  const before = samples.histograms[last - 1] as Histogram;
  const gauges = h.resetHint === ResetHint.gauge && before.resetHint === ResetHint.gauge;
  const anyGauge = h.resetHint === ResetHint.gauge || before.resetHint === ResetHint.gauge;
  if (of === 'counter' && anyGauge) notes.notCounter();
  if (of === 'gauge' && !gauges) notes.notGauge();
  const t = histogramT[last];
  const prevT = histogramT[last - 1];
  let change: Histogram | undefined = h;
  const restarted = histogramSt !== null && isStartTimeReset(histogramSt[last - 1], prevT, histogramSt[last], t);
  if (of === 'gauge' || !(restarted || detectReset(h, before))) {
    change = subtractHistogramNoted(h, before, notes);
    if (change === undefined) return;
  }
  change = compactHistogram({ ...change, integer: false, resetHint: ResetHint.gauge });
  out.setHistogram(step, of === 'counter' ? divideHistogram(change, (t - prevT) / 1000) : change);
}
