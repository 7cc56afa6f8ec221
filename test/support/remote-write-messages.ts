/**
 * remote_write 1.0 and 2.0 messages, written by protobufjs: an encoder that shares no line with libs/wire.
 * Owns the two schemas and the way from a test's series to bytes. Does not own compression nor HTTP (push-client.ts).
 * Field numbers: prompb/types.proto, prompb/remote.proto and io/prometheus/write/v2/types.proto of Prometheus 3.15.
 * Two liberties, invisible on the wire: strings are declared `bytes`, so that a test can send invalid UTF-8, and values
 * are declared `fixed64`, so that a NaN keeps its bits. Like Go's encoder it leaves out what is zero.
 */
import protobuf from 'protobufjs';

/** The bits of a staleness marker: a signalling NaN that no JavaScript number reliably carries. */
export const staleMarker = { low: 0x00000002, high: 0x7ff00000 } as const;

/** A value by its bits. */
export interface ValueBits {
  readonly low: number;
  readonly high: number;
}

export type SentText = string | Uint8Array;
export type SentLabels = readonly (readonly [SentText, SentText])[];

export interface SentSample {
  readonly t: number;
  readonly v: number | ValueBits;
  /** Start timestamp; 2.0 only. */
  readonly st?: number;
}

export interface SentHistogram {
  readonly t: number;
  readonly st?: number;
  /** Whether counts go as floats (absolute) or integers (deltas between buckets). */
  readonly kind: 'integer' | 'float';
  readonly count: number;
  readonly sum: number | ValueBits;
  readonly schema: number;
  readonly zeroThreshold?: number;
  readonly zeroCount?: number;
  /** Pairs of offset and length. */
  readonly positiveSpans?: readonly (readonly [number, number])[];
  readonly negativeSpans?: readonly (readonly [number, number])[];
  /** Deltas where `kind` is integer, else counts. */
  readonly positive?: readonly number[];
  readonly negative?: readonly number[];
  readonly customValues?: readonly number[];
  /** 0 unknown, 1 reset, 2 no reset, 3 gauge. */
  readonly resetHint?: 0 | 1 | 2 | 3;
}

export interface SentExemplar {
  readonly labels: SentLabels;
  readonly t: number;
  readonly v: number | ValueBits;
}

export interface SentMetadata {
  /** Number of the type in the schema: 1 counter, 2 gauge, 3 histogram, 5 summary. */
  readonly type: number;
  readonly help: string;
  readonly unit: string;
}

export interface SentSeries {
  /** In the order in which they go over the wire. */
  readonly labels: SentLabels;
  readonly samples?: readonly SentSample[];
  readonly histograms?: readonly SentHistogram[];
  readonly exemplars?: readonly SentExemplar[];
  /** 2.0 carries it in the series; 1.0 in a list of its own, under the series' metric name. */
  readonly metadata?: SentMetadata;
}

const histogramFields = `
  oneof count { uint64 count_int = 1; fixed64 count_float = 2; }
  fixed64 sum = 3; sint32 schema = 4; fixed64 zero_threshold = 5;
  oneof zero_count { uint64 zero_count_int = 6; fixed64 zero_count_float = 7; }
  repeated BucketSpan negative_spans = 8; repeated sint64 negative_deltas = 9; repeated fixed64 negative_counts = 10;
  repeated BucketSpan positive_spans = 11; repeated sint64 positive_deltas = 12; repeated fixed64 positive_counts = 13;
  int32 reset_hint = 14; int64 timestamp = 15; repeated fixed64 custom_values = 16;`;

const schemaOne = protobuf.parse(
  `syntax = "proto3";
  message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
  message MetricMetadata { int32 type = 1; bytes metric_family_name = 2; bytes help = 4; bytes unit = 5; }
  message TimeSeries {
    repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3; repeated Histogram histograms = 4;
  }
  message Label { bytes name = 1; bytes value = 2; }
  message Sample { fixed64 value = 1; int64 timestamp = 2; }
  message Exemplar { repeated Label labels = 1; fixed64 value = 2; int64 timestamp = 3; }
  message BucketSpan { sint32 offset = 1; uint32 length = 2; }
  message Histogram { ${histogramFields} }`,
  { keepCase: true },
).root;

const schemaTwo = protobuf.parse(
  `syntax = "proto3";
  message Request { repeated bytes symbols = 4; repeated TimeSeries timeseries = 5; }
  message TimeSeries {
    repeated uint32 labels_refs = 1; repeated Sample samples = 2; repeated Histogram histograms = 3;
    repeated Exemplar exemplars = 4; Metadata metadata = 5;
  }
  message Metadata { int32 type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
  message Sample { fixed64 value = 1; int64 timestamp = 2; int64 start_timestamp = 3; }
  message Exemplar { repeated uint32 labels_refs = 1; fixed64 value = 2; int64 timestamp = 3; }
  message BucketSpan { sint32 offset = 1; uint32 length = 2; }
  message Histogram { ${histogramFields} int64 start_timestamp = 17; }`,
  { keepCase: true },
).root;

