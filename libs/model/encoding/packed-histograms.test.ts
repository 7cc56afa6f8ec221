/** Packed histograms say the same, bit for bit, as the objects that they are otherwise decoded to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { customBucketsSchema, type Histogram, ResetHint, staleHistogram } from '../histogram.ts';
import { compactHistogram, multiplyHistogram, subtractHistograms } from '../histogram-arithmetic.ts';
import { detectReset } from '../histogram-resets.ts';
import { newColumns } from './float-samples.testing.ts';
import { histogramFixtures } from './histogram-chunk.fixtures.ts';
import type { OpenHistogramChunk } from './histogram-chunk.ts';
import { decodeHistogramInto } from './histogram-chunk-reader.ts';
import { chunksOf, parseHistogramSamples } from './histogram-samples.testing.ts';
import { PackedHistograms } from './packed-histograms.ts';
import type { SampleRows } from './sample-rows.ts';

const rowsMax = 200;
const count = fc.nat(3);
const layouts: readonly Pick<Histogram, 'schema' | 'zeroThreshold' | 'positiveSpans' | 'customValues'>[] = [
  { schema: 2, zeroThreshold: 1e-3, positiveSpans: Int32Array.of(0, 3, 2, 1), customValues: new Float64Array(0) },
  // The first bucket lies in the zero bucket.
  { schema: 0, zeroThreshold: 4, positiveSpans: Int32Array.of(0, 4), customValues: new Float64Array(0) },
  {
    schema: customBucketsSchema,
    zeroThreshold: 0,
    positiveSpans: Int32Array.of(0, 4),
    customValues: Float64Array.of(1, 2, 3),
  },
];

const sample = fc
  .record({
    layout: fc.constantFrom(...layouts, layouts[0] as (typeof layouts)[0]),
    positive: fc.tuple(count, count, count, count),
    negative: fc.tuple(count, count),
    zeroCount: count,
    sum: fc.constantFrom(1, -2.5, 0, Number.NaN, Number.POSITIVE_INFINITY),
    integer: fc.boolean(),
    resetHint: fc.constantFrom(ResetHint.unknown, ResetHint.unknown, ResetHint.reset, ResetHint.gauge),
    stale: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  })
  .map(({ layout, positive, negative, integer, stale, zeroCount, ...rest }): Histogram => {
    if (stale) return staleHistogram(integer);
    const isCustom = layout.schema === customBucketsSchema;
    const below = isCustom ? [] : negative;
    const zero = isCustom ? 0 : zeroCount;
    return {
      ...layout,
      ...rest,
      integer,
      zeroCount: zero,
      count: [...positive, ...below, zero].reduce((sum, one) => sum + one),
      positiveBuckets: Float64Array.from(positive),
      negativeSpans: isCustom ? new Int32Array(0) : Int32Array.of(1, 2),
      negativeBuckets: Float64Array.from(below),
      stale: false,
    };
  });

function decode(
  chunks: readonly OpenHistogramChunk[],
  packed: PackedHistograms | null,
): SampleRows & { count: number } {
  const rows: SampleRows = { ...newColumns(rowsMax), h: null, packed };
  let row = 0;
  for (const chunk of chunks) {
    const bytes = chunk.bytes();
    row = decodeHistogramInto(chunk.encoding, bytes, 0, bytes.length, rows, row);
  }
  return { ...rows, packed: rows.packed ?? null, count: row };
}

function objectsOf(chunks: readonly OpenHistogramChunk[]): Histogram[] {
  const { h, count } = decode(chunks, null);
  return (h ?? []).slice(0, count) as Histogram[];
}

describe('PackedHistograms', () => {
  const packed = new PackedHistograms();
  const series = fc.array(sample, { minLength: 1, maxLength: 12 });
  /** Packs a series; gives the objects that it is otherwise. */
  const pack = (histograms: readonly Histogram[]): Histogram[] => {
    packed.clear();
    const chunks = chunksOf(
      histograms.map((h, i) => ({ st: 0, t: i * 1000, h })),
      5,
    );
    assert.equal(decode(chunks, packed).h, null);
    return objectsOf(chunks);
  };

  it('gives the samples as they were decoded', () => {
    fc.assert(
      fc.property(series, (histograms) => {
        const objects = pack(histograms);
        objects.forEach((object, i) => {
          assert.ok(packed.has(i));
          assert.equal(packed.isStale(i), object.stale);
          assert.deepEqual(packed.at(i), object);
        });
        assert.ok(!packed.has(objects.length));
      }),
    );
  });

  it('finds the same resets', () => {
    fc.assert(
      fc.property(series, (histograms) => {
        const objects = pack(histograms);
        for (let i = 1; i < objects.length; i++) {
          if (objects[i]?.stale || objects[i - 1]?.stale) continue;
          assert.equal(packed.isReset(i, i - 1), detectReset(objects[i] as Histogram, objects[i - 1] as Histogram));
        }
      }),
    );
  });

  it('increases by the same', () => {
    fc.assert(
      fc.property(series, fc.constantFrom(1, 0.3, -2), (histograms, factor) => {
        const objects = pack(histograms);
        for (let i = 1; i < objects.length; i++) {
          const [from, to] = [objects[0] as Histogram, objects[i] as Histogram];
          if (from.stale || to.stale || !packed.areAligned(0, i)) continue;
          const difference = subtractHistograms(to, from)?.histogram as Histogram;
          const plain = multiplyHistogram(compactHistogram({ ...difference, resetHint: ResetHint.gauge }), factor);
          assert.deepEqual(packed.increase(0, i, factor), plain);
        }
      }),
    );
  });

  it('keeps what the buckets say of resets when it drops them', () => {
    fc.assert(
      fc.property(series, (histograms) => {
        const objects = pack(histograms);
        packed.dropBuckets();
        let last: Histogram | undefined;
        objects.forEach((object, i) => {
          if (object.stale) return;
          const { resetHint, positiveBuckets, zeroCount, count, sum } = packed.at(i);
          assert.deepEqual([positiveBuckets.length, zeroCount, count, sum], [0, 0, object.count, object.sum]);
          const { reset, notReset, unknown } = ResetHint;
          const found = last === undefined ? unknown : detectReset(object, last) ? reset : notReset;
          assert.equal(resetHint, object.resetHint === unknown ? found : object.resetHint);
          last = object;
        });
      }),
    );
  });

  for (const { name, integer, samples } of histogramFixtures) {
    it(`takes ${name}, in objects where buckets have to be reduced`, () => {
      packed.clear();
      const chunks = chunksOf(parseHistogramSamples(samples, integer), 50);
      const objects = objectsOf(chunks);
      const rows = decode(chunks, packed);
      objects.forEach((object, i) => {
        assert.deepEqual(rows.packed === null ? rows.h?.[i] : packed.at(i), object);
      });
    });
  }
});
