import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf from 'protobufjs';
import { crc32c } from '../model/encoding/crc32c.ts';
import { type Histogram, ResetHint, staleHistogram } from '../model/histogram.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { ProtobufWriter } from './protobuf-writer.ts';
import { writeChunkFrames, writeTimeSeries } from './read-response.ts';

const schema = protobuf.parse(`syntax = "proto3";
message Label { string name = 1; string value = 2; }
message Sample { fixed64 value = 1; int64 timestamp = 2; }
message Span { sint32 offset = 1; uint32 length = 2; }
message Histogram {
  oneof count { uint64 count_int = 1; double count_float = 2; }
  fixed64 sum = 3; sint32 schema = 4; double zero_threshold = 5;
  oneof zero_count { uint64 zero_count_int = 6; double zero_count_float = 7; }
  repeated Span negative_spans = 8; repeated sint64 negative_deltas = 9; repeated double negative_counts = 10;
  repeated Span positive_spans = 11; repeated sint64 positive_deltas = 12; repeated double positive_counts = 13;
  int32 reset_hint = 14; int64 timestamp = 15; repeated double custom_values = 16;
}
message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; repeated Histogram histograms = 4; }
message QueryResult { repeated TimeSeries timeseries = 1; }
message Chunk { int64 min_time_ms = 1; int64 max_time_ms = 2; int32 type = 3; bytes data = 4; }
message ChunkedSeries { repeated Label labels = 1; repeated Chunk chunks = 2; }
message ChunkedReadResponse { repeated ChunkedSeries chunked_series = 1; int64 query_index = 2; }`).root;

function decoded(type: string, bytes: Uint8Array): unknown {
  const found = schema.lookupType(type);
  return found.toObject(found.decode(bytes), { longs: String, bytes: Array });
}

/** The bits of a float as protobufjs shows a fixed64. */
function bits(hi: number, lo: number): string {
  return String((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0));
}

function bitsOf(value: number): string {
  const words = new Uint32Array(Float64Array.of(value).buffer);
  return bits(words[1] as number, words[0] as number);
}

const integers: Histogram = {
  ...staleHistogram(true),
  stale: false,
  resetHint: ResetHint.reset,
  schema: -2,
  zeroThreshold: 0.5,
  zeroCount: 1,
  count: 2 ** 52,
  sum: -3.5,
  positiveSpans: Int32Array.of(-3, 2, 4, 1),
  positiveBuckets: Float64Array.of(5, 2, 9),
  negativeSpans: Int32Array.of(0, 1),
  negativeBuckets: Float64Array.of(7),
};
const customs: Histogram = {
  ...staleHistogram(false),
  stale: false,
  schema: -53,
  count: 1.5,
  sum: 1,
  resetHint: ResetHint.gauge,
  positiveSpans: Int32Array.of(0, 1),
  positiveBuckets: Float64Array.of(1.5),
  customValues: Float64Array.of(0.25, 1),
};

