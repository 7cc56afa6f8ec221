/**
 * A family of metrics as targets show them: lines of text, or a delimited protobuf message.
 * Owns both forms. Facts: prometheus/common expfmt/text_create.go, prometheus/client_model metrics.proto, Prometheus 3.15
 * web/federate.go (which kind of metric a histogram becomes).
 */
import { formatFloatGeneral } from '../../libs/model/format-float.ts';
import { customBucketsSchema, type Histogram, ResetHint } from '../../libs/model/histogram.ts';
import { bucketIndexes } from '../../libs/model/histogram-spans.ts';
import { ProtobufWriter } from '../../libs/wire/protobuf-writer.ts';
import { type EscapingScheme, escapeName, isOldName } from './escape-name.ts';

export interface ExposedSample {
  /** Names and values in turn, without the metric's name. */
  readonly labels: readonly string[];
  readonly t: number;
  readonly value: number;
  readonly histogram: Histogram | null;
}

export interface ExposedFamily {
  readonly name: string;
  readonly samples: readonly ExposedSample[];
}

/** What a family holds: samples of two kinds are two families, though they share the name. */
export type FamilyKind = 'untyped' | 'histogram' | 'gaugehistogram';

export function familyKindOf(histogram: Histogram | null): FamilyKind {
  if (histogram === null) return 'untyped';
  return histogram.resetHint === ResetHint.gauge ? 'gaugehistogram' : 'histogram';
}

/** Text knows buckets with bounds of their own, as those of a classic histogram, but no exponential ones. */
export function isTextual(histogram: Histogram | null): boolean {
  return histogram === null || histogram.schema === customBucketsSchema;
}

/** The family, or a part of it of which the first has the head, as lines of text. */
export function familyText({ name, samples }: ExposedFamily, scheme: EscapingScheme, withHead: boolean): string {
  const shown = escapeName(name, scheme);
  const kind = familyKindOf(samples[0]?.histogram ?? null);
  // The old text has no gauge histograms.
  let text = withHead
    ? `# TYPE ${isOldName(shown) ? shown : quoted(shown)} ${kind === 'untyped' ? kind : 'histogram'}\n`
    : '';
  for (const { labels, t, value, histogram } of samples) {
    const line = (suffix: string, le: string, shownValue: number) => {
      text += `${head(`${shown}${suffix}`, labels, le, scheme)} ${textFloat(shownValue)} ${t}\n`;
    };
    if (histogram === null) {
      line('', '', value);
      continue;
    }
    const counts = cumulativeCounts(histogram);
    histogram.customValues.forEach((bound, i) => {
      line('_bucket', textFloat(bound), counts[i]);
    });
    line('_bucket', '+Inf', histogram.count);
    line('_sum', '', histogram.sum);
    line('_count', '', histogram.count);
  }
  return text;
}

function head(name: string, labels: readonly string[], le: string, scheme: EscapingScheme): string {
  const inside: string[] = isOldName(name) ? [] : [quoted(name)];
  for (let i = 0; i < labels.length; i += 2) {
    const label = escapeName(labels[i], scheme);
    inside.push(`${isOldName(label) ? label : quoted(label)}=${quoted(labels[i + 1])}`);
  }
  if (le !== '') inside.push(`le="${le}"`);
  const braces = inside.length === 0 ? '' : `{${inside.join(',')}}`;
  return isOldName(name) ? `${name}${braces}` : braces;
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')}"`;
}

function textFloat(value: number): string {
  return value === 0 ? '0' : formatFloatGeneral(value);
}

/** Counts up to each bound of a histogram with bounds of its own. */
function cumulativeCounts({ positiveSpans, positiveBuckets, customValues }: Histogram): Float64Array {
  const counts = new Float64Array(customValues.length);
  const indexes = bucketIndexes(positiveSpans);
  let total = 0;
  for (let i = 0, next = 0; i < counts.length; i++) {
    for (; next < indexes.length && indexes[next] <= i; next++) total += positiveBuckets[next];
    counts[i] = total;
  }
  return counts;
}

const familyType = { untyped: 3, histogram: 4, gaugehistogram: 5 } as const;

const samplesPerCheck = 256;

/** Appends the family as a message behind its length. `checkStopped` is called now and then. */
export function writeFamily(
  out: ProtobufWriter,
  { name, samples }: ExposedFamily,
  scheme: EscapingScheme,
  checkStopped: () => void,
): void {
  const family = new ProtobufWriter();
  family.text(1, escapeName(name, scheme));
  family.uint(3, familyType[familyKindOf(samples[0]?.histogram ?? null)]);
  for (const [i, { labels, t, value, histogram }] of samples.entries()) {
    if (i % samplesPerCheck === 0) checkStopped();
    const metric = family.begin(4);
    for (let i = 0; i < labels.length; i += 2) {
      const label = family.begin(1);
      family.text(1, escapeName(labels[i], scheme));
      family.text(2, labels[i + 1]);
      family.end(label);
    }
    if (histogram === null) {
      const untyped = family.begin(5);
      family.double(1, value);
      family.end(untyped);
    } else {
      writeHistogram(family, histogram);
    }
    family.int64(6, t);
    family.end(metric);
  }
  const { bytes, length } = family.sink;
  out.sink.writeUvarint(length);
  out.sink.writeBytes(bytes, 0, length);
}

function writeHistogram(family: ProtobufWriter, h: Histogram): void {
  const message = family.begin(7);
  family.double(2, h.sum);
  if (h.schema === customBucketsSchema) {
    const counts = cumulativeCounts(h);
    h.customValues.forEach((bound, i) => {
      const bucket = family.begin(3);
      family.double(2, bound);
      family.double(4, counts[i]);
      family.end(bucket);
    });
    family.double(4, h.count);
  } else {
    family.double(4, h.count);
    family.sint(5, h.schema);
    family.double(6, h.zeroThreshold);
    family.double(8, h.zeroCount);
    writeSpans(family, 9, h.negativeSpans);
    for (const count of h.negativeBuckets) family.double(11, count);
    writeSpans(family, 12, h.positiveSpans);
    for (const count of h.positiveBuckets) family.double(14, count);
  }
  family.end(message);
}

function writeSpans(family: ProtobufWriter, field: number, spans: Int32Array): void {
  for (let i = 0; i < spans.length; i += 2) {
    const span = family.begin(field);
    family.sint(1, spans[i]);
    family.uint(2, spans[i + 1]);
    family.end(span);
  }
}
