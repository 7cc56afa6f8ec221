/**
 * Series of an answer that have become one by losing their names, with the points of all. A float and a histogram at one time get on: the
 * series has both. Facts: Prometheus promql/engine.go (mergeSeriesWithSameLabelset).
 */
import { Failure } from '../../errors/failure.ts';
import type { Histogram } from '../../model/histogram.ts';
import type { ResultSeries } from '../engine.ts';
import { sameLabelset } from './unique-series.ts';

type Points = Omit<ResultSeries, 'labels'>;

/** @throws Failure where series of the same labels have two floats or two histograms at one time */
export function joinSameLabels(series: readonly ResultSeries[]): ResultSeries[] {
  const byKey = new Map<string, ResultSeries>();
  for (const one of series) {
    const same = byKey.get(one.labels.key);
    byKey.set(one.labels.key, same === undefined ? one : { labels: one.labels, ...mergedPoints(same, one) });
  }
  return [...byKey.values()];
}

function mergedPoints(a: Points, b: Points): Points {
  const count = a.t.length + b.t.length;
  const t = new Float64Array(count);
  const v = new Float64Array(count);
  const h: (Histogram | null)[] = [];
  let inA = 0;
  let inB = 0;
  for (let row = 0; row < count; row++) {
    const takeA = inB === b.t.length || (inA < a.t.length && a.t[inA] <= b.t[inB]);
    const from = takeA ? a : b;
    const at = takeA ? inA++ : inB++;
    t[row] = from.t[at];
    v[row] = from.v[at];
    h.push(from.h?.[at] ?? null);
    for (let earlier = row - 1; earlier >= 0 && t[earlier] === t[row]; earlier--) {
      if ((h[earlier] === null) === (h[row] === null)) throw new Failure('execution', sameLabelset);
    }
  }
  return { t, v, h: a.h === null && b.h === null ? null : h };
}
