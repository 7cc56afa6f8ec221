/**
 * changes and resets: how often something happens between two samples next to each other, whatever their kinds.
 * Each pair of samples is looked at once a series; a step is a difference of two running counts. An anchored window also holds the last
 * sample at or before its begin. Facts: Prometheus promql/functions.go (funcResets, funcChanges, pickFirstSampleIndices).
 */
import type { Histogram } from '../../../model/histogram.ts';
import { equalHistograms } from '../../../model/histogram-arithmetic.ts';
import { detectReset } from '../../../model/histogram-resets.ts';
import { windowEndMs } from '../operator.ts';
import type { RangeSamples } from '../scan/range-samples.ts';
import type { RangeKernel } from './range-function.ts';
import { isStartTimeReset } from './start-time.ts';

/** All samples of a series in order of time; entry i is float or histogram number index[i]. */
interface Timeline {
  readonly t: Float64Array;
  readonly index: Int32Array;
  readonly isHistogram: Uint8Array;
}

function timelineOf(samples: RangeSamples): Timeline {
  const count = samples.floatCount + samples.histogramCount;
  const t = new Float64Array(count);
  const index = new Int32Array(count);
  const isHistogram = new Uint8Array(count);
  let float = 0;
  let histogram = 0;
  for (let i = 0; i < count; i++) {
    const takeFloat =
      histogram >= samples.histogramCount ||
      (float < samples.floatCount && samples.floatT[float] < samples.histogramT[histogram]);
    t[i] = takeFloat ? samples.floatT[float] : samples.histogramT[histogram];
    isHistogram[i] = takeFloat ? 0 : 1;
    index[i] = takeFloat ? float++ : histogram++;
  }
  return { t, index, isHistogram };
}

/** Whether the event happens between entries i - 1 and i. */
type Event = (samples: RangeSamples, timeline: Timeline, i: number) => boolean;

const isChange: Event = (samples, { index, isHistogram }, i) => {
  if (isHistogram[i] !== isHistogram[i - 1]) return true;
  const a = index[i - 1];
  const b = index[i];
  if (isHistogram[i] === 1)
    return !equalHistograms(samples.histograms[b] as Histogram, samples.histograms[a] as Histogram);
  const before = samples.floatV[a];
  const value = samples.floatV[b];
  return before !== value && !(Number.isNaN(before) && Number.isNaN(value));
};

const isReset: Event = (samples, { t, index, isHistogram }, i) => {
  if (isHistogram[i] !== isHistogram[i - 1]) return true;
  const a = index[i - 1];
  const b = index[i];
  const starts = isHistogram[i] === 1 ? samples.histogramSt : samples.floatSt;
  if (starts !== null && isStartTimeReset(starts[a], t[i - 1], starts[b], t[i])) return true;
  if (isHistogram[i] === 1) return detectReset(samples.histograms[b] as Histogram, samples.histograms[a] as Histogram);
  return samples.floatV[b] < samples.floatV[a];
};

function eventKernel(isEvent: Event): RangeKernel {
  return ({ samples, windows }, out) => {
    const timeline = timelineOf(samples);
    const { t } = timeline;
    // eventsUntil[i] counts those between entries 0 and i.
    const eventsUntil = new Int32Array(t.length);
    for (let i = 1; i < t.length; i++) eventsUntil[i] = eventsUntil[i - 1] + (isEvent(samples, timeline, i) ? 1 : 0);
    let begin = 0;
    let end = 0;
    for (let step = 0; step < out.stepCount; step++) {
      const maxT = windowEndMs(windows, step);
      const minT = maxT - windows.rangeMs;
      while (end < t.length && t[end] <= maxT) end++;
      while (begin < end && t[begin] <= minT) begin++;
      if (begin === end || windows.rangeMs === 0) continue;
      // With beforeMs the window is anchored.
      const anchored = windows.beforeMs > 0 && begin > 0 && t[begin - 1] > minT - windows.beforeMs;
      out.setFloat(step, eventsUntil[end - 1] - eventsUntil[anchored ? begin - 1 : begin]);
    }
  };
}

export const changesKernel: RangeKernel = eventKernel(isChange);
export const resetsKernel: RangeKernel = eventKernel(isReset);
