/** Many lists as one, against a set of all numbers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { UnitedLists } from './rising-lists.ts';

const rising = (numbers: Iterable<number>): Uint32Array => Uint32Array.from(new Set(numbers)).sort();

describe('rising lists as one', () => {
  it('have each number once, whatever the lists', () => {
    const short = fc.array(fc.nat(3_000), { maxLength: 40 });
    const long = fc.record({ from: fc.nat(3_000), length: fc.nat(5_000), step: fc.integer({ min: 1, max: 3 }) });
    const list = fc.oneof(
      { weight: 5, arbitrary: short },
      long.map(({ from, length, step }) => Array.from({ length }, (_, i) => from + i * step)),
    );
    fc.assert(
      fc.property(fc.array(list, { maxLength: 60 }), (lists) => {
        const united = new UnitedLists();
        for (const one of lists) united.add(rising(one));
        assert.deepEqual(united.list(), rising(lists.flat()));
      }),
      { numRuns: 200 },
    );
  });

  it('cost what they hold: a short one is not put among the others by itself', (t) => {
    const prototype = Object.getPrototypeOf(Uint32Array.prototype) as Uint32Array;
    const sort = t.mock.method(prototype, 'sort');
    const united = new UnitedLists();
    united.add(Uint32Array.from({ length: 50_000 }, (_, i) => 2 * i));
    for (let i = 0; i < 10_000; i++) united.add(Uint32Array.of(2 * i + 1));
    assert.equal(united.list().length, 60_000);
    const sorted = sort.mock.calls.reduce((sum, { result }) => sum + (result?.length ?? 0), 0);
    assert.equal(sorted, 10_000);
  });
});
