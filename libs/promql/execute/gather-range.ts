/**
 * A range vector as the answer of an instant query: the samples of the one window, as they are.
 * Anchored and smoothed windows get a point at each end. Facts: Prometheus promql/engine.go (matrixSelector, extendFloats).
 */
import { Failure } from '../../errors/failure.ts';
import type { Histogram } from '../../model/histogram.ts';
import type { ResultSeries } from '../engine.ts';
import type { PlanNode } from '../plan/logical-plan.ts';
import type { OperatorBuilder } from './build-operators.ts';
import { type ExecutionContext, histogramBytes, histogramSamples } from './execution-context.ts';
import { extendedWindow, windowEdges } from './functions/extended-rate.ts';
import { type RangeWindows, windowEndMs } from './operator.ts';
import { joinSameLabels } from './same-labels.ts';
import { type RangeSamples, unpackSamples, WindowBounds } from './scan/range-samples.ts';
import { dropMetadata } from './series-labels.ts';

/** The windows' samples, unsorted; series without any are left out. The builder's grid has one step. */
export function gatherRange(context: ExecutionContext, builder: OperatorBuilder, plan: PlanNode): ResultSeries[] {
  const node = plan.kind === 'stepInvariant' ? plan.expr : plan;
  const source = builder.range(node);
  const bounds = new WindowBounds(1);
  const result: ResultSeries[] = [];
  for (const { labels, dropName } of source.series()) {
    const samples = source.next();
    unpackSamples(samples);
    bounds.place(samples, source.windows);
    const points = pointsOf(context, samples, bounds, source.windows, node);
    if (points.t.length === 0) continue;
    // The points of a subquery are held already, by what it is made of.
    if (node.kind === 'matrixSelector') context.holdSamples(points.t.length);
    context.takeMemory(16 * points.t.length + histogramBytes(points.h));
    const size = points.h === null ? points.t.length : sizeOf(points.h);
    context.counts.addAt(0, size, node.kind === 'matrixSelector' ? size : 0);
    result.push({ labels: dropName ? dropMetadata(labels) : labels, ...points });
  }
  source.done();
  return joinSameLabels(context, result);
}

/** Samples that the points count for. */
function sizeOf(histograms: NonNullable<ResultSeries['h']>): number {
  let size = 0;
  for (const histogram of histograms) size += histogram === null ? 1 : histogramSamples(histogram);
  return size;
}

type Points = Omit<ResultSeries, 'labels'>;

function pointsOf(
  { slabs }: ExecutionContext,
  samples: RangeSamples,
  bounds: WindowBounds,
  windows: RangeWindows,
  node: PlanNode,
): Points {
  const floatBegin = bounds.floatBegin[0];
  const floatEnd = bounds.floatEnd[0];
  const histogramBegin = bounds.histogramBegin[0];
  const histogramEnd = samples.histogramCount === 0 ? histogramBegin : bounds.histogramEnd[0];
  const extension = node.kind === 'matrixSelector' && (node.selector.anchored || node.selector.smoothed);
  if (extension) {
    if (histogramBegin < histogramEnd) {
      const modifier = node.selector.anchored ? 'anchored' : 'smoothed';
      throw new Failure('execution', `${modifier} modifier is not supported with histograms`);
    }
    return extended(samples, floatBegin, floatEnd, windows);
  }
  const count = floatEnd - floatBegin + (histogramEnd - histogramBegin);
  const t = slabs.floats(count);
  const v = slabs.floats(count);
  const h: (Histogram | null)[] | null = histogramBegin < histogramEnd ? [] : null;
  let float = floatBegin;
  let histogram = histogramBegin;
  for (let row = 0; row < count; row++) {
    const takeFloat =
      histogram >= histogramEnd || (float < floatEnd && samples.floatT[float] < samples.histogramT[histogram]);
    t[row] = takeFloat ? samples.floatT[float] : samples.histogramT[histogram];
    if (takeFloat) v[row] = samples.floatV[float];
    h?.push(takeFloat ? null : (samples.histograms[histogram] as Histogram));
    if (takeFloat) float++;
    else histogram++;
  }
  return { t, v, h };
}

function extended({ floatT, floatV }: RangeSamples, begin: number, end: number, windows: RangeWindows): Points {
  const none = { t: new Float64Array(0), v: new Float64Array(0), h: null };
  if (begin === end) return none;
  const windowEnd = windowEndMs(windows, 0);
  const windowBegin = windowEnd - windows.rangeMs;
  const smoothed = windows.afterMs > 0;
  const window = extendedWindow(floatT, begin, end, windowBegin, windowEnd, smoothed);
  if (window === undefined) return none;
  const { left, right } = windowEdges(floatT, floatV, begin, window, smoothed, false);
  const from = floatT[window.first] <= windowBegin ? window.first + 1 : window.first;
  const to = floatT[window.last] >= windowEnd ? window.last : window.last + 1;
  return {
    t: Float64Array.of(windowBegin, ...floatT.subarray(from, Math.max(from, to)), windowEnd),
    v: Float64Array.of(left, ...floatV.subarray(from, Math.max(from, to)), right),
    h: null,
  };
}
