/**
 * Classic histograms (series with `_bucket`, `_count`, `_sum`) as native ones with custom buckets: what `load_with_nhcb` adds.
 * Owns the conversion. Facts: Prometheus util/convertnhcb. Of equal bounds the first counts; samples that are histograms already
 * are left out.
 */
import { Failure } from '../../errors/failure.ts';
import { customBucketsSchema, type Histogram, ResetHint } from '../../model/histogram.ts';
import { compactHistogram } from '../../model/histogram-arithmetic.ts';
import { Labels, metricName } from '../../model/labels.ts';
import { parseNumber } from '../syntax/literals.ts';
import type { LoadedSeries } from './parse-script.ts';

interface HistogramSample {
  readonly t: number;
  readonly histogram: Histogram;
}

interface HistogramSeries {
  readonly labels: Labels;
  /** In order of time. */
  readonly samples: readonly HistogramSample[];
}

/** What the classic series say about one point in time. */
interface Parts {
  /** Cumulative counts by upper bound. */
  readonly buckets: Map<number, number>;
  count: number | undefined;
  sum: number;
}

/** @throws Failure bad_data where the buckets of one point in time contradict each other */
export function convertClassicHistograms(loaded: readonly LoadedSeries[], stepMs: number): HistogramSeries[] {
  const byKey = new Map<string, { labels: Labels; byTime: Map<number, Parts> }>();
  for (const { labels, values } of loaded) {
    const match = /^(.*)_(bucket|sum|count)$/s.exec(labels.get(metricName));
    if (match === null) continue;
    const [, name, suffix] = match;
    const bound = suffix === 'bucket' ? parseBound(labels.get('le')) : 0;
    if (Number.isNaN(bound)) continue;
    const base = baseLabels(labels, name);
    const entry = byKey.get(base.key) ?? { labels: base, byTime: new Map<number, Parts>() };
    byKey.set(base.key, entry);
    values.forEach((value, i) => {
      if (value.kind !== 'float') return;
      const t = i * stepMs;
      const parts = entry.byTime.get(t) ?? { buckets: new Map<number, number>(), count: undefined, sum: 0 };
      entry.byTime.set(t, parts);
      if (suffix === 'sum') parts.sum = value.value;
      else if (suffix === 'count') parts.count = value.value;
      else if (!parts.buckets.has(bound)) parts.buckets.set(bound, value.value);
    });
  }
  return [...byKey.values()].map(({ labels, byTime }) => ({
    labels,
    samples: [...byTime].sort(([a], [b]) => a - b).map(([t, parts]) => ({ t, histogram: convert(parts) })),
  }));
}

/** NaN where it is no bound. */
function parseBound(text: string): number {
  const value = parseNumber(text.replace(/^[+-]/, ''));
  if (typeof value !== 'number') return Number.NaN;
  return text.startsWith('-') ? -value : value;
}

function baseLabels(labels: Labels, name: string): Labels {
  const entries: [string, string][] = [[metricName, name]];
  for (let i = 0; i < labels.pairs.length; i += 2) {
    const label = labels.pairs[i];
    if (label !== metricName && label !== 'le') entries.push([label, labels.pairs[i + 1]]);
  }
  return Labels.from(entries);
}

function convert({ buckets, count, sum }: Parts): Histogram {
  const bounds = [...buckets].sort(([a], [b]) => a - b);
  const total = count ?? bounds.at(-1)?.[1] ?? 0;
  if (bounds.at(-1)?.[0] !== Number.POSITIVE_INFINITY) bounds.push([Number.POSITIVE_INFINITY, total]);
  let before = 0;
  const counts = bounds.map(([, cumulative]) => {
    const own = cumulative - before;
    before = cumulative;
    return own;
  });
  if (counts.some((own) => own < 0)) throw new Failure('bad_data', 'count is not cumulative');
  if (before !== total) throw new Failure('bad_data', 'count mismatch');
  return compactHistogram({
    integer: false,
    resetHint: ResetHint.unknown,
    schema: customBucketsSchema,
    zeroThreshold: 0,
    zeroCount: 0,
    count: total,
    sum,
    positiveSpans: Int32Array.of(0, bounds.length),
    negativeSpans: new Int32Array(0),
    positiveBuckets: Float64Array.from(counts),
    negativeBuckets: new Float64Array(0),
    customValues: Float64Array.from(bounds.slice(0, -1), ([bound]) => bound),
    stale: false,
  });
}
