/**
 * A remote read in its worker: series of selectors become samples in one message, or chunks in frames.
 * Owns the order of series and what is held in memory until it can be sent. Samples need the length of everything in front, so
 * they are held; chunks stream as they come where the source has its series in the order of their labels, which is what a
 * reader merges by, and are held encoded and put into that order where it has not. Does not own the bytes (libs/wire).
 */
import { Failure } from '../../libs/errors/failure.ts';
import { encodeSnappy } from '../../libs/model/encoding/snappy-encoder.ts';
import { compareLabels } from '../../libs/model/labels.ts';
import type { QueryLimits } from '../../libs/promql/execute/execution-context.ts';
import type { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import { SeriesDecoder } from '../../libs/series/decode-series.ts';
import { labelsAt } from '../../libs/series/labels-at.ts';
import type { SampleColumns } from '../../libs/series/sample-columns.ts';
import type { SeriesReader, SeriesSelection } from '../../libs/series/series-reader.ts';
import { type ChunkBatch, seriesCountOf } from '../../libs/series/series-source.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import { ChunkColumns, encodeChunks } from '../../libs/tsdb/block/encode-chunks.ts';
import { ProtobufWriter } from '../../libs/wire/protobuf-writer.ts';
import { ReadForm, type ReadQuery } from '../../libs/wire/read-request.ts';
import { writeChunkFrames, writeTimeSeries } from '../../libs/wire/read-response.ts';
import { checkMemory } from './answer-memory.ts';

export interface ReadJob {
  readonly queries: readonly ReadQuery[];
  readonly form: ReadForm;
  readonly reader: SeriesReader;
  readonly output: JsonBytes;
  readonly limits: QueryLimits;
  readonly checkStopped: () => void;
}

const samplesPerCheck = 1 << 17;
/** What a series is counted for beside its samples. */
const samplesPerSeries = 500;
/** Samples of a chunk that is encoded anew, as Prometheus cuts them. */
const mergedChunkSamples = 120;
/** Frames are handed on when there are so many bytes of them. */
const framesBytesMax = 1 << 16;

/** Writes the answer; a query without a matcher has nothing, as in Prometheus. @returns samples that were read, 0 where chunks went out as they were. @throws Failure */
export function executeRead(job: ReadJob): number {
  return job.form === ReadForm.streamedChunks ? streamChunks(job) : writeSamples(job);
}

function writeSamples({ queries, reader, output, limits, checkStopped }: ReadJob): number {
  const answer = new ProtobufWriter();
  let total = 0;
  for (const { matchers, minT, maxT } of queries) {
    const result = answer.begin(1);
    if (matchers.length === 0) {
      answer.end(result);
      continue;
    }
    const selection = reader.select({ matchers, minT, maxT });
    const decoder = new SeriesDecoder(selection, minT, maxT);
    let samples = 0;
    let unchecked = samplesPerCheck;
    for (let series = 0; series < seriesCountOf(selection.labels); series++) {
      if (unchecked >= samplesPerCheck) {
        checkStopped();
        unchecked = 0;
      }
      const columns = decoder.next();
      unchecked += samplesPerSeries + columns.length;
      const { begin, end } = rowsWithin(columns, minT, maxT);
      if (begin === end) continue;
      samples += end - begin;
      // Prometheus' words for its own maximum, which is one of samples, too.
      if (limits.samplesMax > 0 && samples > limits.samplesMax) {
        throw new Failure('bad_data', `exceeded sample limit (${limits.samplesMax})`);
      }
      writeTimeSeries(answer, labelsAt(selection.labels, series).pairs, columns, begin, end);
      checkMemory(answer.sink.bytes.length, limits);
    }
    decoder.close();
    answer.end(result);
    total += samples;
  }
  encodeSnappy(answer.sink.written(), (piece) => {
    checkStopped();
    output.block(piece);
  });
  return total;
}

function streamChunks({ queries, reader, output, limits, checkStopped }: ReadJob): number {
  queries.forEach(({ matchers, minT, maxT }, queryIndex) => {
    if (matchers.length === 0) return;
    const selection = reader.select({ matchers, minT, maxT });
    const labels = Array.from({ length: seriesCountOf(selection.labels) }, (_, series) =>
      labelsAt(selection.labels, series),
    );
    const held: { readonly series: number; readonly frames: Uint8Array }[] = [];
    const inOrder = labels.every((one, i) => i === 0 || compareLabels(labels[i - 1], one) <= 0);
    const frames = new ByteSink(framesBytesMax * 2);
    let heldBytes = 0;
    for (let batch = selection.next(); batch !== undefined; batch = selection.next()) {
      checkStopped();
      const { firstSeries, chunkBegin } = batch;
      for (let i = 0; i + 1 < chunkBegin.length; i++) {
        const { pairs } = labels[firstSeries + i];
        if (overlaps(batch, i)) {
          const rows = mergedRows(selection, batch, i, minT, maxT);
          writeChunkFrames(frames, queryIndex, pairs, rows, 0, rows.count);
        } else {
          writeChunkFrames(frames, queryIndex, pairs, batch, chunkBegin[i], chunkBegin[i + 1]);
        }
        if (!inOrder) {
          held.push({ series: firstSeries + i, frames: frames.written().slice() });
          heldBytes += frames.length;
          checkMemory(heldBytes, limits);
          frames.reset();
        } else if (frames.length >= framesBytesMax) {
          output.block(frames.written());
          frames.reset();
        }
      }
      selection.release?.(batch);
    }
    output.block(frames.written());
    held.sort((a, b) => compareLabels(labels[a.series], labels[b.series]));
    for (const { frames: bytes } of held) output.block(bytes);
  });
  return 0;
}

/** The rows from minT to maxT: a chunk is decoded whole. */
function rowsWithin({ t, length }: SampleColumns, minT: number, maxT: number): { begin: number; end: number } {
  let begin = 0;
  let end = length;
  while (begin < end && t[begin] < minT) begin++;
  while (end > begin && t[end - 1] > maxT) end--;
  return { begin, end };
}

/** Whether chunks of series `i` of the batch lie over one another: whoever reads the stream walks them one after another. */
function overlaps({ chunkBegin, minT, maxT }: ChunkBatch, i: number): boolean {
  for (let chunk = chunkBegin[i] + 1; chunk < chunkBegin[i + 1]; chunk++) {
    if (minT[chunk] <= maxT[chunk - 1]) return true;
  }
  return false;
}

function mergedRows(
  { labels, warnings }: SeriesSelection,
  batch: ChunkBatch,
  i: number,
  minT: number,
  maxT: number,
): ChunkColumns {
  const alone = { ...batch, firstSeries: 0, chunkBegin: batch.chunkBegin.subarray(i, i + 2) };
  const one = { labels, warnings, next: () => alone, close: () => {} };
  const columns = new SeriesDecoder(one, minT, maxT).next();
  const { begin, end } = rowsWithin(columns, minT, maxT);
  const chunks = new ChunkColumns();
  encodeChunks(columns, begin, end, mergedChunkSamples, chunks);
  return chunks;
}