const writeRequest = schemaOne.lookupType('WriteRequest');
const request = schemaTwo.lookupType('Request');

/** A `prometheus.WriteRequest`, uncompressed. */
export function encodeOne(series: readonly SentSeries[]): Uint8Array {
  const labels = (pairs: SentLabels) => pairs.map(([name, value]) => present({ name: utf8(name), value: utf8(value) }));
  return writeRequest
    .encode({
      timeseries: series.map((one) => ({
        labels: labels(one.labels),
        samples: one.samples?.map(({ t, v }) => present({ value: valueBits(v), timestamp: t })) ?? [],
        histograms: one.histograms?.map(histogramMessage) ?? [],
        exemplars:
          one.exemplars?.map(({ labels: pairs, t, v }) =>
            present({ labels: labels(pairs), value: valueBits(v), timestamp: t }),
          ) ?? [],
      })),
      metadata: series.flatMap((one) => {
        if (one.metadata === undefined) return [];
        const { type, help, unit } = one.metadata;
        return [present({ type, metric_family_name: metricName(one.labels), help: utf8(help), unit: utf8(unit) })];
      }),
    })
    .finish();
}

/** An `io.prometheus.write.v2.Request`, uncompressed; symbols in the order of their first use. */
export function encodeTwo(series: readonly SentSeries[]): Uint8Array {
  const symbols: SentText[] = [''];
  const refs = new Map<string, number>([['', 0]]);
  const ref = (text: SentText): number => {
    const key = typeof text === 'string' ? text : `bytes ${Buffer.from(text).toString('hex')}`;
    const known = refs.get(key);
    if (known !== undefined) return known;
    refs.set(key, symbols.length);
    return symbols.push(text) - 1;
  };
  const labelRefs = (pairs: SentLabels) => pairs.flatMap(([name, value]) => [ref(name), ref(value)]);
  const timeseries = series.map((one) => ({
    labels_refs: labelRefs(one.labels),
    samples:
      one.samples?.map(({ t, v, st }) => present({ value: valueBits(v), timestamp: t, start_timestamp: st ?? 0 })) ??
      [],
    histograms:
      one.histograms?.map((histogram) => ({
        ...histogramMessage(histogram),
        ...present({ start_timestamp: histogram.st ?? 0 }),
      })) ?? [],
    exemplars:
      one.exemplars?.map(({ labels, t, v }) =>
        present({ labels_refs: labelRefs(labels), value: valueBits(v), timestamp: t }),
      ) ?? [],
    ...(one.metadata === undefined
      ? {}
      : {
          metadata: present({
            type: one.metadata.type,
            help_ref: ref(one.metadata.help),
            unit_ref: ref(one.metadata.unit),
          }),
        }),
  }));
  return request.encode({ symbols: symbols.map(utf8), timeseries }).finish();
}

function histogramMessage(histogram: SentHistogram): Record<string, unknown> {
  const spans = (pairs: SentHistogram['positiveSpans']) =>
    pairs?.map(([offset, length]) => present({ offset, length })) ?? [];
  const isFloat = histogram.kind === 'float';
  const fields = {
    sum: valueBits(histogram.sum),
    schema: histogram.schema,
    zero_threshold: valueBits(histogram.zeroThreshold ?? 0),
    negative_spans: spans(histogram.negativeSpans),
    positive_spans: spans(histogram.positiveSpans),
    custom_values: histogram.customValues?.map(valueBits) ?? [],
    reset_hint: histogram.resetHint ?? 0,
    timestamp: histogram.t,
  };
  const positive = histogram.positive ?? [];
  const negative = histogram.negative ?? [];
  const zeroCount = histogram.zeroCount ?? 0;
  // A member of a oneof is written even where it is zero: it says which kind of histogram this is.
  return isFloat
    ? {
        ...present(fields),
        count_float: valueBits(histogram.count),
        zero_count_float: valueBits(zeroCount),
        positive_counts: positive.map(valueBits),
        negative_counts: negative.map(valueBits),
      }
    : {
        ...present(fields),
        count_int: histogram.count,
        zero_count_int: zeroCount,
        positive_deltas: positive,
        negative_deltas: negative,
      };
}

const isZero = (value: unknown): boolean =>
  value === 0 ||
  (value instanceof Uint8Array && value.length === 0) ||
  (isBits(value) && (value.low | value.high) === 0);

const isBits = (value: unknown): value is ValueBits => typeof value === 'object' && value !== null && 'high' in value;

/** Without the fields that are zero: proto3 does not write them. */
function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isZero(value)));
}

const bitsView = new DataView(new ArrayBuffer(8));

function valueBits(value: number | ValueBits): ValueBits {
  if (typeof value !== 'number') return value;
  bitsView.setFloat64(0, value);
  return { low: bitsView.getInt32(4), high: bitsView.getInt32(0) };
}

function utf8(text: SentText): Uint8Array {
  return typeof text === 'string' ? new TextEncoder().encode(text) : text;
}

function metricName(labels: SentLabels): Uint8Array {
  return utf8(labels.find(([name]) => name === '__name__')?.[1] ?? '');
}
