import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf from 'protobufjs';
import { Failure } from '../../libs/errors/failure.ts';
import { ChunkEncoding } from '../../libs/model/encoding/chunk.ts';
import { SnappyDecoder } from '../../libs/model/encoding/snappy.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import { makeColumns } from '../../libs/series/merge.ts';
import type { SeriesReader } from '../../libs/series/series-reader.ts';
import type { ChunkBatch } from '../../libs/series/series-source.ts';
import { ChunkColumns, encodeChunks } from '../../libs/tsdb/block/encode-chunks.ts';
import { ReadForm } from '../../libs/wire/read-request.ts';
import { executeRead } from './execute-read.ts';

const schema = protobuf.parse(`syntax = "proto3";
message Label { string name = 1; string value = 2; }
message Sample { double value = 1; int64 timestamp = 2; }
message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; }
message QueryResult { repeated TimeSeries timeseries = 1; }
message ReadResponse { repeated QueryResult results = 1; }
message Chunk { int64 min_time_ms = 1; int64 max_time_ms = 2; int32 type = 3; }
message ChunkedSeries { repeated Label labels = 1; repeated Chunk chunks = 2; }
message ChunkedReadResponse { repeated ChunkedSeries chunked_series = 1; int64 query_index = 2; }`).root;

type Chunk = readonly (readonly [t: number, v: number])[];

/** Series by the value of their one label, in this order, each a batch of its own. */
function readerOf(series: readonly (readonly [label: string, chunks: readonly Chunk[]])[]): SeriesReader {
  return {
    select: () => {
      const strings = ['a', ...series.map(([label]) => label)];
      const refs = Uint32Array.from(series.flatMap((_, i) => [0, i + 1]));
      const begin = Uint32Array.from({ length: series.length + 1 }, (_, i) => i * 2);
      const batches = series.map(([, chunks], i) => batchOf(i, chunks));
      return { labels: { strings, begin, refs }, warnings: [], next: () => batches.shift(), close: () => {} };
    },
  };
}

function batchOf(firstSeries: number, chunks: readonly Chunk[]): ChunkBatch {
  const encoded = chunks.map((chunk) => {
    const columns = makeColumns(chunk.length);
    chunk.forEach(([t, v], row) => {
      columns.t[row] = t;
      columns.v[row] = v;
    });
    const chunks = new ChunkColumns();
    encodeChunks(columns, 0, chunk.length, chunk.length, chunks);
    return chunks.bytes.slice(0, chunks.byteBegin[1]);
  });
  let at = 0;
  return {
    firstSeries,
    chunkBegin: Uint32Array.of(0, chunks.length),
    encoding: new Uint8Array(chunks.length).fill(ChunkEncoding.xor),
    minT: Float64Array.from(chunks, (chunk) => chunk[0]?.[0] ?? 0),
    maxT: Float64Array.from(chunks, (chunk) => chunk.at(-1)?.[0] ?? 0),
    byteBegin: Uint32Array.of(0, ...encoded.map(({ length }) => (at += length))),
    bytes: Buffer.concat(encoded),
  };
}

interface Limits {
  readonly samplesMax?: number;
  readonly memoryBytesMax?: number;
}

const anything = [{ type: '=~', name: 'a', value: '.+' }] as const;

function run(
  form: ReadForm,
  reader: SeriesReader,
  limits: Limits = {},
  checkStopped = () => {},
  matchers: readonly Matcher[] = anything,
): Uint8Array {
  const chunks: Uint8Array[] = [];
  const output = new JsonBytes((chunk) => chunks.push(chunk));
  const query = { matchers, minT: 2, maxT: 1000 };
  const noLimits = { samplesMax: 0, memoryBytesMax: 0 };
  executeRead({
    queries: [query, query],
    form,
    reader,
    output,
    limits: { ...noLimits, ...limits },
    checkStopped,
  });
  output.finish();
  return Buffer.concat(chunks);
}

function samplesOf(body: Uint8Array): unknown {
  const decoder = new SnappyDecoder();
  const length = decoder.decode(body, 1 << 20);
  const type = schema.lookupType('ReadResponse');
  return type.toObject(type.decode(decoder.bytes.subarray(0, length)), { longs: Number });
}

