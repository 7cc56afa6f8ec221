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

it('a window that moves is always in order', () => {
  fc.assert(
    fc.property(fc.array(number, { maxLength: 200 }), fc.array(fc.tuple(fc.nat(5), fc.nat(5))), (list, moves) => {
      const values = Float64Array.from(list);
      const window = new SortedWindow();
      let begin = 0;
      let end = Math.min(30, values.length);
      for (const [first, last] of [[0, 0] as const, ...moves]) {
        end = Math.min(values.length, end + last);
        begin = Math.min(end, begin + first);
        const expected = values.slice(begin, end);
        sortNumbers(expected);
        assert.deepStrictEqual(window.move(values, begin, end), expected);
      }
      window.reset();
      assert.equal(window.move(values, 0, 0).length, 0);
    }),
  );
});
