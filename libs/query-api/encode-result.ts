/**
 * A query's result as the bytes of its answer, straight from the engine's columns.
 * Owns the shape of `data` for each type of result (Prometheus 3.15 web/api/v1/json_codec.go, promql/value.go) and of `stats`
 * (util/stats/query_stats.go). Does not own the bytes of a number or a text (json-bytes.ts).
 * Surprising: the same number looks different in a scalar, which never has an exponent, and in a sample.
 */
import { formatFloat } from '../model/format-float.ts';
import type { QueryResult, ResultSeries } from '../promql/engine.ts';
import { quoteText } from '../promql/syntax/go-text.ts';
import { truncated } from '../series/listed.ts';
import type { ReadCosts } from '../series/series-source.ts';
import { writeAnnotations } from './api-answer.ts';
import { JsonBytes, quoteJsonGo, timestampBytesMax, writeTimestamp } from './json-bytes.ts';
import { writeHistogram } from './write-histogram.ts';

/** How long the parts of a query took, in seconds, and what its reads of blocks cost. */
export interface QueryTimes {
  readonly queued: number;
  readonly prepared: number;
  readonly evaluated: number;
  readonly reads: ReadCosts;
}

/** What the request said about the answer. */
export interface AnswerOptions {
  /** Series that may be answered, 0 for any number. */
  readonly limit: number;
  /** The `stats` parameter; any text but '' asks for them. */
  readonly stats: string;
  /** The time of an instant query, the first one of a range query. */
  readonly startMs: number;
  /** 0 of an instant query. */
  readonly stepMs: number;
}

/** Writes the whole answer. `checkStopped` is called now and then. */
export function writeResult(
  json: JsonBytes,
  result: QueryResult,
  options: AnswerOptions,
  times: QueryTimes,
  checkStopped: () => void,
): void {
  const { type, series } = result;
  const warnings = [...result.warnings];
  json.raw(`{"status":"success","data":{"resultType":"${type}","result":`);
  if (type === 'scalar') {
    json.raw(`[${options.startMs / 1000},"${formatFloat(series[0]?.v[0] ?? Number.NaN)}"]`);
  } else if (type === 'string') {
    json.rawText(`[${options.startMs / 1000},${quoteJsonGo(result.text)}]`);
  } else {
    const { limit } = options;
    const isCut = limit > 0 && series.length > limit;
    if (isCut) warnings.push(truncated);
    const count = isCut ? limit : series.length;
    if (type === 'vector') writeVector(json, series, count, checkStopped);
    else writeMatrix(json, series, count, checkStopped);
  }
  if (options.stats !== '') {
    writeStats(json, result, options, times);
    if (options.stats !== 'true' && options.stats !== 'all') warnings.push(deprecatedStats(options.stats));
  }
  json.raw('}');
  writeAnnotations(json, warnings, result.infos);
  json.raw('}');
}

function deprecatedStats(value: string): string {
  return (
    `value ${quoteText(value)} for parameter "stats" is deprecated and will be rejected in the next major release, ` +
    'use "true" or "all"'
  );
}

const seriesPerCheck = 256;
/** A histogram has hundreds of numbers. */
const histogramsPerCheck = 32;

function writeVector(json: JsonBytes, series: readonly ResultSeries[], count: number, checkStopped: () => void): void {
  json.byte(0x5b);
  for (let i = 0; i < count; i++) {
    if (i % seriesPerCheck === 0) checkStopped();
    const { labels, t, v, h } = series[i] as ResultSeries;
    json.raw(i > 0 ? ',{"metric":' : '{"metric":');
    json.labelSet(labels.pairs);
    const histogram = h?.[0] ?? null;
    json.raw(histogram === null ? ',"value":[' : ',"histogram":[');
    json.timestamp(t[0]);
    json.byte(0x2c);
    if (histogram === null) json.float(v[0]);
    else writeHistogram(json, histogram);
    json.raw(']}');
  }
  json.byte(0x5d);
}

function writeMatrix(json: JsonBytes, series: readonly ResultSeries[], count: number, checkStopped: () => void): void {
  const heads = ownHeads;
  heads.forget();
  json.byte(0x5b);
  for (let i = 0; i < count; i++) {
    checkStopped();
    if (i > 0) json.byte(0x2c);
    writeMatrixSeries(json, series[i] as ResultSeries, heads, checkStopped);
  }
  json.byte(0x5d);
}

function writeMatrixSeries(json: JsonBytes, one: ResultSeries, heads: SampleHeads, checkStopped: () => void): void {
  json.raw('{"metric":');
  json.labelSet(one.labels.pairs);
  heads.of(one.t);
  if (one.h === null) writeFloats(json, one, heads);
  else writeMixed(json, one, heads, checkStopped);
  json.byte(0x7d);
}

