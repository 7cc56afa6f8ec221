/**
 * A scan and an oracle's message in one comparable shape. For tests only.
 * Both go through here, so that a difference is a difference of what was read.
 */
import type { Histogram } from '../model/histogram.ts';
import { reduceBuckets } from '../model/histogram-resolution.ts';
import { SeriesFault, type WriteScan } from './write-scan.ts';

/** What protobufjs makes of a message, with numbers of 64 bits as Long. */
export type OracleMessage = { readonly [field: string]: unknown };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function bitsOf(value: number): string {
  return Number.isNaN(value) ? 'NaN' : Object.is(value, -0) ? '-0' : String(value);
}

/** An int64 of the oracle as the scan shows it. */
function timeOf(value: unknown): number {
  const exact = BigInt(String(value ?? 0));
  if (exact >= 2n ** 53n) return Infinity;
  if (exact <= -(2n ** 53n)) return -Infinity;
  return Number(exact);
}

/** A start time: what no chunk could hold is unknown. */
function startOf(value: unknown): number {
  const exact = BigInt(String(value ?? 0));
  return exact > 2n ** 52n || exact < -(2n ** 52n) ? 0 : Number(exact);
}

const list = (value: unknown): readonly OracleMessage[] => (value ?? []) as readonly OracleMessage[];
const bytesOf = (value: unknown): string => hex((value ?? new Uint8Array(0)) as Uint8Array);
const numberOf = (value: unknown): number => Number(value ?? 0);
const wholeOf = (value: unknown): number => Number(BigInt(String(value ?? 0)));

export interface ReadSeries {
  /** Name and value of each label in the order sent, as hex; a fault's number where a v2 series has one. */
  readonly labels: readonly string[] | number;
  readonly samples: readonly (readonly [t: number, v: string, st: number])[];
  readonly metadata: readonly number[] | undefined;
}

export interface ReadRequest {
  readonly series: readonly ReadSeries[];
  readonly exemplars: readonly unknown[];
  readonly histograms: readonly unknown[];
  readonly metadata: readonly unknown[];
}

/** Labels of a v1 region or of references, read by the test's own small reader given as `labelsIn`. */
export function readScan(scan: WriteScan, labelsIn: (region: Uint8Array) => readonly string[]): ReadRequest {
  const series: ReadSeries[] = [];
  const symbol = (ref: number): string => hex(scan.bytes.subarray(scan.symbolBegin[ref], scan.symbolEnd[ref]));
  for (let i = 0; i < scan.seriesCount; i++) {
    const samples: (readonly [number, string, number])[] = [];
    for (let j = scan.sampleBegin[i] as number; j < (scan.sampleBegin[i + 1] as number); j++) {
      samples.push([
        scan.sampleT[j] as number,
        bitsOf(scan.sampleV[j] as number),
        scan.version === 2 ? (scan.sampleST[j] as number) : 0,
      ]);
    }
    const fault = scan.version === 2 ? (scan.seriesFault[i] as number) : 0;
    let labels: readonly string[] | number;
    if (fault !== SeriesFault.none) labels = fault;
    else if (scan.version === 1) labels = labelsIn(scan.bytes.subarray(scan.labelsBegin[i], scan.labelsEnd[i]));
    else labels = Array.from(scan.refs.subarray(scan.refsBegin[i], scan.refsBegin[i + 1]), symbol);
    const metadata =
      scan.version === 2 && scan.hasMetadata[i] === 1
        ? [scan.metadataType[i] as number, scan.metadataHelp[i] as number, scan.metadataUnit[i] as number]
        : undefined;
    series.push({ labels, samples, metadata });
  }
  return {
    series,
    exemplars: scan.exemplars.map(({ series: row, t, value, labelsBegin, labelsEnd }) => [
      row,
      t,
      bitsOf(value),
      scan.version === 1
        ? labelsIn(scan.bytes.subarray(labelsBegin, labelsEnd))
        : Array.from(scan.exemplarRefs.subarray(labelsBegin, labelsEnd), symbol),
    ]),
    histograms: scan.histograms.map(({ series: row, t, st, histogram }) => [row, t, st, readHistogram(histogram)]),
    metadata: scan.metadata.map((entry) => [
      entry.type,
      hex(scan.bytes.subarray(entry.metricBegin, entry.metricEnd)),
      hex(scan.bytes.subarray(entry.helpBegin, entry.helpEnd)),
      hex(scan.bytes.subarray(entry.unitBegin, entry.unitEnd)),
    ]),
  };
}

function readHistogram(h: Histogram): unknown {
  return [
    h.integer,
    h.resetHint,
    h.schema,
    bitsOf(h.zeroThreshold),
    h.zeroCount,
    h.count,
    bitsOf(h.sum),
    [...h.positiveSpans],
    [...h.negativeSpans],
    [...h.positiveBuckets],
    [...h.negativeBuckets],
    [...h.customValues],
  ];
}

