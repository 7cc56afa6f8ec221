/**
 * Federation in its worker: the newest sample of every series, by name, in families.
 * Owns which sample counts (the newest within the lookback, unless it is a staleness marker) and the order. Does not own the form
 * (exposition-format.ts). Facts: Prometheus 3.15 web/federate.go.
 */
import { compareLabels, compareUtf8, type Labels, metricName } from '../../libs/model/labels.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import { isStaleNaN } from '../../libs/model/stale.ts';
import type { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import { SeriesDecoder } from '../../libs/series/decode-series.ts';
import { labelsAt } from '../../libs/series/labels-at.ts';
import type { SeriesReader } from '../../libs/series/series-reader.ts';
import { seriesCountOf } from '../../libs/series/series-source.ts';
import { ProtobufWriter } from '../../libs/wire/protobuf-writer.ts';
import type { ExpositionForm } from './exposition-form.ts';
import { type ExposedSample, familyKindOf, familyText, isTextual, writeFamily } from './exposition-format.ts';

export interface FederateJob {
  readonly selectors: readonly (readonly Matcher[])[];
  readonly minT: number;
  readonly maxT: number;
  readonly form: ExpositionForm;
  readonly reader: SeriesReader;
  readonly output: JsonBytes;
  readonly checkStopped: () => void;
}

const seriesPerCheck = 256;
/** A label that is added to every series that has none: what scrapes it must not take its own address for the series'. */
const instanceLabel = 'instance';

interface NamedSample extends ExposedSample {
  readonly name: string;
}

/** Writes the answer. @returns samples that were taken. @throws Failure */
export function executeFederate(job: FederateJob): number {
  const { form, output, checkStopped } = job;
  const samples = newestSamples(job).filter(({ histogram }) => form.kind === 'protobuf' || isTextual(histogram));
  samples.sort((a, b) => compareUtf8(a.name, b.name));
  for (let begin = 0; begin < samples.length; ) {
    checkStopped();
    const { name, histogram } = samples[begin];
    const kind = familyKindOf(histogram);
    let end = begin + 1;
    while (end < samples.length && samples[end].name === name && familyKindOf(samples[end].histogram) === kind) end++;
    const family = { name, samples: samples.slice(begin, end) };
    if (form.kind === 'text') {
      output.rawText(familyText(family, form.escaping));
    } else {
      const message = new ProtobufWriter();
      writeFamily(message, family, form.escaping);
      output.block(message.sink.written());
    }
    begin = end;
  }
  return samples.length;
}

/** In the order of their labels, each series once, whichever selectors match it. */
function newestSamples({ selectors, minT, maxT, reader, checkStopped }: FederateJob): NamedSample[] {
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
      found.set(labels.key, { labels, sample });
    }
    decoder.close();
  }
  return [...found.values()].sort((a, b) => compareLabels(a.labels, b.labels)).map(({ sample }) => sample);
}

function shownLabels(labels: Labels): string[] {
  const shown: string[] = [];
  for (let i = 0; i < labels.pairs.length; i += 2) {
    if (labels.pairs[i] !== metricName) shown.push(labels.pairs[i], labels.pairs[i + 1]);
  }
  if (labels.get(instanceLabel) === '') shown.push(instanceLabel, '');
  return shown;
}
