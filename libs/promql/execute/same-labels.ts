/**
 * Series of an answer that have become one by losing their names, with the points of all. A float and a histogram at one time get on: the
 * series has both. Facts: Prometheus promql/engine.go (mergeSeriesWithSameLabelset).
 */
import { Failure } from '../../errors/failure.ts';
import type { Histogram } from '../../model/histogram.ts';
import type { ResultSeries } from '../engine.ts';
import { type NumberingContext, workPerLabels } from './execution-context.ts';
import { LabelNumbers } from './label-numbers.ts';
import { sameLabelset } from './unique-series.ts';

type Points = Omit<ResultSeries, 'labels'>;

const workPerPoint = 10;

/** @throws Failure where series of the same labels have two floats or two histograms at one time */
export function joinSameLabels(context: NumberingContext, series: readonly ResultSeries[]): ResultSeries[] {
  const numbers = new LabelNumbers('all', false, context);
  const byNumber: ResultSeries[][] = [];
  const numberOf = series.map(({ labels }) => {
    context.worked(workPerLabels);
    return numbers.of(labels);
  });
  numbers.end();
  if (numbers.count === series.length) return [...series];
  series.forEach((one, i) => {
    const number = numberOf[i] as number;
    const same = byNumber[number];
    if (same === undefined) byNumber[number] = [one];
    else same.push(one);
  });
  return byNumber.map((same) => {
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
function mergedPoints(context: Pick<NumberingContext, 'worked'>, series: readonly ResultSeries[]): Points {
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
