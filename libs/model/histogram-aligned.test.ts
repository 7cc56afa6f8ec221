/** Aligned histograms come to the same, bit for bit, as the general way takes: spans that are cut in two keep it from this one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { customBucketsSchema, type Histogram, ResetHint } from './histogram.ts';
import { AlignedTotal, areAligned } from './histogram-aligned.ts';
import {
  addHistograms,
  addHistogramsKahan,
  compactHistogram,
  equalHistograms,
  subtractHistograms,
} from './histogram-arithmetic.ts';
import { detectReset } from './histogram-resets.ts';
import { bucketIndexes, spansOfIndexes } from './histogram-spans.ts';

const count = fc.oneof(fc.nat(1000), fc.double({ noNaN: true }), fc.constantFrom(1e308, Number.POSITIVE_INFINITY));
const bucketCount = 5;

const histogram = fc
  .record({
    schema: fc.constantFrom(0, 3, customBucketsSchema),
    counts: fc.array(count, { minLength: bucketCount, maxLength: bucketCount }),
    zeroCount: count,
    count,
    sum: count,
    resetHint: fc.constantFrom(...Object.values(ResetHint)),
  })
  .map(
    ({ schema, counts, zeroCount, ...rest }): Histogram => ({
      ...rest,
      integer: false,
      schema,
      zeroThreshold: schema === customBucketsSchema ? 0 : 1e-3,
      zeroCount: schema === customBucketsSchema ? 0 : zeroCount,
      positiveSpans: Int32Array.of(0, 2, 1, bucketCount - 2),
      negativeSpans: new Int32Array(0),
      positiveBuckets: Float64Array.from(counts),
      negativeBuckets: new Float64Array(0),
      customValues: schema === customBucketsSchema ? Float64Array.of(1, 2, 3, 4, 5, 6) : new Float64Array(0),
      stale: false,
    }),
  );
const pair = fc.tuple(histogram, histogram).filter(([a, b]) => a.schema === b.schema);

/** The same, with a span that the fewest spans would not have. */
function cut(h: Histogram): Histogram {
  return { ...h, positiveSpans: Int32Array.of(0, 1, 0, 1, 1, bucketCount - 2) };
}

function same(a: Histogram | undefined, b: Histogram | undefined): void {
  assert.ok(a !== undefined && b !== undefined);
  assert.ok(equalHistograms(a, b), `${JSON.stringify(a)}\n${JSON.stringify(b)}`);
  assert.equal(a.resetHint, b.resetHint);
}

/** Some of the buckets left out. */
function without(h: Histogram, left: readonly number[]): Histogram {
  const indexes = [0, 1, 3, 4, 5].filter((_, i) => !left.includes(i));
  const counts = Array.from(h.positiveBuckets).filter((_, i) => !left.includes(i));
  return { ...h, positiveSpans: spansOfIndexes(indexes), positiveBuckets: Float64Array.from(counts) };
}

const leftOut = fc.uniqueArray(fc.nat(bucketCount - 1), { maxLength: bucketCount });

describe('aligned histograms', () => {
  it('are those of the same buckets in the fewest spans', () => {
    fc.assert(fc.property(pair, ([a, b]) => areAligned(a, b) && !areAligned(a, cut(b)) && !areAligned(cut(a), cut(b))));
  });

  it('add and subtract to the same', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        same(addHistograms(a, b)?.histogram, addHistograms(a, cut(b))?.histogram);
        same(subtractHistograms(a, b)?.histogram, subtractHistograms(a, cut(b))?.histogram);
      }),
    );
  });

  it('have the same resets', () => {
    fc.assert(fc.property(pair, ([a, b]) => detectReset(a, b) === detectReset(a, cut(b))));
  });

  it('compact to what is not zero', () => {
    fc.assert(
      fc.property(histogram, fc.subarray([0, 1, 2, 3, 4]), (h, zeros) => {
        const buckets = h.positiveBuckets.map((bucket, i) => (zeros.includes(i) ? 0 : bucket));
        const compact = compactHistogram({ ...h, positiveBuckets: buckets });
        const filled = Array.from(buckets.keys()).filter((i) => buckets[i] !== 0);
        assert.deepEqual(
          Array.from(bucketIndexes(compact.positiveSpans)),
          filled.map((i) => [0, 1, 3, 4, 5][i]),
        );
        assert.deepEqual(
          Array.from(compact.positiveBuckets),
          filled.map((i) => buckets[i]),
        );
      }),
    );
  });

  it('of which each has some of the buckets add, subtract and sum up to the same', () => {
    fc.assert(
      fc.property(pair, histogram, leftOut, leftOut, leftOut, ([whole, second], third, ...left) => {
        const alike = (h: Histogram) => ({
          ...h,
          schema: whole.schema,
          customValues: whole.customValues,
          zeroThreshold: 0,
        });
        const [a, b, c] = [whole, second, third].map((h, i) => without(alike(h), left[i] ?? [])) as [
          Histogram,
          Histogram,
          Histogram,
        ];
        same(addHistograms(a, b)?.histogram, addHistogramsKahan(a, undefined, b)?.histogram);
        const total = new AlignedTotal(a, undefined);
        assert.equal(total.takes(b), true);
        total.add(b);
        total.add(c);
        const first = addHistogramsKahan(a, undefined, b);
        assert.ok(first !== null);
        const sum = addHistogramsKahan(first.histogram, first.compensation, c);
        same(total.sum(), sum?.histogram);
        same(total.lost(), sum?.compensation);
        const negated = {
          ...b,
          positiveBuckets: b.positiveBuckets.map((count) => -count),
          count: -b.count,
          sum: -b.sum,
        };
        const difference = subtractHistograms(a, b)?.histogram;
        const general = addHistogramsKahan(a, undefined, { ...negated, zeroCount: -b.zeroCount })?.histogram;
        if (whole.schema !== customBucketsSchema) same(difference, general);
      }),
    );
  });

  it('sum up to the same with compensation', () => {
    fc.assert(
      fc.property(pair, histogram, ([a, b], third) => {
        const c = { ...third, schema: a.schema, customValues: a.customValues, zeroThreshold: a.zeroThreshold };
        const total = new AlignedTotal(a, undefined);
        total.add(b);
        total.add(c);
        const first = addHistogramsKahan(a, undefined, b);
        assert.ok(first !== null);
        const second = addHistogramsKahan(first.histogram, first.compensation, c);
        same(total.sum(), second?.histogram);
        same(total.lost(), second?.compensation);
      }),
    );
  });
});
