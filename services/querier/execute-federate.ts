/**
 * Federation in its worker: the newest sample of every series, by name, in families.
 * Owns which sample counts (the newest within the lookback, unless it is a staleness marker) and the order. Does not own the form
 * (exposition-format.ts). Facts: Prometheus 3.15 web/federate.go.
 */
import { compareLabels, compareUtf8, type Labels, metricName } from '../../libs/model/labels.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import { isStaleNaN } from '../../libs/model/stale.ts';
import { histogramBytes, type QueryLimits } from '../../libs/promql/execute/execution-context.ts';
import type { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import { SeriesDecoder } from '../../libs/series/decode-series.ts';
import { labelsAt } from '../../libs/series/labels-at.ts';
import type { SeriesReader } from '../../libs/series/series-reader.ts';
import { seriesCountOf } from '../../libs/series/series-source.ts';
import { ProtobufWriter } from '../../libs/wire/protobuf-writer.ts';
import { checkMemory } from './answer-memory.ts';
import type { ExpositionForm } from './exposition-form.ts';
import { type ExposedSample, familyKindOf, familyText, isTextual, writeFamily } from './exposition-format.ts';

export interface FederateJob {
  readonly selectors: readonly (readonly Matcher[])[];
  readonly minT: number;
  readonly maxT: number;
  readonly form: ExpositionForm;
  readonly reader: SeriesReader;
  readonly output: JsonBytes;
  readonly limits: QueryLimits;
  readonly checkStopped: () => void;
}

const seriesPerCheck = 256;
/** Comparisons between two looks at whether anybody waits yet. */
const comparisonsPerCheck = 4_096;
/** What is held of a series beside its histogram, and of each of its labels: the texts are those of the selection. */
const bytesPerSeries = 300;
const bytesPerLabel = 16;
/** A label that is added to every series that has none: what scrapes it must not take its own address for the series'. */
const instanceLabel = 'instance';

interface NamedSample extends ExposedSample {
  readonly name: string;
}

/** Writes the answer. @returns samples that were taken. @throws Failure */
export function executeFederate(job: FederateJob): number {
  const { form, output, checkStopped } = job;
  const samples = newestSamples(job).filter(({ histogram }) => form.kind === 'protobuf' || isTextual(histogram));
  samples.sort(stoppable((a, b) => compareUtf8(a.name, b.name), checkStopped));
  for (let begin = 0; begin < samples.length; ) {
    checkStopped();
    const { name, histogram } = samples[begin];
    const kind = familyKindOf(histogram);
    let end = begin + 1;
    while (end < samples.length && samples[end].name === name && familyKindOf(samples[end].histogram) === kind) end++;
    if (form.kind === 'text') {
      for (let from = begin; from < end; from += seriesPerCheck) {
        checkStopped();
        const part = { name, samples: samples.slice(from, Math.min(end, from + seriesPerCheck)) };
        output.rawText(familyText(part, form.escaping, from === begin));
      }
    } else {
      const message = new ProtobufWriter();
      writeFamily(message, { name, samples: samples.slice(begin, end) }, form.escaping, checkStopped);
      output.block(message.sink.written());
    }
    begin = end;
  }
  return samples.length;
}

/** In the order of their labels, each series once, whichever selectors match it. */
function newestSamples({ selectors, minT, maxT, reader, limits, checkStopped }: FederateJob): NamedSample[] {
  let bytes = 0;
  const found = new Map<string, { readonly labels: Labels; readonly sample: NamedSample }>();
  for (const matchers of selectors) {
    // A selector that asks for nothing selects nothing, as in Prometheus.
    if (matchers.length === 0) continue;
    const selection = reader.select({ matchers, minT, maxT });
    const decoder = new SeriesDecoder(selection, minT, maxT);
    for (let series = 0; series < seriesCountOf(selection.labels); series++) {
      if (series % seriesPerCheck === 0) checkStopped();
      const labels = labelsAt(selection.labels, series);
      const { t, v, vBits, h, length } = decoder.next();
      let row = length - 1;
      while (row >= 0 && t[row] > maxT) row--;
      if (row < 0 || t[row] < minT || labels.get(metricName) === '') continue;
      const histogram = h?.[row] ?? null;
      const isStale = histogram === null ? isStaleNaN(vBits[2 * row + 1], vBits[2 * row]) : histogram.stale;
      if (isStale) continue;
      const sample = { name: labels.get(metricName), labels: shownLabels(labels), t: t[row], value: v[row], histogram };
      if (!found.has(labels.key)) {
        bytes += bytesPerSeries + bytesPerLabel * labels.pairs.length + histogramBytes([histogram]);
        checkMemory(bytes, limits);
      }
      found.set(labels.key, { labels, sample });
    }
    decoder.close();
  }
  const byLabels = stoppable<{ labels: Labels }>((a, b) => compareLabels(a.labels, b.labels), checkStopped);
  return [...found.values()].sort(byLabels).map(({ sample }) => sample);
}

/** The comparison, which now and then asks whether to go on. */
function stoppable<T>(compare: (a: T, b: T) => number, checkStopped: () => void): (a: T, b: T) => number {
  let comparisons = 0;
  return (a, b) => {
    if (++comparisons % comparisonsPerCheck === 0) checkStopped();
    return compare(a, b);
  };
}

function shownLabels(labels: Labels): string[] {
  const shown: string[] = [];
  for (let i = 0; i < labels.pairs.length; i += 2) {
    if (labels.pairs[i] !== metricName) shown.push(labels.pairs[i], labels.pairs[i + 1]);
  }
  if (labels.get(instanceLabel) === '') shown.push(instanceLabel, '');
  return shown;
}
