import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ChunkEncoding } from '../model/encoding/chunk.ts';
import {
  appendXor,
  beginXorChunk,
  XorState,
  xorHeaderBytes,
  xorSampleBytesMax,
} from '../model/encoding/float-chunk.ts';
import { SeriesDecoder } from './decode-series.ts';
import type { SeriesSelection } from './series-reader.ts';
import type { ChunkBatch } from './series-source.ts';

/** A chunk as its samples: times and whole values. */
type Chunk = readonly (readonly [t: number, value: number])[];

function encode(chunk: Chunk): Uint8Array {
  const bytes = new Uint8Array(xorHeaderBytes + (chunk.length + 1) * xorSampleBytesMax);
  const state = new XorState();
  beginXorChunk(state, bytes, 0);
  const value = new Float64Array(1);
  const bits = new Int32Array(value.buffer);
  for (const [t, v] of chunk) {
    value[0] = v;
    appendXor(state, t, bits[1] as number, bits[0] as number);
  }
  return bytes.slice(0, (state.bitPosition + 7) >> 3);
}

/** Series as lists of chunks, in batches of so many series. */
function selectionOf(series: readonly (readonly Chunk[])[], seriesPerBatch: number): SeriesSelection {
  const batches: ChunkBatch[] = [];
  for (let first = 0; first < series.length; first += seriesPerBatch) {
    const own = series.slice(first, first + seriesPerBatch);
    const chunks = own.flat();
    const encoded = chunks.map(encode);
    const byteBegin = new Uint32Array(chunks.length + 1);
    encoded.forEach((bytes, i) => {
      byteBegin[i + 1] = (byteBegin[i] as number) + bytes.length;
    });
    let count = 0;
    batches.push({
      firstSeries: first,
      chunkBegin: Uint32Array.of(0, ...own.map((list) => (count += list.length))),
      encoding: new Uint8Array(chunks.length).fill(ChunkEncoding.xor),
      minT: Float64Array.from(chunks, (chunk) => chunk[0]?.[0] ?? 0),
      maxT: Float64Array.from(chunks, (chunk) => chunk.at(-1)?.[0] ?? 0),
      byteBegin,
      bytes: Buffer.concat(encoded),
    });
  }
  const labels = { strings: [], begin: new Uint32Array(series.length + 1), refs: new Uint32Array(0) };
  return { labels, warnings: [], next: () => batches.shift(), close: () => {} };
}

function decoded(series: readonly (readonly Chunk[])[], seriesPerBatch: number, minT = -1e9, maxT = 1e9): number[][][] {
  const decoder = new SeriesDecoder(selectionOf(series, seriesPerBatch), minT, maxT);
  return series.map(() => {
    const { length, t, v } = decoder.next();
    return Array.from({ length }, (_, i) => [t[i] as number, v[i] as number]);
  });
}

describe('SeriesDecoder', () => {
  it('chunks of a series follow one another, overlap, or are not there', () => {
    const series: Chunk[][] = [
      [
        [
          [1, 10],
          [2, 20],
        ],
        [[3, 30]],
      ],
      [],
      [
        [
          [1, 1],
          [5, 5],
        ],
        [
          [2, 2],
          [5, 7],
          [6, 6],
        ],
        [[4, 4]],
      ],
    ];
    for (const seriesPerBatch of [1, 2, 3]) {
      assert.deepEqual(decoded(series, seriesPerBatch), [
        [
          [1, 10],
          [2, 20],
          [3, 30],
        ],
        [],
        [
          [1, 1],
          [2, 2],
          [4, 4],
          [5, 7],
          [6, 6],
        ],
      ]);
    }
  });

  it('chunks that cannot count are not decoded', () => {
    const series: Chunk[][] = [
      [
        [
          [1, 1],
          [2, 2],
        ],
        [
          [3, 3],
          [4, 4],
        ],
        [[5, 5]],
      ],
    ];
    assert.deepEqual(decoded(series, 1, 3, 4), [
      [
        [3, 3],
        [4, 4],
      ],
    ]);
  });

  it('any chunks of a series give each timestamp once, with its largest value', () => {
    const chunk = fc
      .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 9 })), {
        selector: ([t]) => t,
        minLength: 1,
        maxLength: 10,
      })
      .map((samples) => samples.sort(([a], [b]) => a - b));
    const chunks = fc
      .array(chunk, { maxLength: 12 })
      .map((list) => list.sort((a, b) => (a[0]?.[0] ?? 0) - (b[0]?.[0] ?? 0)));
    fc.assert(
      fc.property(
        fc.array(chunks, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (series, perBatch) => {
          const expected = series.map((list) => {
            const best = new Map<number, number>();
            for (const [t, v] of list.flat()) best.set(t, Math.max(v, best.get(t) ?? 0));
            return [...best].sort(([a], [b]) => a - b);
          });
          assert.deepEqual(decoded(series, perBatch), expected);
        },
      ),
    );
  });

  it('thousands of chunks that lie over one another take no longer than as many that do not', {
    timeout: 20_000,
  }, async () => {
    // Late samples of one series, 32 a chunk: merging each into all before it took minutes.
    const count = 12_000;
    const chunks = Array.from({ length: count }, (_, i): Chunk => {
      return Array.from({ length: 32 }, (_, j) => [j * count + i, i] as const);
    });
    const [samples] = decoded([chunks], 1);
    assert.equal(samples?.length, 32 * count);
    assert.ok(samples?.every(([t, v], i) => t === i && v === i % count));
    // Time for the timeout to be seen.
    await new Promise((resolve) => setTimeout(resolve, 1));
  });
});
