/** Whole queries over series in memory: nanoseconds per sample of the selected series, decoding included. */
import { ChunkEncoding } from '../model/encoding/chunk.ts';
import { appendXor, beginXorChunk, XorState } from '../model/encoding/float-chunk.ts';
import type { SeriesReader } from '../series/series-reader.ts';
import type { ChunkBatch } from '../series/series-source.ts';
import { bench } from '../std/testing/bench.ts';
import type { Prng } from '../std/testing/prng.ts';
import { createEngine } from './engine.ts';
import { parseExpr } from './syntax/parser.ts';

const samplesPerSeries = 1440;
const samplesPerChunk = 120;
const scrapeMs = 15_000;
const limits = { samplesMax: 0, memoryBytesMax: 0 };

/** Counters of which every eighth shares its `job`, in one batch. */
function counters(seriesCount: number, prng: Prng): SeriesReader {
  const strings = ['__name__', 'requests_total', 'instance', 'job'];
  const refs: number[] = [];
  const begin = [0];
  for (let series = 0; series < seriesCount; series++) {
    strings.push(`host-${series}`, `job-${series % 8}`);
    refs.push(0, 1, 2, strings.length - 2, 3, strings.length - 1);
    begin.push(refs.length);
  }
  const chunkCount = seriesCount * (samplesPerSeries / samplesPerChunk);
  const bytes = new Uint8Array(chunkCount * samplesPerChunk * 10);
  const batch = {
    firstSeries: 0,
    chunkBegin: Uint32Array.from({ length: seriesCount + 1 }, (_, i) => i * (samplesPerSeries / samplesPerChunk)),
    encoding: new Uint8Array(chunkCount).fill(ChunkEncoding.xor),
    minT: new Float64Array(chunkCount),
    maxT: new Float64Array(chunkCount),
    byteBegin: new Uint32Array(chunkCount + 1),
    bytes,
  };
  const state = new XorState();
  const bits = new Int32Array(2);
  const value = new Float64Array(bits.buffer);
  let end = 0;
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    beginXorChunk(state, bytes, end);
    const first = (chunk % (samplesPerSeries / samplesPerChunk)) * samplesPerChunk;
    if (first === 0) value[0] = 0;
    for (let i = first; i < first + samplesPerChunk; i++) {
      value[0] = (value[0] as number) + prng.below(50);
      appendXor(state, i * scrapeMs, bits[1] as number, bits[0] as number);
    }
    batch.minT[chunk] = first * scrapeMs;
    batch.maxT[chunk] = (first + samplesPerChunk - 1) * scrapeMs;
    end += (state.bitPosition + 7) >> 3;
    batch.byteBegin[chunk + 1] = end;
  }
  const labels = { strings, begin: Uint32Array.from(begin), refs: Uint32Array.from(refs) };
  return {
    select: () => {
      const batches: ChunkBatch[] = [batch];
      return { labels, warnings: [], next: () => batches.pop(), close: () => {} };
    },
  };
}

const engine = createEngine({
  flags: { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false },
  lookbackMs: 300_000,
  subqueryStepMs: 60_000,
});

for (const text of [
  'requests_total',
  'sum by (job) (rate(requests_total[5m]))',
  'sum(rate(requests_total[1h]))',
  'max_over_time(requests_total[1h])',
  'avg_over_time(requests_total[1h])',
  'requests_total / ignoring(x) requests_total',
  'topk(5, rate(requests_total[5m]))',
  'quantile(0.9, requests_total)',
]) {
  bench(
    `6 h at 60 s: ${text}`,
    { smokeCount: 2 * samplesPerSeries, fullCount: 1000 * samplesPerSeries },
    (count, prng) => {
      const seriesCount = count / samplesPerSeries;
      const reader = counters(seriesCount, prng);
      const expr = parseExpr(text);
      const request = {
        expr,
        text,
        startMs: 0,
        endMs: 21_600_000,
        stepMs: 60_000,
        limits,
        reader,
        checkCancelled: () => {},
      };
      return () => engine.query(request).series.reduce((sum, { v }) => sum + (v.at(-1) ?? 0), 0);
    },
  );
}
