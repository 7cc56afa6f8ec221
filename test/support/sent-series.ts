/** Pieces of the series that tests send: labels, float samples, small native histograms. */
import type { SentHistogram, SentLabels, SentSample } from './remote-write-messages.ts';

/** Labels with the metric's name first. */
export function metric(name: string, ...labels: SentLabels): SentLabels {
  return [['__name__', name], ...labels];
}

/** `count` observations in two buckets. */
export function integerHistogram(t: number, count: number): SentHistogram {
  return {
    t,
    kind: 'integer',
    count,
    sum: count * 1.5,
    schema: 0,
    positiveSpans: [
      [0, 1],
      [1, 1],
    ],
    positive: [1, count - 2],
  };
}

/** `count` observations in one bucket. */
export function floatHistogram(t: number, count: number): SentHistogram {
  return { t, kind: 'float', count, sum: count * 1.5, schema: 3, positiveSpans: [[-2, 1]], positive: [count] };
}

/** Float samples by their distance to `now` in seconds. */
export function samplesAt(now: number, ...samples: readonly (readonly [number, number])[]): SentSample[] {
  return samples.map(([offsetSeconds, v]) => ({ t: now + offsetSeconds * 1000, v }));
}