/** A matrix as an answer, written a piece a turn of the event loop. `limit`: series that may be answered, 0 for any number. */
export async function* matrixAnswer(
  { series, warnings, infos }: Pick<QueryResult, 'series' | 'warnings' | 'infos'>,
  limit: number,
): AsyncGenerator<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const json = new JsonBytes((piece) => pieces.push(piece));
  const heads = new SampleHeads();
  const isCut = limit > 0 && series.length > limit;
  const count = isCut ? limit : series.length;
  json.raw('{"status":"success","data":{"resultType":"matrix","result":[');
  for (let i = 0; i < count; i++) {
    if (i > 0) json.byte(0x2c);
    writeMatrixSeries(json, series[i] as ResultSeries, heads, () => {});
    if (pieces.length > 0) {
      yield* pieces.splice(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  json.raw(']}');
  writeAnnotations(json, isCut ? [...warnings, truncated] : warnings, infos);
  json.raw('}');
  json.finish();
  yield* pieces;
}

function writeFloats(json: JsonBytes, { t, v }: ResultSeries, heads: SampleHeads): void {
  const { bytes, begin } = heads;
  if (t.length === 0) return;
  json.raw(',"values":[');
  for (let i = 0; i < t.length; i++) {
    if (i > 0) json.byte(0x2c);
    json.copy(bytes, begin[i], begin[i + 1]);
    json.float(v[i]);
    json.byte(0x5d);
  }
  json.byte(0x5d);
}

function writeMixed(
  json: JsonBytes,
  { t, v, h }: ResultSeries,
  { bytes, begin }: SampleHeads,
  checkStopped: () => void,
): void {
  let written = 0;
  for (let i = 0; i < t.length; i++) {
    if ((h?.[i] ?? null) !== null) continue;
    json.raw(written++ === 0 ? ',"values":[' : ',');
    json.copy(bytes, begin[i], begin[i + 1]);
    json.float(v[i]);
    json.byte(0x5d);
  }
  if (written > 0) json.byte(0x5d);
  written = 0;
  for (let i = 0; i < t.length; i++) {
    const histogram = h?.[i] ?? null;
    if (histogram === null) continue;
    if (written % histogramsPerCheck === 0) checkStopped();
    json.raw(written++ === 0 ? ',"histograms":[' : ',');
    json.copy(bytes, begin[i], begin[i + 1]);
    writeHistogram(json, histogram);
    json.byte(0x5d);
  }
  if (written > 0) json.byte(0x5d);
}

const headBytesMax = timestampBytesMax + 2;

/** The bytes `[<seconds>,` of every time of a column: written once where the series of an answer share their times. */
class SampleHeads {
  #times: Float64Array | undefined;
  bytes = new Uint8Array(0);
  /** Where each begins in `bytes`, and where the last one ends. */
  begin = new Uint32Array(1);

  of(times: Float64Array): void {
    if (this.#times === times) return;
    this.#times = times;
    if (this.begin.length < times.length + 1) {
      this.begin = new Uint32Array(times.length + 1);
      this.bytes = new Uint8Array(times.length * headBytesMax);
    }
    const { bytes, begin } = this;
    let at = 0;
    for (let i = 0; i < times.length; i++) {
      begin[i] = at;
      bytes[at++] = 0x5b;
      at = writeTimestamp(bytes, at, times[i]);
      bytes[at++] = 0x2c;
    }
    begin[times.length] = at;
  }

  forget(): void {
    this.#times = undefined;
    if (this.begin.length <= keptHeadsMax) return;
    this.begin = new Uint32Array(1);
    this.bytes = new Uint8Array(0);
  }
}

/** Of answers that are written in one go: their memory serves the next one. */
const ownHeads = new SampleHeads();
/** As many as a range query may have points by Prometheus' limit. */
const keptHeadsMax = 11_001;

function writeStats(
  json: JsonBytes,
  { stats }: QueryResult,
  { startMs, stepMs }: AnswerOptions,
  { queued, prepared, evaluated, reads }: QueryTimes,
): void {
  const timings = {
    evalTotalTime: prepared + evaluated,
    resultSortTime: 0,
    queryPreparationTime: prepared,
    innerEvalTime: evaluated,
    execQueueTime: queued,
    execTotalTime: queued + prepared + evaluated,
  };
  const byStep = (counts: Float64Array | null) =>
    counts === null ? undefined : Array.from(counts, (count, step) => [(startMs + step * stepMs) / 1000, count]);
  const samples = {
    totalQueryableSamplesPerStep: byStep(stats.queriedByStep),
    totalQueryableSamples: stats.samplesQueried,
    samplesReadPerStep: byStep(stats.readByStep),
    samplesRead: stats.samplesRead,
    peakSamples: stats.samplesPeak,
  };
  // Ours: Prometheus knows no bucket. Absent where none was read.
  const blocks = reads.blocks === 0 ? undefined : reads;
  json.rawText(`,"stats":${JSON.stringify({ timings, samples, blocks })}`);
}