describe('samples', () => {
  // What is 0 is not shown, unless it says which kind of histogram it is.
  it('of every kind come back as they were', () => {
    const v = new Float64Array(5);
    v[0] = 1e-7;
    const vBits = new Int32Array(v.buffer);
    vBits.set([2, 0x7ff00000], 2);
    const rows = {
      t: Float64Array.of(-1, 0, 1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_002),
      v,
      vBits,
      st: null,
      h: [null, null, integers, customs, staleHistogram(true)],
    };
    const out = new ProtobufWriter();
    writeTimeSeries(out, ['__name__', 'x', 'wave', '\u{1f30a}'], rows, 0, 5);
    assert.deepEqual(decoded('QueryResult', out.sink.written()), {
      timeseries: [
        {
          labels: [
            { name: '__name__', value: 'x' },
            { name: 'wave', value: '\u{1f30a}' },
          ],
          samples: [{ value: bitsOf(1e-7), timestamp: '-1' }, { value: bits(0x7ff00000, 2) }],
          histograms: [
            {
              countInt: String(2 ** 52),
              sum: bitsOf(-3.5),
              schema: -2,
              zeroThreshold: 0.5,
              zeroCountInt: '1',
              negativeSpans: [{ length: 1 }],
              negativeDeltas: ['7'],
              positiveSpans: [
                { offset: -3, length: 2 },
                { offset: 4, length: 1 },
              ],
              positiveDeltas: ['5', '-3', '7'],
              resetHint: 1,
              timestamp: '1700000000000',
            },
            {
              countFloat: 1.5,
              sum: bitsOf(1),
              schema: -53,
              zeroCountFloat: 0,
              positiveSpans: [{ length: 1 }],
              positiveCounts: [1.5],
              resetHint: 3,
              timestamp: '1700000000001',
              customValues: [0.25, 1],
            },
            {
              countInt: '0',
              sum: bits(0x7ff00000, 2),
              zeroCountInt: '0',
              timestamp: '1700000000002',
            },
          ],
        },
      ],
    });
  });
});

describe('a sample', () => {
  it('has its time exactly, whatever that is', () => {
    for (const t of [
      1,
      2 ** 28 - 1,
      2 ** 28,
      2 ** 35,
      2 ** 35 - 1,
      1_700_000_000_123,
      2 ** 49,
      2 ** 53 - 1,
      -(2 ** 40),
    ]) {
      const v = new Float64Array([1.5]);
      const rows = { t: Float64Array.of(t), v, vBits: new Int32Array(v.buffer), st: null, h: null };
      const out = new ProtobufWriter();
      writeTimeSeries(out, [], rows, 0, 1);
      assert.deepEqual(decoded('QueryResult', out.sink.written()), {
        timeseries: [{ samples: [{ value: bitsOf(1.5), timestamp: String(t) }] }],
      });
    }
  });
});

describe('numbers', () => {
  it('of 64 bits come back exactly', () => {
    const type = schema.lookupType('Sample');
    for (const value of [1, 127, 128, -1, -128, -(2 ** 31), -(2 ** 32) - 1, 2 ** 53 - 1, -(2 ** 53) + 1]) {
      const out = new ProtobufWriter();
      out.int64(2, value);
      assert.deepEqual(type.toObject(type.decode(out.sink.written()), { longs: String }), { timestamp: String(value) });
    }
  });
});

/** The messages of the frames, their checksums checked. */
function framesOf(bytes: Uint8Array): unknown[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const messages: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    assert.equal(view.getUint32(at, false), crc32c(bytes, at + 4, at + 4 + length) >>> 0);
    messages.push(decoded('ChunkedReadResponse', bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return messages;
}

describe('chunks', () => {
  it('go into frames, and into another where one is full', () => {
    const half = 600_000;
    const bytes = new Uint8Array(3 * half).fill(7);
    const chunks = {
      encoding: [1, 2, 3],
      minT: [0, 10, 20],
      maxT: [9, 19, 29],
      byteBegin: [0, half, 2 * half, 3 * half],
      bytes,
    };
    const out = new ByteSink();
    writeChunkFrames(out, 1, ['a', 'b'], chunks, 0, 3);
    const label = { name: 'a', value: 'b' };
    const data = Array.from(bytes.subarray(0, half));
    assert.deepEqual(framesOf(out.written()), [
      {
        chunkedSeries: [
          {
            labels: [label],
            chunks: [
              { maxTimeMs: '9', type: 1, data },
              { minTimeMs: '10', maxTimeMs: '19', type: 2, data },
            ],
          },
        ],
        queryIndex: '1',
      },
      {
        chunkedSeries: [{ labels: [label], chunks: [{ minTimeMs: '20', maxTimeMs: '29', type: 3, data }] }],
        queryIndex: '1',
      },
    ]);
  });
});
