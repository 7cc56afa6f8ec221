/**
 * What a new worker does while nobody has asked it anything: questions about a few made-up series, again and again, so that the code of
 * the usual ones has been compiled when the first user comes. Owns the series, the questions and how long it takes at most.
 * It goes on step by step: a job that comes waits for one step.
 */
import { ChunkEncoding } from '../../libs/model/encoding/chunk.ts';
import { appendXor, beginXorChunk, XorState, xorSampleBytesMax } from '../../libs/model/encoding/float-chunk.ts';
import type { Engine } from '../../libs/promql/engine.ts';
import { parseExpr } from '../../libs/promql/syntax/parser.ts';
import { writeResult } from '../../libs/query-api/encode-result.ts';
import { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import type { SeriesReader } from '../../libs/series/series-reader.ts';
import { type ChunkBatch, noCosts } from '../../libs/series/series-source.ts';

const warmUpMsMax = 400;
const rounds = 12;
const seriesCount = 48;
const samplesPerChunk = 120;
const chunksPerSeries = 3;
const scrapeMs = 15_000;
const endMs = samplesPerChunk * chunksPerSeries * scrapeMs;
const bounds = ['0.1', '0.5', '1', '+Inf'];

const questions = [
  'm',
  'rate(m[5m])',
  'sum by (job) (rate(m[5m]))',
  'avg by (job) (m) / on (job) max by (job) (m)',
  'm * on (instance, le) group_left (job) m',
  'histogram_quantile(0.9, sum by (le, job) (rate(m[5m])))',
  'topk(3, m)',
  'count(m > 5)',
  'max(avg_over_time(m[10m])) + min(max_over_time(m[10m]))',
  'sort_desc(increase(m[10m]))',
  'max_over_time(sum(rate(m[5m]))[10m:1m])',
  'label_replace(m, "a", "$1", "job", "(.*)")',
];

/** One question a step. */
export function* warmUp(engine: Engine): Generator<void, void, void> {
  const reader = madeUpSeries();
  const begin = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const text of questions) {
      for (const stepMs of [0, 60_000]) {
        if (performance.now() - begin > warmUpMsMax) return;
        ask(engine, reader, text, stepMs);
        yield;
      }
    }
  }
}

function ask(engine: Engine, reader: SeriesReader, text: string, stepMs: number): void {
  const startMs = stepMs === 0 ? endMs : endMs / 2;
  const limits = { samplesMax: 0, memoryBytesMax: 0 };
  const expr = parseExpr(text, {});
  const question = { expr, text, startMs, endMs, stepMs, limits, reader, checkCancelled: () => undefined };
  const result = engine.query(question);
  const json = new JsonBytes(() => undefined);
  const times = { queued: 0, prepared: 0, evaluated: 0, reads: noCosts };
  writeResult(json, result, { limit: 0, stats: '', startMs, stepMs: 0 }, times, () => undefined);
  json.finish();
}

/** Counters with fractions, in one batch. */
function madeUpSeries(): SeriesReader {
  const strings = ['__name__', 'm', 'instance', 'job', 'le'];
  const refs: number[] = [];
  const begin = [0];
  const chunkCount = seriesCount * chunksPerSeries;
  const bytes = new Uint8Array(chunkCount * samplesPerChunk * xorSampleBytesMax);
  const batch = {
    firstSeries: 0,
    chunkBegin: Uint32Array.from({ length: seriesCount + 1 }, (_, i) => i * chunksPerSeries),
    encoding: new Uint8Array(chunkCount).fill(ChunkEncoding.xor),
    minT: new Float64Array(chunkCount),
    maxT: new Float64Array(chunkCount),
    byteBegin: new Uint32Array(chunkCount + 1),
    bytes,
  };
  const state = new XorState();
  const value = new Float64Array(1);
  const bits = new Int32Array(value.buffer);
  let end = 0;
  for (let series = 0; series < seriesCount; series++) {
    const own = [`host-${series >> 2}`, `job-${(series >> 2) % 3}`, bounds[series % bounds.length] as string];
    refs.push(0, 1);
    for (const [i, text] of own.entries()) refs.push(2 + i, strings.push(text) - 1);
    begin.push(refs.length);
    for (let chunk = series * chunksPerSeries; chunk < (series + 1) * chunksPerSeries; chunk++) {
      beginXorChunk(state, bytes, end);
      const first = (chunk % chunksPerSeries) * samplesPerChunk;
      for (let i = first + 1; i <= first + samplesPerChunk; i++) {
        value[0] = i * (1 + (series % bounds.length)) + (i % 7) / 7;
        appendXor(state, i * scrapeMs, bits[1] as number, bits[0] as number);
      }
      batch.minT[chunk] = (first + 1) * scrapeMs;
      batch.maxT[chunk] = (first + samplesPerChunk) * scrapeMs;
      end += (state.bitPosition + 7) >> 3;
      batch.byteBegin[chunk + 1] = end;
    }
  }
  const labels = { strings, begin: Uint32Array.from(begin), refs: Uint32Array.from(refs) };
  return {
    select: () => {
      const batches: ChunkBatch[] = [batch];
      return { labels, warnings: [], next: () => batches.pop(), close: () => undefined };
    },
  };
}
