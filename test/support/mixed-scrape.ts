/**
 * Series of every kind that a block can hold, scrape by scrape, and questions about them on which two servers agree to the bit.
 */
import type { SentHistogram, SentSeries } from './remote-write-messages.ts';

function histogramAt(t: number, i: number, kind: 'integer' | 'float', st: number): SentHistogram {
  const scale = kind === 'integer' ? 1 : 0.5;
  const grown = i % 97;
  return {
    t,
    st,
    kind,
    count: (2 * grown + 4) * scale,
    sum: grown / 4,
    schema: 1,
    zeroThreshold: 1e-9,
    zeroCount: 1 * scale,
    positiveSpans: [
      [0, 1],
      [2, 1],
    ],
    positive: kind === 'integer' ? [grown + 1, 1] : [(grown + 1) * scale, (grown + 2) * scale],
  };
}

/** One scrape: sample i of every series at time t. With start times, where `st` is not 0. */
export function mixedScrape(t: number, i: number, st: number): SentSeries[] {
  const labelsOf = (name: string, n: number) =>
    [
      ['__name__', name],
      ['n', `${n}`],
    ] as const;
  return [
    ...Array.from({ length: 5 }, (_, n) => ({
      labels: labelsOf('counter_total', n),
      samples: [{ t, v: (i % 200) * (n + 1), st }],
    })),
    ...Array.from({ length: 5 }, (_, n) => ({ labels: labelsOf('gauge', n), samples: [{ t, v: Math.sin(i + n) }] })),
    { labels: labelsOf('integer_histogram', 0), histograms: [histogramAt(t, i, 'integer', st)] },
    { labels: labelsOf('float_histogram', 0), histograms: [histogramAt(t, i, 'float', st)] },
  ];
}

/** Range queries over these series. */
export const mixedQueries: readonly string[] = [
  'counter_total',
  'gauge',
  'rate(counter_total[3m])',
  'increase(counter_total{n="1"}[5m])',
  'sum by (n) (counter_total)',
  'resets(counter_total[20m])',
  'count_over_time(gauge[7m])',
  'integer_histogram',
  'float_histogram',
  'rate(integer_histogram[4m])',
  'histogram_quantile(0.9, rate(float_histogram[4m]))',
  'histogram_count(increase(integer_histogram[10m]))',
  'count_over_time(float_histogram[7m])',
];
