import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Histogram, ResetHint, staleHistogram } from '../model/histogram.ts';
import { normalNaNHi, normalNaNLo, staleNaNHi, staleNaNLo } from '../model/stale.ts';
import { makeColumns, mergeColumns } from './merge.ts';
import type { SampleColumns } from './sample-columns.ts';

type Value = number | 'stale' | 'NaN' | Histogram;
type Sample = readonly [t: number, value: Value, st?: number];

function columnsOf(samples: readonly Sample[]): SampleColumns {
  const columns = makeColumns(samples.length);
  columns.length = samples.length;
  if (samples.some(([, value]) => typeof value === 'object')) columns.h = samples.map(() => null);
  if (samples.some(([, , st]) => st !== undefined)) columns.st = new Float64Array(samples.length);
  samples.forEach(([t, value, st = 0], i) => {
    columns.t[i] = t;
    if (columns.st !== null) columns.st[i] = st;
    if (typeof value === 'object') {
      if (columns.h !== null) columns.h[i] = value;
    } else if (typeof value === 'number') {
      columns.v[i] = value;
    } else {
      columns.vBits[2 * i] = value === 'stale' ? staleNaNLo : normalNaNLo;
      columns.vBits[2 * i + 1] = value === 'stale' ? staleNaNHi : normalNaNHi;
    }
  });
  return columns;
}

/** Rows as texts, floats by their bits. */
function rowsOf({ length, t, vBits, st, h }: SampleColumns): string[] {
  return Array.from({ length }, (_, i) => {
    const histogram = h?.[i] ?? null;
    const bits = `${((vBits[2 * i + 1] as number) >>> 0).toString(16)}.${((vBits[2 * i] as number) >>> 0).toString(16)}`;
    const value =
      histogram === null ? bits : `count ${histogram.count} hint ${histogram.resetHint} stale ${histogram.stale}`;
    return `${t[i]} ${value} st ${st?.[i] ?? 0}`;
  });
}

function merged(a: readonly Sample[], b: readonly Sample[]): string[] {
  const out = makeColumns(0);
  mergeColumns(columnsOf(a), columnsOf(b), out);
  return rowsOf(out);
}

const histogram = (count: number, resetHint: Histogram['resetHint'] = ResetHint.unknown): Histogram => ({
  ...staleHistogram(true),
  stale: false,
  sum: count,
  count,
  resetHint,
});

describe('mergeColumns', () => {
  for (const [name, wins, loses] of [
    ['a histogram over a float', histogram(1), 5],
    ['a stale histogram over a float', staleHistogram(true), 5],
    ['a histogram over a stale one', histogram(1), staleHistogram(true)],
    ['the larger count', histogram(2), histogram(1)],
    ['a number over a staleness marker', -1e300, 'stale'],
    ['NaN over a staleness marker', 'NaN', 'stale'],
    ['a number over NaN', Number.NEGATIVE_INFINITY, 'NaN'],
    ['the larger number', 2, 1],
    ['the larger bits, where numbers are equal', -0, 0],
  ] as const) {
    it(`${name}, whichever side it comes from`, () => {
      const expected = rowsOf(columnsOf([[7, wins]]));
      assert.deepEqual(merged([[7, wins]], [[7, loses]]), expected);
      assert.deepEqual(merged([[7, loses]], [[7, wins]]), expected);
      assert.deepEqual(merged([[7, wins]], [[7, wins]]), expected);
    });
  }

  for (const { name, a, b, conflicts } of [
    { name: 'equal values', a: 1, b: 1, conflicts: 0 },
    { name: 'NaN with the same bits', a: 'NaN', b: 'NaN', conflicts: 0 },
    { name: 'different values', a: 1, b: 2, conflicts: 1 },
    { name: 'zeros of different signs', a: 0, b: -0, conflicts: 1 },
    { name: 'a value and a staleness marker', a: 1, b: 'stale', conflicts: 1 },
    { name: 'a histogram and a float', a: histogram(1), b: 1, conflicts: 1 },
    { name: 'different histograms', a: histogram(1), b: histogram(2), conflicts: 1 },
    { name: 'histograms of which one knows more', a: histogram(1), b: histogram(1, ResetHint.notReset), conflicts: 0 },
  ] as const) {
    it(`counts ${conflicts} conflicts of ${name}`, () => {
      const out = makeColumns(0);
      assert.equal(
        mergeColumns(
          columnsOf([
            [1, 5],
            [7, a],
          ]),
          columnsOf([
            [7, b],
            [9, 5],
          ]),
          out,
        ),
        conflicts,
      );
      assert.equal(mergeColumns(columnsOf([[7, b, 1]]), columnsOf([[7, a]]), out), conflicts);
    });
  }

  it('keeps start times', () => {
    assert.deepEqual(
      merged([[1, 5, 0]], [[2, 6, 1]]),
      rowsOf(
        columnsOf([
          [1, 5, 0],
          [2, 6, 1],
        ]),
      ),
    );
    assert.deepEqual(merged([[1, 5]], [[1, 5, 1]]), rowsOf(columnsOf([[1, 5, 1]])));
  });

  it('of equal histograms takes the later start, whichever side it comes from and whatever is known of resets', () => {
    const { notReset, unknown } = ResetHint;
    const expected = rowsOf(columnsOf([[1, histogram(1, unknown), 5]]));
    const later: Sample = [1, histogram(1, unknown), 5];
    for (const [st, hint] of [
      [undefined, unknown],
      [undefined, notReset],
      [4, notReset],
    ] as const) {
      const earlier: Sample = st === undefined ? [1, histogram(1, hint)] : [1, histogram(1, hint), st];
      assert.deepEqual(merged([later], [earlier]), expected);
      assert.deepEqual(merged([earlier], [later]), expected);
    }
  });

  it('a histogram that follows one of the other run knows nothing of resets, but a gauge stays one', () => {
    const { notReset, gauge, unknown } = ResetHint;
    assert.deepEqual(
      merged(
        [
          [1, histogram(1, notReset)],
          [3, histogram(3, notReset)],
          [4, histogram(4, notReset)],
        ],
        [[2, histogram(2, gauge)]],
      ),
      rowsOf(
        columnsOf([
          [1, histogram(1, notReset)],
          [2, histogram(2, gauge)],
          [3, histogram(3, unknown)],
          [4, histogram(4, notReset)],
        ]),
      ),
    );
  });

  const samples = fc
    .uniqueArray(
      fc.tuple(
        fc.integer({ min: 0, max: 20 }),
        fc.oneof(fc.integer({ min: -2, max: 2 }), fc.constantFrom('stale' as const, 'NaN' as const, -0)),
      ),
      { selector: ([t]) => t, maxLength: 15 },
    )
    .map((list) => list.sort(([a], [b]) => a - b));

  it('does not depend on the order of merging', () => {
    fc.assert(
      fc.property(samples, samples, samples, (a, b, c) => {
        const join = (x: SampleColumns, y: SampleColumns): SampleColumns => {
          const out = makeColumns(0);
          mergeColumns(x, y, out);
          return out;
        };
        const [x, y, z] = [columnsOf(a), columnsOf(b), columnsOf(c)];
        const expected = rowsOf(join(join(x, y), z));
        assert.deepEqual(rowsOf(join(x, join(z, y))), expected);
        assert.deepEqual(rowsOf(join(join(z, y), x)), expected);
      }),
    );
  });
});
