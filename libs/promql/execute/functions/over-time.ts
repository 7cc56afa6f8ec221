/**
 * The *_over_time family over floats, with counts and presence: what a window comes to as one number.
 * Owns the float side and the choice by kind; histograms are over-time-histogram.ts. Sums are compensated (Neumaier) as in Prometheus,
 * in its order, so they begin anew with each window; counts, ends, minima and maxima pass each sample once.
 * Facts: Prometheus promql/functions.go.
 */
import type { Histogram } from '../../../model/histogram.ts';
import { quantileOfSorted, sortNumbers } from '../quantile.ts';
import { SortedWindow } from '../sorted-window.ts';
import type { StepColumn } from '../step-column.ts';
import { averageHistogram, sumHistograms } from './over-time-histogram.ts';
import type { KernelInput, RangeKernel } from './range-function.ts';

/** How much more work a histogram is than a float. */
const workPerHistogram = 20;

/** Floats v[begin, end) to a number; begin < end. */
type FloatReduce = (
  v: Float64Array,
  begin: number,
  end: number,
  t: Float64Array,
  worked: (samples: number) => void,
) => number;

/** The sum of v[begin, end), compensated; an infinite one forgets what was lost. */
function compensatedSum(v: Float64Array, begin: number, end: number): number {
  let sum = 0;
  let lost = 0;
  for (let i = begin; i < end; i++) {
    const term = v[i];
    const total = sum + term;
    if (Math.abs(sum) >= Math.abs(term)) lost += sum - total + term;
    else lost += term - total + sum;
    sum = total;
  }
  // A sum that was infinite once is so at the end, or NaN.
  return sum === Number.POSITIVE_INFINITY || sum === Number.NEGATIVE_INFINITY ? sum : sum + lost;
}

/** A running sum with what rounding took from it (Neumaier); an infinite sum forgets that. */
export class CompensatedSum {
  sum = 0;
  lost = 0;

  add(term: number): void {
    const total = this.sum + term;
    if (total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY) this.lost = 0;
    else if (Math.abs(this.sum) >= Math.abs(term)) this.lost += this.sum - total + term;
    else this.lost += term - total + this.sum;
    this.sum = total;
  }
}

/** Mean of v[begin, end): the compensated sum by the count, and step by step from where that would overflow. */
function average(v: Float64Array, begin: number, end: number): number {
  let sum = v[begin];
  let lost = 0;
  for (let i = begin + 1; i < end; i++) {
    const term = v[i];
    const total = sum + term;
    if (Math.abs(sum) >= Math.abs(term)) lost += sum - total + term;
    else lost += term - total + sum;
    sum = total;
  }
  // A sum that overflowed on the way is no number at the end.
  if (!Number.isFinite(sum)) return averageWithOverflow(v, begin, end);
  return sum / (end - begin) + lost / (end - begin);
}

/** As average, looking out for the overflow: before it the sum is kept, from there on the mean. */
function averageWithOverflow(v: Float64Array, begin: number, end: number): number {
  const running = new CompensatedSum();
  running.sum = v[begin];
  let isMean = false;
  for (let i = begin + 1; i < end; i++) {
    const count = i - begin + 1;
    if (!isMean) {
      const { sum, lost } = running;
      running.add(v[i]);
      if (running.sum !== Number.POSITIVE_INFINITY && running.sum !== Number.NEGATIVE_INFINITY) continue;
      isMean = true;
      running.sum = sum / (count - 1);
      running.lost = lost / (count - 1);
    }
    const kept = (count - 1) / count;
    running.sum *= kept;
    running.lost *= kept;
    running.add(v[i] / count);
  }
  if (isMean) return running.sum + running.lost;
  return running.sum / (end - begin) + running.lost / (end - begin);
}

function variance(v: Float64Array, begin: number, end: number): number {
  const mean = new CompensatedSum();
  const squares = new CompensatedSum();
  let count = 0;
  for (let i = begin; i < end; i++) {
    count++;
    const delta = v[i] - (mean.sum + mean.lost);
    mean.add(delta / count);
    squares.add(delta * (v[i] - (mean.sum + mean.lost)));
  }
  return (squares.sum + squares.lost) / count;
}

