import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../errors/failure.ts';
import { type Histogram, ResetHint, staleHistogram } from '../histogram.ts';
import { bucketIndexes } from '../histogram-spans.ts';
import { ChunkEncoding } from './chunk.ts';
import { newColumns } from './float-samples.testing.ts';
import { histogramFixtures } from './histogram-chunk.fixtures.ts';
import {
  appendHistogram,
  beginHistogramChunk,
  loadHistogramChunk,
  type OpenHistogramChunk,
} from './histogram-chunk.ts';
import { histogramSampleCount, ResetHeader } from './histogram-chunk-header.ts';
import { decodeHistogramInto } from './histogram-chunk-reader.ts';
import { chunksOf, type HistogramSample, parseHistogramSamples } from './histogram-samples.testing.ts';
import type { SampleRows } from './sample-rows.ts';

function hex(chunk: OpenHistogramChunk): string {
  return Buffer.from(chunk.bytes()).toString('hex');
}

function decode(chunk: OpenHistogramChunk): SampleRows {
  const columns = newColumns(chunk.count);
  const bytes = chunk.bytes();
  assert.equal(decodeHistogramInto(chunk.encoding, bytes, 0, bytes.length, columns, 0), chunk.count);
  return columns;
}

/** What a histogram says, whatever its spans and empty buckets. */
function meaning(h: Histogram): unknown {
  if (h.stale) return 'stale';
  const filled = (spans: Int32Array, counts: Float64Array): [number, number][] =>
    [...bucketIndexes(spans)].flatMap((bucket, i) => (counts[i] === 0 ? [] : [[bucket, counts[i]]]));
  const { schema, zeroThreshold, zeroCount, count, sum, customValues } = h;
  const positive = filled(h.positiveSpans, h.positiveBuckets);
  const negative = filled(h.negativeSpans, h.negativeBuckets);
  return { schema, zeroThreshold, zeroCount, count, sum, customValues, positive, negative };
}

const counter: Histogram = {
  integer: true,
  resetHint: ResetHint.unknown,
  schema: 1,
  zeroThreshold: 0.001,
  zeroCount: 2,
  count: 12,
  sum: 18.4,
  positiveSpans: Int32Array.of(0, 2, 1, 2),
  negativeSpans: Int32Array.of(),
  positiveBuckets: Float64Array.of(1, 2, 3, 4),
  negativeBuckets: Float64Array.of(),
  customValues: Float64Array.of(),
  stale: false,
};

