/**
 * The histogram_* functions: which numbers of a histogram each of them asks for.
 * Facts: Prometheus promql/functions.go.
 */

import { formatFloatGeneral } from '../../../model/format-float.ts';
import { customBucketsSchema, type Histogram } from '../../../model/histogram.ts';
import { allBuckets } from '../../../model/histogram-buckets.ts';
import { type Annotations, type Place, words } from '../annotations.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { ColumnChange } from '../series-map.ts';
import { PointKind } from '../step-column.ts';
import type { HistogramNumber } from './histogram-units.ts';
import { histogramFraction, histogramQuantile } from './native-quantile.ts';
import { CompensatedSum } from './over-time.ts';

/** Functions of a native histogram alone; floats have no place in them. */
export const histogramFunctions: ReadonlyMap<string, (h: Histogram) => number> = new Map([
  ['histogram_count', (h: Histogram) => h.count],
  ['histogram_sum', (h: Histogram) => h.sum],
  ['histogram_avg', (h: Histogram) => h.sum / h.count],
  ['histogram_stdvar', variance],
  ['histogram_stddev', (h: Histogram) => Math.sqrt(variance(h))],
]);

/** Estimated from the middles of the buckets: arithmetic for custom ones, geometric for exponential ones, 0 around zero. */
function variance(h: Histogram): number {
  const mean = h.sum / h.count;
  const total = new CompensatedSum();
  for (const { lower, upper, count } of allBuckets(h)) {
    if (count === 0) continue;
    let middle: number;
    if (h.schema === customBucketsSchema) middle = (upper + lower) / 2;
    else if (lower <= 0 && upper >= 0) middle = 0;
    else middle = Math.sqrt(upper * lower) * (upper < 0 ? -1 : 1);
    const delta = middle - mean;
    total.add(count * delta * delta);
  }
  return (total.sum + total.lost) / h.count;
}

/** How much more work a histogram is than a float. */
const workPerHistogram = 50;

/** Applies a function to every histogram. */
export function histogramChange(
  context: Pick<ExecutionContext, 'worked'>,
  apply: (h: Histogram) => number,
): ColumnChange {
  return (column) => {
    for (let step = 0; step < column.stepCount; step++) {
      if (column.kinds[step] === PointKind.histogram) {
        context.worked(workPerHistogram);
        column.setFloat(step, apply(column.histogramAt(step)));
      } else column.remove(step);
    }
  };
}

/** Says which quantiles are none. */
export function noteInvalidQuantiles(qs: Float64Array, annotations: Annotations, place: Place): void {
  for (const q of new Set(qs)) if (!(q >= 0 && q <= 1)) annotations.warn(words.invalidQuantile(q), place);
}

/** One quantile per step. */
export function quantileNumber(qs: Float64Array): HistogramNumber {
  return {
    label: undefined,
    isAt: () => true,
    ofNative: (step, h, notes) => histogramQuantile(qs[step], h, (what) => notes.nan(what)),
    ofClassic: (step, buckets) => buckets.quantile(qs[step]),
  };
}

/** Several quantiles, each a series of its own whose label says which; one that changes from step to step is several series. */
export function quantileNumbers(args: readonly Float64Array[], label: string): HistogramNumber[] {
  return args.flatMap((qs) =>
    [...new Set(qs)].map((q) => ({
      ...quantileNumber(qs),
      label: { name: label, value: formatOpenMetricsFloat(q) },
      isAt: (step: number) => Object.is(qs[step], q) || qs[step] === q,
    })),
  );
}

export function fractionNumber(lowers: Float64Array, uppers: Float64Array): HistogramNumber {
  return {
    label: undefined,
    isAt: () => true,
    ofNative: (step, h, notes) => histogramFraction(lowers[step], uppers[step], h, (what) => notes.nan(what)),
    ofClassic: (step, buckets) => {
      buckets.forced = false;
      return buckets.fraction(lowers[step], uppers[step]);
    },
  };
}

/** A float as OpenMetrics writes it: always with a point or an exponent. */
function formatOpenMetricsFloat(value: number): string {
  const text = formatFloatGeneral(value);
  return /[e.]/.test(text) || !Number.isFinite(value) ? text : `${text}.0`;
}
