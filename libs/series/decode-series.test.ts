import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ChunkEncoding } from '../model/encoding/chunk.ts';
import { decodeChunk } from '../model/encoding/decode-chunk.ts';
import {
  appendXor,
  beginXorChunk,
  XorState,
  xorHeaderBytes,
  xorSampleBytesMax,
} from '../model/encoding/float-chunk.ts';
import { appendXor2, beginXor2Chunk, Xor2State } from '../model/encoding/float-st-chunk.ts';
import { appendHistogram, beginHistogramChunk, type OpenHistogramChunk } from '../model/encoding/histogram-chunk.ts';
import { type Histogram, ResetHint } from '../model/histogram.ts';
import { SeriesDecoder } from './decode-series.ts';
import { makeColumns, mergeColumns } from './merge.ts';
import type { SampleColumns } from './sample-columns.ts';
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

  it('columns of a decoder that was closed serve the next one, and those of an open one nobody else', () => {
    const long: Chunk = Array.from({ length: 300 }, (_, i) => [i, i] as const);
    const first = new SeriesDecoder(selectionOf([[long]], 1), -1e9, 1e9);
    const firstColumns = first.next();
    const beside = new SeriesDecoder(selectionOf([[[[7, 70]]]], 1), -1e9, 1e9);
    const besideColumns = beside.next();
    assert.notEqual(besideColumns, firstColumns);
    first.close();
    first.close();
    const next = new SeriesDecoder(selectionOf([[[[1, 10]]]], 1), -1e9, 1e9);
    const nextColumns = next.next();
    const another = new SeriesDecoder(selectionOf([[[[2, 20]]]], 1), -1e9, 1e9);
    const anotherColumns = another.next();
    assert.equal(nextColumns, firstColumns);
    assert.notEqual(anotherColumns, nextColumns);
    for (const [{ length, t, v, st, h }, row] of [
      [nextColumns, [1, 10]],
      [anotherColumns, [2, 20]],
      [besideColumns, [7, 70]],
    ] as const) {
      assert.deepEqual([length, t[0], v[0], st, h], [1, ...row, null, null]);
    }
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

  it('chunks of histograms, floats and start times are merged as if each were merged into all before it', () => {
    const sample = fc.record({ t: fc.integer({ min: 0, max: 60 }), count: fc.integer({ min: 0, max: 5 }) });
    const chunk = fc.record({
      kind: fc.constantFrom('float' as const, 'float-st' as const, 'integer' as const, 'gauge' as const),
      samples: fc
        .uniqueArray(sample, { selector: ({ t }) => t, minLength: 1, maxLength: 6 })
        .map((samples) => samples.sort((a, b) => a.t - b.t)),
    });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 10 }), (chunks) => {
        const encoded = chunks.flatMap(({ kind, samples }) => encodeAs(kind, samples));
        encoded.sort((a, b) => a.minT - b.minT);
        const columns = decoderOf([encoded]).next();
        assert.deepEqual(withoutHints(columns), withoutHints(mergedOneByOne(encoded)));
        // What is known of resets depends on which runs met first. Whatever is said must be true.
        for (let i = 0; i < columns.length; i++) {
          const hint = columns.h?.[i]?.resetHint;
          const [before, count] = [columns.h?.[i - 1]?.count, columns.h?.[i]?.count ?? 0];
          if (hint === ResetHint.notReset) assert.ok(before !== undefined && before <= count);
          if (hint === ResetHint.reset && before !== undefined) assert.ok(before > count);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('thousands of chunks of histograms over one another are no more work than as many chunks of floats', {
    timeout: 120_000,
  }, async () => {
    const count = 8_000;
    const chunks = Array.from({ length: count }, (_, i) =>
      encodeAs(
        'integer',
        Array.from({ length: 32 }, (_, j) => ({ t: j * count + i, count: j })),
      ),
    ).flat();
    const { length, t, h } = decoderOf([chunks]).next();
    assert.equal(length, 32 * count);
    for (let i = 0; i < length; i++) assert.ok(t[i] === i && h?.[i]?.count === Math.floor(i / count));
    // Time for the timeout to be seen.
    await new Promise((resolve) => setTimeout(resolve, 1));
  });
});

interface EncodedChunk {
  readonly encoding: ChunkEncoding;
  readonly minT: number;
  readonly maxT: number;
  readonly bytes: Uint8Array;
}

/** Samples as chunks of one kind: several where a histogram's counter was reset. */
function encodeAs(
  kind: 'float' | 'float-st' | 'integer' | 'gauge',
  samples: readonly { readonly t: number; readonly count: number }[],
): EncodedChunk[] {
  const [minT, maxT] = [samples[0]?.t ?? 0, samples.at(-1)?.t ?? 0];
  if (kind === 'float') {
    return [{ encoding: ChunkEncoding.xor, minT, maxT, bytes: encode(samples.map(({ t, count }) => [t, count])) }];
  }
  if (kind === 'float-st') {
    const bytes = new Uint8Array(1024);
    const state = new Xor2State();
    beginXor2Chunk(state, bytes, 0);
    const value = new Float64Array(1);
    const bits = new Int32Array(value.buffer);
    for (const { t, count } of samples) {
      value[0] = count;
      appendXor2(state, 1000 + count, t, bits[1] as number, bits[0] as number);
    }
    return [{ encoding: ChunkEncoding.xor2, minT, maxT, bytes: bytes.slice(0, (state.bitPosition + 7) >> 3) }];
  }
  const chunks: EncodedChunk[] = [];
  let open: OpenHistogramChunk | null = null;
  let begin = minT;
  let last = minT;
  const close = (): void => {
    if (open !== null) chunks.push({ encoding: open.encoding, minT: begin, maxT: last, bytes: open.bytes().slice() });
  };
  for (const { t, count } of samples) {
    const h = histogramOf(count, kind === 'gauge');
    const next: OpenHistogramChunk =
      open === null ? beginHistogramChunk(null, 0, t, h) : appendHistogram(open, 0, t, h);
    if (next !== open) {
      close();
      begin = t;
    }
    open = next;
    last = t;
  }
  close();
  return chunks;
}

function histogramOf(count: number, isGauge: boolean): Histogram {
  return {
    integer: true,
    resetHint: isGauge ? 3 : 0,
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    count,
    sum: count,
    positiveSpans: Int32Array.of(0, 1),
    negativeSpans: new Int32Array(0),
    positiveBuckets: Float64Array.of(count),
    negativeBuckets: new Float64Array(0),
    customValues: new Float64Array(0),
    stale: false,
  };
}

function decoderOf(series: readonly (readonly EncodedChunk[])[]): SeriesDecoder {
  const chunks = series.flat();
  const byteBegin = new Uint32Array(chunks.length + 1);
  chunks.forEach(({ bytes }, i) => {
    byteBegin[i + 1] = (byteBegin[i] as number) + bytes.length;
  });
  let count = 0;
  const batch: ChunkBatch = {
    firstSeries: 0,
    chunkBegin: Uint32Array.of(0, ...series.map((list) => (count += list.length))),
    encoding: Uint8Array.from(chunks, ({ encoding }) => encoding),
    minT: Float64Array.from(chunks, ({ minT }) => minT),
    maxT: Float64Array.from(chunks, ({ maxT }) => maxT),
    byteBegin,
    bytes: Buffer.concat(chunks.map(({ bytes }) => bytes)),
  };
  const batches = [batch];
  const labels = { strings: [], begin: new Uint32Array(series.length + 1), refs: new Uint32Array(0) };
  const selection = { labels, warnings: [], next: () => batches.shift(), close: () => {} };
  return new SeriesDecoder(selection, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
}

/** The same by the plain rule: chunk by chunk, each that overlaps merged into all before it. */
function mergedOneByOne(chunks: readonly EncodedChunk[]): SampleColumns {
  let all = makeColumns(0);
  for (const { encoding, minT, bytes } of chunks) {
    if (all.length === 0 || minT > (all.t[all.length - 1] as number)) {
      all.length = decodeChunk(encoding, bytes, 0, bytes.length, all, all.length);
      continue;
    }
    const one = makeColumns(0);
    one.length = decodeChunk(encoding, bytes, 0, bytes.length, one, 0);
    const merged = makeColumns(0);
    mergeColumns(all, one, merged);
    all = merged;
  }
  return all;
}

function withoutHints({ length, t, v, st, h }: SampleColumns): unknown[] {
  return Array.from({ length }, (_, i) => {
    const histogram = h?.[i] ?? null;
    const known = histogram && { ...histogram, resetHint: undefined, isGauge: histogram.resetHint === ResetHint.gauge };
    return { t: t[i], st: st?.[i] ?? 0, v: histogram === null ? v[i] : 0, h: known };
  });
}