describe('histogram chunks', () => {
  for (const { name, resetHint, bucketsBefore } of [
    { name: 'a gauge', resetHint: ResetHint.gauge, bucketsBefore: 0 },
    { name: 'a counter', resetHint: ResetHint.unknown, bucketsBefore: 0 },
    { name: 'a gauge of many buckets', resetHint: ResetHint.gauge, bucketsBefore: 2000 },
  ]) {
    it(`are not written anew for every sample that brings another bucket: ${name}`, () => {
      const isGauge = resetHint === ResetHint.gauge;
      const samples: HistogramSample[] = Array.from({ length: 300 }, (_, i) => {
        const size = i === 0 && bucketsBefore > 0 ? bucketsBefore : isGauge ? 1 : i + 1;
        const positiveSpans = Int32Array.of(isGauge && size === 1 ? bucketsBefore + i : 0, size);
        const positiveBuckets = new Float64Array(size).fill(1);
        return {
          st: 0,
          t: i,
          h: { ...counter, resetHint, count: size + counter.zeroCount, positiveSpans, positiveBuckets },
        };
      });
      const chunks = chunksOf(samples, Number.POSITIVE_INFINITY);
      const rewritten = chunks.reduce((sum, chunk) => sum + chunk.rewritten, 0);
      const held = chunks.reduce((sum, chunk) => sum + chunk.held, 0);
      assert.ok(rewritten < 16 * held, `${rewritten} of ${held} written anew`);
      const decoded = chunks.flatMap((chunk) => decode(chunk).h?.slice(0, chunk.count) ?? []);
      assert.deepEqual(
        decoded.map((h) => meaning(h as Histogram)),
        samples.map(({ h }) => meaning(h)),
      );
    });
  }

  it('are not begun anew for as many buckets as a histogram finds in its first minutes', () => {
    const samples: HistogramSample[] = Array.from({ length: 100 }, (_, i) => {
      const size = Math.min(i + 1, 30);
      const positiveBuckets = new Float64Array(size).fill(1);
      return {
        st: 0,
        t: i,
        h: { ...counter, count: size + counter.zeroCount, positiveSpans: Int32Array.of(0, size), positiveBuckets },
      };
    });
    assert.equal(chunksOf(samples, Number.POSITIVE_INFINITY).length, 1);
  });

  for (const { name, integer, samples, chunks } of histogramFixtures) {
    const parsed = parseHistogramSamples(samples, integer);
    it(`writes the bytes of Prometheus: ${name}`, () => {
      assert.deepEqual(chunksOf(parsed, 9).map(hex), chunks);
    });
    it(`reads the samples of Prometheus: ${name}`, () => {
      let row = 0;
      for (const chunk of chunksOf(parsed, 9)) {
        const columns = decode(chunk);
        for (let i = 0; i < chunk.count; i++, row++) {
          const { t, st, h } = parsed[row] as HistogramSample;
          const read = columns.h?.[i] as Histogram;
          assert.deepEqual([columns.t[i], columns.st?.[i]], [t, st]);
          assert.deepEqual(meaning(read), meaning(h));
          const hintLater = chunk.header === ResetHeader.gauge ? ResetHint.gauge : ResetHint.notReset;
          const hintFirst = chunk.header === ResetHeader.gauge ? ResetHint.gauge : ResetHint.unknown;
          assert.equal(read.resetHint, h.stale ? ResetHint.unknown : i === 0 ? hintFirst : hintLater);
        }
      }
      assert.equal(row, parsed.length);
    });
    it(`goes on from any chunk it loads: ${name}`, () => {
      for (const chunk of chunksOf(parsed, 9)) {
        const columns = decode(chunk);
        const at = (i: number): [number, number, Histogram] => {
          const h = columns.h?.[i] as Histogram;
          // A gauge is told by its samples, a reset by the header alone.
          return [columns.st?.[i] ?? 0, columns.t[i], h.stale ? { ...h, resetHint: hintOf(chunk) } : h];
        };
        for (let cut = 1; cut < chunk.count; cut++) {
          const direct = beginHistogramChunk(null, ...at(0));
          for (let i = 1; i < cut; i++) assert.equal(appendHistogram(direct, ...at(i)), direct);
          const bytes = direct.bytes();
          const shifted = new Uint8Array(bytes.length + 5).fill(0xff);
          shifted.set(bytes, 3);
          const loaded = loadHistogramChunk(direct.encoding, shifted, 3, 3 + bytes.length);
          for (let i = cut; i < chunk.count; i++) {
            assert.equal(appendHistogram(direct, ...at(i)), direct);
            assert.equal(appendHistogram(loaded, ...at(i)), loaded);
            assert.equal(hex(loaded), hex(direct));
          }
        }
      }
    });
    it(`refuses chunks that were cut or changed: ${name}`, () => {
      const chunk = chunksOf(parsed, 9)[0] as OpenHistogramChunk;
      const bytes = Uint8Array.from(chunk.bytes());
      const columns = newColumns(0x10000);
      for (let end = 0; end < bytes.length; end++) {
        assert.throws(() => decodeHistogramInto(chunk.encoding, bytes, 0, end, columns, 0), Failure, `cut at ${end}`);
      }
      for (let bit = 24; bit < bytes.length * 8; bit++) {
        bytes[bit >>> 3] ^= 0x80 >>> (bit & 7);
        try {
          decodeHistogramInto(chunk.encoding, bytes, 0, bytes.length, columns, 0);
        } catch (error) {
          assert.ok(error instanceof Failure);
        }
        bytes[bit >>> 3] ^= 0x80 >>> (bit & 7);
      }
    });
  }

  for (const { name, next, header, same } of [
    { name: 'more of the same', next: { ...counter, count: 13, zeroCount: 3 }, header: undefined, same: true },
    { name: 'a new bucket', next: withBuckets([0, 3, 0, 2], [1, 2, 1, 3, 4]), header: undefined, same: true },
    { name: 'an empty bucket less', next: { ...counter }, header: undefined, same: true },
    { name: 'a smaller count', next: { ...counter, count: 11 }, header: ResetHeader.reset, same: false },
    { name: 'a smaller bucket', next: withBuckets([0, 2, 1, 2], [1, 2, 2, 9]), header: ResetHeader.reset, same: false },
    { name: 'a bucket gone', next: withBuckets([0, 2, 1, 1], [1, 2, 9]), header: ResetHeader.reset, same: false },
    { name: 'another schema', next: { ...counter, schema: 2 }, header: ResetHeader.unknown, same: false },
    { name: 'a told reset', next: { ...counter, resetHint: ResetHint.reset }, header: ResetHeader.reset, same: false },
    { name: 'a gauge', next: { ...counter, resetHint: ResetHint.gauge }, header: ResetHeader.gauge, same: false },
    { name: 'a float', next: { ...counter, integer: false }, header: ResetHeader.unknown, same: false },
    { name: 'a marker', next: staleHistogram(false), header: undefined, same: true },
  ]) {
    it(`begins a new chunk where it must: ${name}`, () => {
      const open = beginHistogramChunk(null, 0, 1000, counter);
      const after = appendHistogram(open, 0, 2000, next);
      assert.equal(after === open, same);
      if (header !== undefined) assert.equal(after.header, header);
      assert.equal(after.count, same ? 2 : 1);
    });
  }

  it('begins a new chunk for the first start time, and after a marker', () => {
    const open = beginHistogramChunk(null, 0, 1000, counter);
    const withStart = appendHistogram(open, 500, 2000, counter);
    assert.equal(withStart.encoding, ChunkEncoding.histogramSt);
    assert.equal(withStart.header, ResetHeader.notReset);
    const ended = appendHistogram(withStart, 500, 3000, staleHistogram(true));
    assert.equal(ended, withStart);
    assert.notEqual(appendHistogram(ended, 500, 4000, counter), ended);
  });

  it('keeps counts that integers cannot hold as floats', () => {
    const huge = { ...counter, count: 2 ** 60, zeroCount: 2 ** 60 - 2 ** 10 };
    const chunk = beginHistogramChunk(null, 0, 1000, huge);
    assert.equal(chunk.encoding, ChunkEncoding.floatHistogram);
    assert.equal(decode(chunk).h?.[0]?.count, 2 ** 60);
  });

  it('reads schemas that queries do not know in the highest that they know', () => {
    const open = beginHistogramChunk(null, 0, 1000, { ...counter, schema: 10, positiveSpans: Int32Array.of(1, 4) });
    const read = decode(open).h?.[0];
    assert.equal(read?.schema, 8);
    assert.deepEqual(read?.positiveSpans, Int32Array.of(1, 1));
    assert.deepEqual(read?.positiveBuckets, Float64Array.of(10));
  });

  it('survives any bytes', () => {
    const columns = newColumns(0x100);
    let failures = 0;
    const encodings = fc.constantFrom(
      ChunkEncoding.histogram,
      ChunkEncoding.floatHistogram,
      ChunkEncoding.histogramSt,
      ChunkEncoding.floatHistogramSt,
    );
    fc.assert(
      fc.property(
        encodings,
        fc.uint8Array({ minLength: 3, maxLength: 200 }),
        fc.nat(0xff),
        (encoding, bytes, count) => {
          bytes[0] = 0;
          bytes[1] = count;
          assert.equal(histogramSampleCount(encoding, bytes, 0), count);
          try {
            decodeHistogramInto(encoding, bytes, 0, bytes.length, columns, 0);
          } catch (error) {
            assert.ok(error instanceof Failure);
            failures++;
          }
        },
      ),
      { numRuns: 1000 },
    );
    assert.ok(failures > 0);
  });
});

function hintOf(chunk: OpenHistogramChunk): ResetHint {
  return chunk.header === ResetHeader.gauge ? ResetHint.gauge : ResetHint.unknown;
}

function withBuckets(spans: number[], buckets: number[]): Histogram {
  const count = buckets.reduce((sum, value) => sum + value, counter.zeroCount);
  return { ...counter, count, positiveSpans: Int32Array.from(spans), positiveBuckets: Float64Array.from(buckets) };
}