/** Median of the distances from the median. */
function medianDeviation(
  v: Float64Array,
  begin: number,
  end: number,
  _t: Float64Array,
  worked: (samples: number) => void,
): number {
  const values = v.slice(begin, end);
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return Number.NaN;
  sortNumbers(values, worked);
  const median = quantileOfSorted(0.5, values);
  for (let i = 0; i < values.length; i++) values[i] = Math.abs(values[i] - median);
  sortNumbers(values, worked);
  return quantileOfSorted(0.5, values);
}

function timeOfExtreme(isBetter: (value: number, best: number) => boolean): FloatReduce {
  return (v, begin, end, t) => {
    let best = v[begin];
    let at = t[begin];
    for (let i = begin; i < end; i++) {
      if (isBetter(v[i], best) || Number.isNaN(best)) {
        best = v[i];
        at = t[i];
      }
    }
    return at / 1000;
  };
}

/** Histograms beside the floats of a window are ignored, with an info; windows without floats give nothing. */
function ignoringHistograms(reduce: FloatReduce): RangeKernel {
  return ({ samples, bounds, notes, worked }, out) => {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = bounds;
    const { floatV, floatT, histogramCount } = samples;
    for (let step = 0; step < floatBegin.length; step++) {
      const begin = floatBegin[step];
      const end = floatEnd[step];
      if (begin === end) continue;
      if (histogramCount > 0 && histogramBegin[step] < histogramEnd[step]) notes.ignoredHistograms();
      out.setFloat(step, reduce(floatV, begin, end, floatT, worked));
      worked(end - begin);
    }
  };
}

/** Floats or histograms, a mix of both gives nothing, with a warning. */
function eitherKind(
  reduceFloats: FloatReduce,
  reduceHistograms: (input: KernelInput, begin: number, end: number) => Histogram | undefined,
): RangeKernel {
  return (input, out) => {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = input.bounds;
    const { floatV, floatT, histogramCount } = input.samples;
    for (let step = 0; step < floatBegin.length; step++) {
      const begin = floatBegin[step];
      const end = floatEnd[step];
      const hasHistograms = histogramCount > 0 && histogramBegin[step] < histogramEnd[step];
      if (begin < end) {
        if (hasHistograms) input.notes.mixedFloatsHistograms();
        else out.setFloat(step, reduceFloats(floatV, begin, end, floatT, input.worked));
      } else if (hasHistograms) {
        const histogram = reduceHistograms(input, histogramBegin[step], histogramEnd[step]);
        if (histogram !== undefined) out.setHistogram(step, histogram);
      }
      input.worked(end - begin + workPerHistogram * (histogramEnd[step] - histogramBegin[step]));
    }
  };
}

/** A number for every window that has a sample of either kind. */
function eachWindow(numberOf: (input: KernelInput, step: number) => number): RangeKernel {
  return (input, out) => {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = input.bounds;
    for (let step = 0; step < floatBegin.length; step++) {
      if (floatBegin[step] < floatEnd[step] || histogramBegin[step] < histogramEnd[step]) {
        out.setFloat(step, numberOf(input, step));
      }
    }
  };
}

/** Largest (or smallest) value of each window, with a queue of those that may still become it. NaN only where all are. */
function extremes(sign: 1 | -1): RangeKernel {
  return ({ samples, bounds, notes }, out) => {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = bounds;
    const { floatV, histogramCount } = samples;
    const queue = new Int32Array(samples.floatCount);
    let head = 0;
    let tail = 0;
    let next = 0;
    for (let step = 0; step < floatBegin.length; step++) {
      const begin = floatBegin[step];
      const end = floatEnd[step];
      if (next < begin) next = begin;
      for (; next < end; next++) {
        const value = sign * floatV[next];
        if (Number.isNaN(value)) continue;
        // An equal one stays before: of 0 and -0 the earlier counts.
        while (tail > head && sign * floatV[queue[tail - 1]] < value) tail--;
        queue[tail++] = next;
      }
      if (begin === end) continue;
      while (head < tail && queue[head] < begin) head++;
      if (histogramCount > 0 && histogramBegin[step] < histogramEnd[step]) notes.ignoredHistograms();
      out.setFloat(step, head < tail ? floatV[queue[head]] : Number.NaN);
    }
  };
}

