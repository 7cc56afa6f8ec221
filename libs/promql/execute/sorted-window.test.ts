import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { sortNumbers } from './quantile.ts';
import { SortedWindow } from './sorted-window.ts';

const number = fc.oneof(
  fc.constantFrom(0, -0, Number.NaN, 1, Number.POSITIVE_INFINITY),
  fc.integer({ min: -9, max: 9 }),
  fc.double(),
);

/** Few numbers, many, and most of those that are there. */
const moved = fc.oneof(fc.nat(5), fc.nat(25), fc.nat(60));

it('a window that moves is always in order', () => {
  fc.assert(
    fc.property(
      fc.array(number, { minLength: 100, maxLength: 500 }),
      fc.array(fc.tuple(moved, moved)),
      (list, moves) => {
        const values = Float64Array.from(list);
        const window = new SortedWindow();
        let begin = 0;
        let end = Math.min(150, values.length);
        for (const [first, last] of [[0, 0] as const, ...moves]) {
          end = Math.min(values.length, end + last);
          begin = Math.min(end, begin + first);
          const expected = values.slice(begin, end);
          sortNumbers(expected);
          assert.deepStrictEqual(window.move(values, begin, end), expected);
        }
        window.reset();
        assert.equal(window.move(values, 0, 0).length, 0);
      },
    ),
  );
});

it('a long window that moves far costs less than sorting it anew', () => {
  const length = 40_000;
  const move = 2_000;
  const values = Float64Array.from({ length: length + 8 * move }, (_, i) => (i * 7919) % 10_007);
  const window = new SortedWindow();
  window.move(values, 0, length);
  const timeOf = (act: (begin: number) => void): number => {
    const times: number[] = [];
    for (let i = 1; i <= 8; i++) {
      const begin = performance.now();
      act(i * move);
      times.push(performance.now() - begin);
    }
    return Math.min(...times);
  };
  const ofMove = timeOf((begin) => window.move(values, begin, begin + length));
  const ofSort = timeOf((begin) => sortNumbers(values.slice(begin, begin + length)));
  assert.ok(ofMove < ofSort, `${ofMove} ms, and ${ofSort} ms to sort`);
});
