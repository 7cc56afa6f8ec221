/**
 * Series of an answer that have become one by losing their names, with the points of all. A float and a histogram at one time get on: the
 * series has both. Facts: Prometheus promql/engine.go (mergeSeriesWithSameLabelset).
 */
import { Failure } from '../../errors/failure.ts';
import type { Histogram } from '../../model/histogram.ts';
import type { ResultSeries } from '../engine.ts';
import { type ExecutionContext, workPerLabels } from './execution-context.ts';
import { sameLabelset } from './unique-series.ts';

type Points = Omit<ResultSeries, 'labels'>;

const workPerPoint = 10;

/** @throws Failure where series of the same labels have two floats or two histograms at one time */
export function joinSameLabels(
  context: Pick<ExecutionContext, 'worked'>,
  series: readonly ResultSeries[],
): ResultSeries[] {
  const byKey = new Map<string, ResultSeries[]>();
  for (const one of series) {
    context.worked(workPerLabels);
    const same = byKey.get(one.labels.key);
    if (same === undefined) byKey.set(one.labels.key, [one]);
    else same.push(one);
  }
  return Array.from(byKey.values(), (same) => {
    const [first] = same as [ResultSeries];
    return same.length === 1 ? first : { labels: first.labels, ...mergedPoints(context, same) };
  });
}

interface Point {
  readonly t: number;
  readonly v: number;
  readonly h: Histogram | null;
}

/** Few have several series: what is joined may be made of objects. */
function mergedPoints(context: Pick<ExecutionContext, 'worked'>, series: readonly ResultSeries[]): Points {
  const points: Point[] = [];
  for (const { t, v, h } of series) {
    context.worked(workPerPoint * t.length);
    for (let i = 0; i < t.length; i++) points.push({ t: t[i] as number, v: v[i] as number, h: h?.[i] ?? null });
  }
  // In order of time, of one time the float first.
  points.sort((a, b) => {
    context.worked(1);
    return a.t - b.t || Number(a.h !== null) - Number(b.h !== null);
  });
  for (let i = 1; i < points.length; i++) {
    const [a, b] = [points[i - 1] as Point, points[i] as Point];
    if (a.t === b.t && (a.h === null) === (b.h === null)) throw new Failure('execution', sameLabelset);
  }
  return {
    t: Float64Array.from(points, ({ t }) => t),
    v: Float64Array.from(points, ({ v }) => v),
    h: points.some(({ h }) => h !== null) ? points.map(({ h }) => h) : null,
  };
}