/** First or last sample of each window, whatever its kind. */
function windowEndpoint(which: 'first' | 'last'): RangeKernel {
  return ({ samples, bounds }, out) => {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = bounds;
    for (let step = 0; step < floatBegin.length; step++) {
      const hasFloat = floatBegin[step] < floatEnd[step];
      const hasHistogram = histogramBegin[step] < histogramEnd[step];
      const float = which === 'first' ? floatBegin[step] : floatEnd[step] - 1;
      const histogram = which === 'first' ? histogramBegin[step] : histogramEnd[step] - 1;
      const order = hasFloat && hasHistogram ? samples.floatT[float] - samples.histogramT[histogram] : 0;
      const floatIsIt = which === 'first' ? order < 0 : order > 0;
      if (hasFloat && (!hasHistogram || floatIsIt)) out.setFloat(step, samples.floatV[float]);
      else if (hasHistogram) out.setHistogram(step, samples.histograms[histogram] as Histogram);
    }
  };
}

function timeOfEndpoint(which: 'first' | 'last'): RangeKernel {
  return eachWindow(({ samples, bounds }, step) => {
    const hasFloat = bounds.floatBegin[step] < bounds.floatEnd[step];
    const hasHistogram = bounds.histogramBegin[step] < bounds.histogramEnd[step];
    const floatIndex = which === 'first' ? bounds.floatBegin[step] : bounds.floatEnd[step] - 1;
    const histogramIndex = which === 'first' ? bounds.histogramBegin[step] : bounds.histogramEnd[step] - 1;
    const none = which === 'first' ? Number.POSITIVE_INFINITY : 0;
    const floatT = hasFloat ? samples.floatT[floatIndex] : none;
    const histogramT = hasHistogram ? samples.histogramT[histogramIndex] : none;
    return (which === 'first' ? Math.min(floatT, histogramT) : Math.max(floatT, histogramT)) / 1000;
  });
}

function quantiles({ samples, bounds, scalars, notes, worked }: KernelInput, out: StepColumn): void {
  const { floatBegin, floatEnd, histogramBegin, histogramEnd } = bounds;
  const qs = scalars[0] as Float64Array;
  const window = new SortedWindow(worked);
  for (let step = 0; step < floatBegin.length; step++) {
    if (floatBegin[step] === floatEnd[step]) continue;
    const q = qs[step];
    if (!(q >= 0 && q <= 1)) notes.invalidQuantile(q);
    if (histogramBegin[step] < histogramEnd[step]) notes.ignoredHistograms();
    const values = window.move(samples.floatV, floatBegin[step], floatEnd[step]);
    out.setFloat(step, quantileOfSorted(q, values));
    worked(values.length);
  }
}

/** absent_over_time needs only where there are samples; the rest is absent.ts. */
const present = eachWindow(() => 1);

/** Kernels by function name. */
export const overTimeKernels: ReadonlyMap<string, RangeKernel> = new Map<string, RangeKernel>([
  ['avg_over_time', eitherKind(average, (input, begin, end) => averageHistogram(input, begin, end))],
  ['sum_over_time', eitherKind(compensatedSum, (input, begin, end) => sumHistograms(input, begin, end))],
  [
    'count_over_time',
    eachWindow(
      ({ bounds }, step) =>
        bounds.floatEnd[step] - bounds.floatBegin[step] + (bounds.histogramEnd[step] - bounds.histogramBegin[step]),
    ),
  ],
  ['max_over_time', extremes(1)],
  ['min_over_time', extremes(-1)],
  ['stdvar_over_time', ignoringHistograms(variance)],
  ['stddev_over_time', ignoringHistograms((v, begin, end) => Math.sqrt(variance(v, begin, end)))],
  ['mad_over_time', ignoringHistograms(medianDeviation)],
  ['quantile_over_time', quantiles],
  ['present_over_time', present],
  ['absent_over_time', present],
  ['first_over_time', windowEndpoint('first')],
  ['last_over_time', windowEndpoint('last')],
  ['ts_of_first_over_time', timeOfEndpoint('first')],
  ['ts_of_last_over_time', timeOfEndpoint('last')],
  ['ts_of_max_over_time', ignoringHistograms(timeOfExtreme((value, best) => value >= best))],
  ['ts_of_min_over_time', ignoringHistograms(timeOfExtreme((value, best) => value <= best))],
]);
