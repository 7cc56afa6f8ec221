/** Aligned histograms come to the same, bit for bit, as the general way takes: spans that are cut in two keep it from this one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { customBucketsSchema, type Histogram, ResetHint } from './histogram.ts';
import { AlignedTotal, areAligned } from './histogram-aligned.ts';
import { addHistograms, addHistogramsKahan, equalHistograms, subtractHistograms } from './histogram-arithmetic.ts';
import { detectReset } from './histogram-resets.ts';

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