/** The label and the chunks of every frame. */
function framesOf(body: Uint8Array): unknown[] {
  const type = schema.lookupType('ChunkedReadResponse');
  const frames: unknown[] = [];
  for (let at = 0; at < body.length; ) {
    const length = body[at] as number;
    assert.ok(length < 0x80, 'frames of this test are short');
    const message = type.toObject(type.decode(body.subarray(at + 5, at + 5 + length)), { longs: Number }) as {
      chunkedSeries: { labels: { value: string }[]; chunks: { minTimeMs: number; maxTimeMs: number }[] }[];
      queryIndex?: number;
    };
    const [series] = message.chunkedSeries;
    const chunks = series?.chunks.map(({ minTimeMs, maxTimeMs }) => `${minTimeMs}-${maxTimeMs}`);
    frames.push(`${message.queryIndex ?? 0} ${series?.labels[0]?.value} ${chunks}`);
    at += 5 + length;
  }
  return frames;
}

const two = readerOf([
  [
    'y',
    [
      [
        [1, 10],
        [2, 20],
      ],
      [[5, 50]],
    ],
  ],
  // Of the first, the last sample came late, into the middle of the second.
  [
    'x',
    [
      [
        [2, 1],
        [9, 2],
      ],
      [
        [4, 3],
        [6, 4],
      ],
    ],
  ],
]);

describe('a remote read of samples', () => {
  it('has those within the times of each query', () => {
    const sample = (timestamp: number, value: number) => ({ value, timestamp });
    const label = (value: string) => [{ name: 'a', value }];
    const result = {
      timeseries: [
        { labels: label('y'), samples: [sample(2, 20), sample(5, 50)] },
        { labels: label('x'), samples: [sample(2, 1), sample(4, 3), sample(6, 4), sample(9, 2)] },
      ],
    };
    assert.deepEqual(samplesOf(run(ReadForm.samples, two)), { results: [result, result] });
  });

  it('ends at its maximum of samples, and of memory', () => {
    assert.throws(() => run(ReadForm.samples, two, { samplesMax: 5 }), {
      kind: 'bad_data',
      message: 'exceeded sample limit (5)',
    });
    assert.ok(run(ReadForm.samples, two, { samplesMax: 6 }).length > 0);
    assert.throws(() => run(ReadForm.samples, two, { memoryBytesMax: 100 }), Failure);
  });
});

it('a remote read of no selector has nothing', () => {
  const [samples, chunks] = [ReadForm.samples, ReadForm.streamedChunks].map((form) =>
    run(form, two, {}, undefined, []),
  );
  assert.deepEqual(samplesOf(samples ?? new Uint8Array()), { results: [{}, {}] });
  assert.equal(chunks?.length, 0);
});

it('a remote read of samples can be stopped between series that are long', () => {
  const chunk: Chunk = Array.from({ length: 60_000 }, (_, i) => [i + 1, i % 3]);
  const series = Array.from({ length: 12 }, (_, i) => [`s${i}`, [chunk]] as const);
  let taken = 0;
  const reader: SeriesReader = {
    select: (query) => {
      const selection = readerOf(series).select(query);
      return {
        ...selection,
        next: () => {
          taken++;
          return selection.next();
        },
      };
    },
  };
  const lookedAt = new Set<number>();
  run(ReadForm.samples, reader, {}, () => void lookedAt.add(taken));
  assert.ok(lookedAt.size >= 8, `after ${[...lookedAt]} of ${taken} series`);
});

describe('a remote read of chunks', () => {
  it('has them as they are, in the order of labels, and merged where they lie over one another', () => {
    assert.deepEqual(framesOf(run(ReadForm.streamedChunks, two)), ['0 x 2-9', '0 y 1-2,5-5', '1 x 2-9', '1 y 1-2,5-5']);
  });

  it('holds no more than its maximum of memory', () => {
    assert.throws(() => run(ReadForm.streamedChunks, two, { memoryBytesMax: 50 }), /more than the 50 bytes/);
  });
});
