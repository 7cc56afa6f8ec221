/**
 * The answer to some steps of a range query, as columns on their way to a query-frontend (proto/peer.proto: PartAnswer).
 * Owns the way from the engine's columns, which have times, to steps and back. Bits of values stay as they are. A query-frontend has
 * one thread for all: it reads an answer in steps.
 */
import type { HeavySelection } from '../../contracts/query-work.ts';
import { Failure } from '../../errors/failure.ts';
import type { Histogram, ResetHint } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import type { QueryResult, ResultSeries } from '../../promql/engine.ts';
import type { Steps } from '../../std/steps.ts';
import { codecOf, type MessageCodec, wireFields } from './message-codec.ts';

/** The steps of a part. */
export interface PartSteps {
  readonly startMs: number;
  /** Not before the start. */
  readonly endMs: number;
  readonly stepMs: number;
}

/** What is known of an answer when it has been evaluated. */
export interface PartEnd {
  /** What it rests on; '' where it may not be kept. */
  readonly witness: string;
  /** It is of the shard that was asked for. */
  readonly sharded?: boolean;
}

export interface PartAnswer extends PartEnd, Pick<QueryResult, 'series' | 'annotations' | 'sourceWarnings'> {
  /** Nothing was evaluated: it is to be asked in shards. */
  readonly heavy?: HeavySelection | undefined;
}

interface SeriesMessage {
  readonly pairs: readonly string[];
  readonly steps: Uint8Array;
  readonly values: Uint8Array;
  readonly histogramSteps: Uint8Array;
  readonly histograms: readonly HistogramMessage[];
}

interface HistogramMessage {
  readonly integer: boolean;
  readonly resetHint: number;
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  readonly positiveSpans: readonly number[];
  readonly negativeSpans: readonly number[];
  readonly positiveBuckets: readonly number[];
  readonly negativeBuckets: readonly number[];
  readonly customValues: readonly number[];
}

type PartAnnotation = PartAnswer['annotations'][number];

interface PartMessage extends Omit<PartAnswer, 'series' | 'witness' | 'heavy'> {
  readonly witness?: string;
  readonly heavy?: HeavySelection | null;
  readonly series: readonly SeriesMessage[];
}

const endCodec: MessageCodec<PartEnd> = codecOf('PartAnswer');
const partCodec: MessageCodec<PartMessage> = codecOf('PartAnswer');
const seriesCodec: MessageCodec<SeriesMessage> = codecOf('PartSeries');
const annotationCodec: MessageCodec<PartAnnotation> = codecOf('PartAnnotation');
/** Of PartAnswer. */
const seriesField = 1;
const annotationsField = 2;
/** Such a part of an answer is decoded at once: a fraction of a millisecond. */
const bytesPerStep = 16 << 10;
/** What a series takes beside its bytes. */
const bytesPerSeries = 200;
const nothing = new Uint8Array(0);

export function encodePart(
  { series, annotations, sourceWarnings }: Omit<PartAnswer, 'witness' | 'heavy'>,
  steps: PartSteps,
): Uint8Array {
  return partCodec.encode({ series: series.map((one) => seriesMessage(one, steps)), annotations, sourceWarnings });
}

/** Bytes to put behind those of an encoded answer: a message and further fields of it are one message. */
export function encodePartEnd(end: PartEnd): Uint8Array {
  return endCodec.encode(end);
}

export function encodeHeavy(heavy: HeavySelection): Uint8Array {
  return partCodec.encode({ series: [], annotations: [], sourceWarnings: [], heavy });
}

/** @throws Failure `bad_data` where the bytes are no such answer */
export function* decodePart(bytes: Uint8Array, steps: PartSteps): Steps<PartAnswer> {
  const everyStep = timesOf(steps);
  const series: ResultSeries[] = [];
  const annotations: PartAnnotation[] = [];
  const others: Uint8Array[] = [];
  let stepBytes = 0;
  for (const { number, whole, body } of wireFields(bytes)) {
    if (number === seriesField && body !== undefined) series.push(seriesOf(seriesCodec.decode(body), everyStep));
    else if (number === annotationsField && body !== undefined) annotations.push(annotationCodec.decode(body));
    else others.push(whole);
    stepBytes += whole.length + bytesPerSeries;
    if (stepBytes < bytesPerStep) continue;
    stepBytes = 0;
    yield;
  }
  const { sourceWarnings, witness = '', sharded = false, heavy } = partCodec.decode(Buffer.concat(others));
  return {
    ...{ series, annotations, sourceWarnings, witness },
    ...(sharded ? { sharded } : {}),
    ...(heavy === undefined || heavy === null ? {} : { heavy }),
  };
}

