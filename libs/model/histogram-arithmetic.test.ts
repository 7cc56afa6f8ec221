import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseHistogramSamples } from './encoding/histogram-samples.testing.ts';
import type { Histogram } from './histogram.ts';
import { arithmeticFixtures } from './histogram-arithmetic.fixtures.ts';
import {
  addHistograms,
  addHistogramsKahan,
  compactHistogram,
  divideHistogram,
  equalHistograms,
  hasOverflow,
  multiplyHistogram,
  subtractHistograms,
} from './histogram-arithmetic.ts';
import { exponentialBound } from './histogram-bounds.ts';
import { allBuckets } from './histogram-buckets.ts';
import { formatHistogram } from './histogram-format.ts';
import { detectReset } from './histogram-resets.ts';
import { reduceResolution } from './histogram-resolution.ts';
import { bucketIndexes } from './histogram-spans.ts';
import { trimHistogram } from './histogram-trim.ts';
import { validationFixtures } from './histogram-validate.fixtures.ts';
import { validateHistogram } from './histogram-validate.ts';

function parse(text: string, integer = false): Histogram {
  return (parseHistogramSamples(text, integer)[0] as { h: Histogram }).h;
}

/** All that a histogram says, whatever the form of its spans. */
function content(h: Histogram | undefined): unknown {
  if (h === undefined) return undefined;
  const { resetHint, schema, zeroThreshold, zeroCount, count, sum, positiveBuckets, negativeBuckets, customValues } = h;
  const positive = bucketIndexes(h.positiveSpans);
  const negative = bucketIndexes(h.negativeSpans);
  const numbers = { schema, zeroThreshold, zeroCount: zeroCount + 0, count: count + 0, sum: sum + 0, customValues };
  const unsigned = (counts: Float64Array): Float64Array => counts.map((value) => value + 0);
  const sides = { positive, negative, up: unsigned(positiveBuckets), down: unsigned(negativeBuckets) };
  return { resetHint, ...numbers, ...sides };
}

describe('histogram arithmetic', () => {
  for (const fixture of arithmeticFixtures) {
    const a = parse(fixture.a);
    const b = parse(fixture.b);
    it(`adds and subtracts as Prometheus: ${fixture.name}`, () => {
      const sum = addHistograms(a, b);
      const difference = subtractHistograms(a, b);
      if (fixture.sum === '') {
        assert.equal(sum, null);
        assert.equal(difference, null);
        return;
      }
      assert.deepEqual(content(sum?.histogram), content(parse(fixture.sum)));
      assert.deepEqual(content(difference?.histogram), content(parse(fixture.difference)));
      assert.deepEqual([sum?.resetCollision, sum?.boundsReconciled], [fixture.collision, fixture.reconciled]);
    });
    it(`keeps what rounding takes as Prometheus: ${fixture.name}`, () => {
      let sum = a;
      let lost: Histogram | undefined;
      for (const next of [b, a, b, b, b, a]) {
        const step = addHistogramsKahan(sum, lost, next);
        if (step === null) return assert.equal(fixture.kahan, '');
        sum = step.histogram;
        lost = step.compensation;
      }
      assert.deepEqual(content(sum), content(parse(fixture.kahan)));
      const expected = parse(fixture.kahanLost);
      assert.deepEqual(content(lost), content({ ...expected, resetHint: lost?.resetHint ?? 0 }));
    });
    it(`compares, trims and prints as Prometheus: ${fixture.name}`, () => {
      assert.equal(detectReset(b, a), fixture.reset);
      assert.equal(equalHistograms(a, b), fixture.equal);
      assert.deepEqual(content(trimHistogram(a, fixture.value, 'below')), content(parse(fixture.below)));
      assert.deepEqual(content(trimHistogram(a, fixture.value, 'above')), content(parse(fixture.above)));
      assert.equal(formatHistogram(a), fixture.text);
    });
    it(`scales: ${fixture.name}`, () => {
      assert.deepEqual(content(divideHistogram(multiplyHistogram(a, 4), 4)), content(a));
      assert.equal(multiplyHistogram(a, -1).resetHint, 3);
      assert.equal(hasOverflow(a), false);
      const nothing = divideHistogram(a, 0);
      assert.equal(nothing.positiveBuckets.length + nothing.negativeBuckets.length, 0);
      assert.equal(hasOverflow(nothing), true);
    });
    it(`compacts and reduces without losing a count: ${fixture.name}`, () => {
      const compact = compactHistogram(a);
      assert.ok(!compact.positiveBuckets.includes(0) && !compact.negativeBuckets.includes(0));
      // The text leaves empty buckets out, as compacting does.
      assert.equal(formatHistogram(compact), formatHistogram(a));
      if (a.schema < -3) return;
      const reduced = reduceResolution(a, a.schema - 1);
      const total = (h: Histogram): number => allBuckets(h).reduce((sum, { count }) => sum + count, 0);
      assert.ok(Math.abs(total(reduced) - total(a)) < 1e-9);
    });
  }
});

describe('exponential bounds', () => {
  for (const { index, schema, bound } of [
    { index: 0, schema: 0, bound: 1 },
    { index: -1, schema: 0, bound: 0.5 },
    // Prometheus' table is one unit in the last place below Math.SQRT2.
    { index: 1, schema: 1, bound: Number('1.414213562373095') },
    { index: 1, schema: 8, bound: 1.0027112750502025 },
    { index: 1024, schema: 0, bound: Number.MAX_VALUE },
    { index: 1025, schema: 0, bound: Number.POSITIVE_INFINITY },
    { index: 1023 * 256 + 255, schema: 8, bound: 2 ** 1023 * (2 * 0.9972960560854698) },
    { index: 64, schema: -4, bound: Number.MAX_VALUE },
    { index: 65, schema: -4, bound: Number.POSITIVE_INFINITY },
    { index: -2, schema: -2, bound: 2 ** -8 },
    { index: -1074, schema: 0, bound: 5e-324 },
    { index: -1075, schema: 0, bound: 0 },
  ]) {
    it(`bucket ${index} of schema ${schema}`, () => assert.equal(exponentialBound(index, schema), bound));
  }
});

describe('histogram validation', () => {
  for (const { integer, histogram, problem } of validationFixtures) {
    it(`${integer ? 'integer' : 'float'}: ${problem ?? 'nothing wrong'}`, () => {
      assert.equal(validateHistogram(parse(histogram, integer)), problem);
    });
  }
});
