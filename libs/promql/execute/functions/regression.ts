/**
 * deriv, predict_linear and double_exponential_smoothing: a line, or a smoothed curve, through the floats of a window.
 * The sums of the regression are compensated as in Prometheus promql/functions.go (linearRegression).
 */
import { Failure } from '../../../errors/failure.ts';
import { formatFloatSixPlaces } from '../../../model/format-float.ts';
import { CompensatedSum } from './over-time.ts';
import type { KernelInput, RangeKernel } from './range-function.ts';

/** Slope per second and value at `interceptMs` of the line through samples [begin, end). */
function fitLine(
  t: Float64Array,
  v: Float64Array,
  begin: number,
  end: number,
  interceptMs: number,
): { readonly slope: number; readonly intercept: number } {
  const first = v[begin];
  const sumX = new CompensatedSum();
  const sumY = new CompensatedSum();
  const sumXY = new CompensatedSum();
  const sumXX = new CompensatedSum();
  let constant = true;
  for (let i = begin; i < end; i++) {
    const y = v[i];
    if (y !== first && i > begin) constant = false;
    const x = (t[i] - interceptMs) / 1000;
    sumX.add(x);
    sumY.add(y);
    sumXY.add(x * y);
    sumXX.add(x * x);
  }
  if (constant) {
    const infinite = first === Number.POSITIVE_INFINITY || first === Number.NEGATIVE_INFINITY;
    return infinite ? { slope: Number.NaN, intercept: Number.NaN } : { slope: 0, intercept: first };
  }
  const n = end - begin;
  const x = sumX.sum + sumX.lost;
  const y = sumY.sum + sumY.lost;
  const covariance = sumXY.sum + sumXY.lost - (x * y) / n;
  const variance = sumXX.sum + sumXX.lost - (x * x) / n;
  const slope = covariance / variance;
  return { slope, intercept: y / n - (slope * x) / n };
}

/** A number for every window with two floats; histograms beside floats are ignored with an info. */
function ofTwoFloats(numberOf: (input: KernelInput, begin: number, end: number, step: number) => number): RangeKernel {
  return (input, out) => {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = input.bounds;
    for (let step = 0; step < floatBegin.length; step++) {
      const begin = floatBegin[step];
      const end = floatEnd[step];
      if (end > begin && histogramBegin[step] < histogramEnd[step]) input.notes.ignoredHistograms();
      if (end - begin < 2) continue;
      out.setFloat(step, numberOf(input, begin, end, step));
      input.worked(end - begin);
    }
  };
}

export const derivKernel: RangeKernel = ofTwoFloats(
  // An intercept near the samples keeps the numbers small.
  ({ samples }, begin, end) => fitLine(samples.floatT, samples.floatV, begin, end, samples.floatT[begin]).slope,
);

export const predictLinearKernel: RangeKernel = ofTwoFloats(({ samples, windows, scalars }, begin, end, step) => {
  const nowMs = windows.grid.startMs + step * windows.grid.stepMs;
  const { slope, intercept } = fitLine(samples.floatT, samples.floatV, begin, end, nowMs);
  return slope * (scalars[0]?.[step] ?? 0) + intercept;
});

function smoothed({ samples, scalars }: KernelInput, begin: number, end: number, step: number): number {
  const factor = scalars[0]?.[step] ?? 0;
  const trendFactor = scalars[1]?.[step] ?? 0;
  const { floatV } = samples;
  let last = 0;
  let current = floatV[begin];
  let trend = floatV[begin + 1] - floatV[begin];
  for (let i = begin + 1; i < end; i++) {
    const raw = factor * floatV[i];
    if (i > begin + 1) {
      const fromValues = trendFactor * (current - last);
      const fromTrend = (1 - trendFactor) * trend;
      trend = fromValues + fromTrend;
    }
    const smooth = (1 - factor) * (current + trend);
    last = current;
    current = raw + smooth;
  }
  return current;
}

const smoothFloats = ofTwoFloats(smoothed);

/** @throws Failure where a factor is outside of (0, 1) at a step with samples */
export const smoothingKernel: RangeKernel = (input, out) => {
  const { floatBegin, floatEnd, histogramBegin, histogramEnd } = input.bounds;
  for (let step = 0; step < floatBegin.length; step++) {
    if (floatBegin[step] === floatEnd[step] && histogramBegin[step] === histogramEnd[step]) continue;
    checkFactor('smoothing factor. Expected: 0 < sf < 1', input.scalars[0]?.[step] ?? 0);
    checkFactor('trend factor. Expected: 0 < tf < 1', input.scalars[1]?.[step] ?? 0);
  }
  smoothFloats(input, out);
};

function checkFactor(name: string, factor: number): void {
  if (factor <= 0 || factor >= 1) {
    throw new Failure('execution', `invalid ${name}, got: ${formatFloatSixPlaces(factor)}`);
  }
}