/** The time of each step. */
function timesOf({ startMs, endMs, stepMs }: PartSteps): Float64Array {
  const times = new Float64Array(Math.floor((endMs - startMs) / stepMs) + 1);
  for (let i = 0; i < times.length; i++) times[i] = startMs + i * stepMs;
  return times;
}

function seriesMessage({ labels, t, v, h }: ResultSeries, { startMs, endMs, stepMs }: PartSteps): SeriesMessage {
  const stepCount = Math.floor((endMs - startMs) / stepMs) + 1;
  const stepOf = (row: number): number => Math.round(((t[row] as number) - startMs) / stepMs);
  const pairs = labels.pairs;
  if (h === null) {
    const steps = t.length === stepCount ? nothing : bytesOf(Uint32Array.from(t, (_time, row) => stepOf(row)));
    return { pairs, steps, values: bytesOf(v), histogramSteps: nothing, histograms: [] };
  }
  const floats: number[] = [];
  const withHistogram: number[] = [];
  for (let row = 0; row < t.length; row++) (h[row] === null ? floats : withHistogram).push(row);
  return {
    pairs,
    steps: floats.length === stepCount ? nothing : bytesOf(Uint32Array.from(floats, stepOf)),
    values: bytesOf(Float64Array.from(floats, (row) => v[row] as number)),
    histogramSteps: bytesOf(Uint32Array.from(withHistogram, stepOf)),
    histograms: withHistogram.map((row) => histogramMessage(h[row] as Histogram)),
  };
}

function histogramMessage(histogram: Histogram): HistogramMessage {
  const { positiveSpans, negativeSpans, positiveBuckets, negativeBuckets, customValues } = histogram;
  return {
    ...histogram,
    positiveSpans: [...positiveSpans],
    negativeSpans: [...negativeSpans],
    positiveBuckets: [...positiveBuckets],
    negativeBuckets: [...negativeBuckets],
    customValues: [...customValues],
  };
}

function seriesOf(message: SeriesMessage, everyStep: Float64Array): ResultSeries {
  const labels = new Labels(message.pairs);
  const values = new Float64Array(memoryOf(message.values, 8));
  const isEveryStep = message.steps.length === 0 && values.length === everyStep.length;
  const steps = isEveryStep ? undefined : new Uint32Array(memoryOf(message.steps, 4));
  if (message.histograms.length === 0) {
    if (steps === undefined) return { labels, t: everyStep, v: values, h: null };
    return {
      labels,
      t: Float64Array.from(checked(steps, values.length, everyStep), (step) => everyStep[step] as number),
      v: values,
      h: null,
    };
  }
  const histogramSteps = new Uint32Array(memoryOf(message.histogramSteps, 4));
  const rows: { step: number; value: number; histogram: Histogram | null }[] = [];
  checked(steps ?? new Uint32Array(values.length), values.length, everyStep).forEach((step, i) => {
    rows.push({ step: steps === undefined ? i : step, value: values[i] as number, histogram: null });
  });
  checked(histogramSteps, message.histograms.length, everyStep).forEach((step, i) => {
    rows.push({ step, value: 0, histogram: histogramOf(message.histograms[i] as HistogramMessage) });
  });
  rows.sort((a, b) => a.step - b.step);
  return {
    labels,
    t: Float64Array.from(rows, ({ step }) => everyStep[step] as number),
    v: Float64Array.from(rows, ({ value }) => value),
    h: rows.map(({ histogram }) => histogram),
  };
}

function checked(steps: Uint32Array, count: number, everyStep: Float64Array): Uint32Array {
  if (steps.length !== count) throw new Failure('bad_data', 'the columns of a part do not agree');
  for (const step of steps) if (step >= everyStep.length) throw new Failure('bad_data', 'a part has a step too many');
  return steps;
}

function histogramOf(message: HistogramMessage): Histogram {
  return {
    ...message,
    resetHint: message.resetHint as ResetHint,
    positiveSpans: Int32Array.from(message.positiveSpans),
    negativeSpans: Int32Array.from(message.negativeSpans),
    positiveBuckets: Float64Array.from(message.positiveBuckets),
    negativeBuckets: Float64Array.from(message.negativeBuckets),
    customValues: Float64Array.from(message.customValues),
    // Never in an answer.
    stale: false,
  };
}

const bytesOf = (column: Float64Array | Uint32Array): Uint8Array =>
  new Uint8Array(column.buffer, column.byteOffset, column.byteLength);

/** A copy, as a view of a message stands at any address. */
function memoryOf(bytes: Uint8Array, width: number): ArrayBuffer {
  if (bytes.length % width !== 0) throw new Failure('bad_data', 'a column of a part has half a number');
  const memory = new ArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}
