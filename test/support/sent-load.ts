/**
 * A load command of a PromQL test script as remote_write messages, in order of time.
 * Owns how samples are put into requests: some points in time together, but never two kinds of sample of one series in one, since a
 * request says nothing about the order of floats and histograms. A staleness marker behind a histogram is a histogram, as Prometheus
 * sends it.
 */
import type { Histogram } from '../../libs/model/histogram.ts';
import type { Labels } from '../../libs/model/labels.ts';
import { convertClassicHistograms } from '../../libs/promql/testing/classic-to-custom.ts';
import type { LoadCommand } from '../../libs/promql/testing/parse-script.ts';
import type { SentHistogram, SentSample, SentSeries } from './remote-write-messages.ts';
import { staleMarker } from './remote-write-messages.ts';

const timesPerRequest = 50;

/** One sample of one series; exactly one of the two is there. */
interface Sent {
  readonly key: string;
  readonly labels: Labels;
  readonly t: number;
  readonly float?: SentSample;
  readonly histogram?: SentHistogram;
}

/** The requests that store what the command loads. */
export function requestsOfLoad(command: LoadCommand): SentSeries[][] {
  const byTime = new Map<number, Sent[]>();
  for (const sent of samplesOf(command)) {
    const sameTime = byTime.get(sent.t);
    if (sameTime === undefined) byTime.set(sent.t, [sent]);
    else sameTime.push(sent);
  }
  const requests: SentSeries[][] = [];
  let kinds = new Map<string, boolean>();
  let waiting: Sent[] = [];
  let times = 0;
  const flush = () => {
    if (waiting.length > 0) requests.push(seriesOf(waiting));
    kinds = new Map();
    waiting = [];
    times = 0;
  };
  for (const [, sameTime] of [...byTime].sort(([a], [b]) => a - b)) {
    const changes = sameTime.some(({ key, float }) => kinds.get(key) === (float === undefined));
    if (changes || times === timesPerRequest) flush();
    for (const { key, float } of sameTime) kinds.set(key, float !== undefined);
    waiting.push(...sameTime);
    times++;
  }
  flush();
  return requests;
}

function* samplesOf({ series, stepMs, withCustomBuckets }: LoadCommand): Generator<Sent> {
  for (const { labels, values, startOffsetsMs } of series) {
    let afterHistogram = false;
    for (const [i, value] of values.entries()) {
      if (value.kind === 'omitted') continue;
      const t = i * stepMs;
      const offset = startOffsetsMs?.[i];
      const at = { t, ...(offset === undefined ? {} : { st: t + offset }) };
      const of = { key: labels.key, labels, t };
      if (value.kind === 'histogram') {
        afterHistogram = true;
        yield { ...of, histogram: { ...at, ...sentHistogram(value.histogram) } };
      } else if (value.stale && afterHistogram) {
        yield { ...of, histogram: { ...at, kind: 'integer', count: 0, sum: staleMarker, schema: 0 } };
      } else {
        afterHistogram = false;
        yield { ...of, float: { ...at, v: value.stale ? staleMarker : value.value } };
      }
    }
  }
  if (!withCustomBuckets) return;
  for (const { labels, samples } of convertClassicHistograms(series, stepMs)) {
    for (const { t, histogram } of samples) {
      yield { key: labels.key, labels, t, histogram: { t, ...sentHistogram(histogram) } };
    }
  }
}

function seriesOf(samples: readonly Sent[]): SentSeries[] {
  const bySeries = new Map<string, Sent[]>();
  for (const sent of samples) {
    const own = bySeries.get(sent.key);
    if (own === undefined) bySeries.set(sent.key, [sent]);
    else own.push(sent);
  }
  return [...bySeries.values()].map((own) => {
    const { pairs } = own[0].labels;
    const labels: [string, string][] = [];
    for (let i = 0; i < pairs.length; i += 2) labels.push([pairs[i], pairs[i + 1]]);
    return {
      labels,
      samples: own.flatMap(({ float }) => float ?? []),
      histograms: own.flatMap(({ histogram }) => histogram ?? []),
    };
  });
}

/** The histogram as a sender would write it, without its times. */
function sentHistogram(h: Histogram): Omit<SentHistogram, 't'> {
  return {
    kind: h.integer ? 'integer' : 'float',
    count: h.count,
    sum: h.stale ? staleMarker : h.sum,
    schema: h.schema,
    zeroThreshold: h.zeroThreshold,
    zeroCount: h.zeroCount,
    positiveSpans: pairsOf(h.positiveSpans),
    negativeSpans: pairsOf(h.negativeSpans),
    positive: h.integer ? deltas(h.positiveBuckets) : [...h.positiveBuckets],
    negative: h.integer ? deltas(h.negativeBuckets) : [...h.negativeBuckets],
    customValues: [...h.customValues],
    resetHint: h.resetHint,
  };
}

function pairsOf(spans: Int32Array): [number, number][] {
  return Array.from({ length: spans.length / 2 }, (_, i) => [spans[2 * i], spans[2 * i + 1]]);
}

function deltas(counts: Float64Array): number[] {
  return Array.from(counts, (count, i) => count - (i === 0 ? 0 : counts[i - 1]));
}
