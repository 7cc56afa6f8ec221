/**
 * Lists of several replicas as one: everything once, in the API's order, cut to the asked limit.
 * Owns what makes two entries the same one.
 */
import type { CountedName, HeadStatus } from '../../libs/contracts/ingester.ts';
import { compareLabels, compareUtf8, type Labels } from '../../libs/model/labels.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import { cutListed, unitedWarnings } from '../../libs/series/listed.ts';
import type { ExemplarSeries, Listed } from '../../libs/series/series-source.ts';

/** Series by their labels, the exemplars of each by time. */
export function mergeExemplars(lists: readonly Listed<ExemplarSeries>[]): Listed<ExemplarSeries> {
  const bySeries = new Map<string, { labels: Labels; byKey: Map<string, ExemplarSeries['exemplars'][number]> }>();
  for (const { values } of lists) {
    for (const { labels, exemplars } of values) {
      const known = bySeries.get(labels.key) ?? { labels, byKey: new Map() };
      bySeries.set(labels.key, known);
      for (const one of exemplars) known.byKey.set(`${one.timestampMs} ${one.value} ${one.labels.key}`, one);
    }
  }
  const series = [...bySeries.values()].sort((a, b) => compareLabels(a.labels, b.labels));
  const values = series.map(({ labels, byKey }) => ({
    labels,
    exemplars: [...byKey.values()].sort((a, b) => a.timestampMs - b.timestampMs),
  }));
  return { values, warnings: unitedWarnings(lists) };
}

/** All that is said of so many metrics. Limits of 0 or less: none. */
export function mergeMetadata(
  lists: readonly Listed<MetricMetadata>[],
  limit: number,
  limitPerMetric: number,
): Listed<MetricMetadata> {
  const byMetric = new Map<string, Map<string, MetricMetadata>>();
  for (const { values } of lists) {
    for (const entry of values) {
      const known = byMetric.get(entry.metric) ?? new Map<string, MetricMetadata>();
      byMetric.set(entry.metric, known);
      known.set(JSON.stringify([entry.type, entry.unit, entry.help]), entry);
    }
  }
  const metrics = cutListed([...byMetric.values()], [], Math.max(0, limit)).values;
  const values = metrics.flatMap((entries) => cutListed([...entries.values()], [], Math.max(0, limitPerMetric)).values);
  return { values, warnings: unitedWarnings(lists) };
}

/** @param replicas of each partition */
export function mergeStatuses(replicas: readonly (readonly HeadStatus[])[], countMax: number): HeadStatus {
  const statuses = replicas.flatMap((own) => own.toSorted((a, b) => b.series - a.series).slice(0, 1));
  const [only] = statuses;
  if (statuses.length === 1 && only !== undefined) return only;
  const sum = (read: (status: HeadStatus) => number): number => statuses.reduce((total, one) => total + read(one), 0);
  const ranked = (read: (status: HeadStatus) => readonly CountedName[], join: (a: number, b: number) => number) => {
    const counts = new Map<string, number>();
    for (const { name, count } of statuses.flatMap(read)) counts.set(name, join(counts.get(name) ?? 0, count));
    const entries = [...counts].map(([name, count]) => ({ name, count }));
    return entries.sort((a, b) => b.count - a.count || compareUtf8(a.name, b.name)).slice(0, countMax);
  };
  const times = (read: (status: HeadStatus) => number | undefined): number[] =>
    statuses.map(read).filter((t) => t !== undefined);
  const added = (a: number, b: number): number => a + b;
  return {
    series: sum(({ series }) => series),
    labelPairs: sum(({ labelPairs }) => labelPairs),
    chunks: sum(({ chunks }) => chunks),
    minT: times(({ minT }) => minT).toSorted((a, b) => a - b)[0],
    maxT: times(({ maxT }) => maxT).toSorted((a, b) => b - a)[0],
    seriesByMetric: ranked(({ seriesByMetric }) => seriesByMetric, added),
    valuesByLabel: ranked(({ valuesByLabel }) => valuesByLabel, Math.max),
    bytesByLabel: ranked(({ bytesByLabel }) => bytesByLabel, added),
    seriesByPair: ranked(({ seriesByPair }) => seriesByPair, added),
  };
}