/** The same of an oracle's 1.0 or 2.0 message. `refused` tells which histograms the scan refused: they are left out. */
export function readOracle(
  version: 1 | 2,
  request: OracleMessage,
  refused: (row: number, nth: number) => boolean,
): ReadRequest {
  const symbols = ((request.symbols ?? []) as readonly Uint8Array[]).map(hex);
  const series: ReadSeries[] = [];
  const exemplars: unknown[] = [];
  const histograms: unknown[] = [];
  for (const [row, one] of list(request.timeseries).entries()) {
    const refs = (one.labels_refs ?? []) as readonly number[];
    series.push({
      labels:
        version === 1 ? labelsOf(one) : refsFault(refs, symbols.length) || refs.map((ref) => symbols[ref] as string),
      samples: list(one.samples).map((sample) => [
        timeOf(sample.timestamp),
        bitsOf(numberOf(sample.value)),
        version === 2 ? startOf(sample.start_timestamp) : 0,
      ]),
      metadata:
        version === 1 ? undefined : metadataOf(one.metadata as OracleMessage | null | undefined, symbols.length),
    });
    for (const exemplar of list(one.exemplars)) {
      const exemplarRefs = (exemplar.labels_refs ?? []) as readonly number[];
      if (version === 2 && refsFault(exemplarRefs, symbols.length) !== 0) continue;
      const labels = version === 1 ? labelsOf(exemplar) : exemplarRefs.map((ref) => symbols[ref] as string);
      exemplars.push([row, timeOf(exemplar.timestamp), bitsOf(numberOf(exemplar.value)), labels]);
    }
    for (const [nth, h] of list(one.histograms).entries()) {
      if (!refused(row, nth))
        histograms.push([row, timeOf(h.timestamp), version === 2 ? startOf(h.start_timestamp) : 0, histogramOf(h)]);
    }
  }
  return {
    series,
    exemplars,
    histograms,
    metadata: list(request.metadata).map((entry) => [
      numberOf(entry.type) >= 0 && numberOf(entry.type) < 8 ? numberOf(entry.type) : 0,
      bytesOf(entry.metric_family_name),
      bytesOf(entry.help),
      bytesOf(entry.unit),
    ]),
  };
}

export function labelsOf(message: OracleMessage): string[] {
  return list(message.labels).flatMap((label) => [bytesOf(label.name), bytesOf(label.value)]);
}

function refsFault(refs: readonly number[], symbols: number): number {
  if (refs.length % 2 === 1) return SeriesFault.oddLabelRefs;
  return refs.some((ref) => ref >= symbols) ? SeriesFault.labelRefOutOfRange : SeriesFault.none;
}

function metadataOf(metadata: OracleMessage | null | undefined, symbols: number): number[] | undefined {
  if (metadata === undefined || metadata === null) return undefined;
  const [type, help, unit] = [numberOf(metadata.type), numberOf(metadata.help_ref), numberOf(metadata.unit_ref)];
  if (help >= symbols || unit >= symbols) return undefined;
  return [type >= 0 && type < 8 ? type : 0, help, unit];
}

function histogramOf(h: OracleMessage): unknown {
  const integer = h.count_float === undefined || h.count_float === null || !Object.hasOwn(h, 'count_float');
  const spans = (value: unknown): number[] =>
    list(value).flatMap((span) => [numberOf(span.offset), numberOf(span.length)]);
  const sums = (value: unknown): number[] => {
    let sum = 0;
    return list(value).map((delta) => (sum += wholeOf(delta)));
  };
  const doubles = (value: unknown): number[] => list(value).map(Number);
  const zero = integer
    ? wholeOf(h.zero_count_int)
    : Object.hasOwn(h, 'zero_count_float')
      ? numberOf(h.zero_count_float)
      : 0;
  const hint = numberOf(h.reset_hint);
  const schema = numberOf(h.schema);
  // Finer schemas than 8 are brought to it.
  const side = (spansOf: unknown, buckets: number[]): [number[], number[]] => {
    if (schema <= 8) return [spans(spansOf), buckets];
    const reduced = reduceBuckets(Int32Array.from(spans(spansOf)), Float64Array.from(buckets), schema, 8);
    return [[...reduced.spans], [...reduced.buckets]];
  };
  const [positiveSpans, positiveBuckets] = side(
    h.positive_spans,
    integer ? sums(h.positive_deltas) : doubles(h.positive_counts),
  );
  const [negativeSpans, negativeBuckets] = side(
    h.negative_spans,
    integer ? sums(h.negative_deltas) : doubles(h.negative_counts),
  );
  return [
    integer,
    hint >= 0 && hint <= 3 ? hint : 0,
    Math.min(schema, 8),
    bitsOf(numberOf(h.zero_threshold)),
    integer && Object.hasOwn(h, 'zero_count_float') ? 0 : zero,
    integer ? wholeOf(h.count_int) : numberOf(h.count_float),
    bitsOf(numberOf(h.sum)),
    positiveSpans,
    negativeSpans,
    positiveBuckets,
    negativeBuckets,
    doubles(h.custom_values),
  ];
}
