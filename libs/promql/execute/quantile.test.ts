import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sortNumbers } from './quantile.ts';

const count = 600_000;
const numbers = (): Float64Array =>
  Float64Array.from({ length: count }, (_, i) =>
    i % 1000 === 0 ? Number.NaN : i % 999 === 0 ? -0 : i % 998 === 0 ? 0 : ((i * 7919) % 100_003) - 50_000,
  );

it('many numbers are in the order of few: NaN, then rising, -0 before 0', () => {
  const sorted = numbers();
  sortNumbers(sorted);
  const plain = numbers().sort();
  const found = plain.findIndex(Number.isNaN);
  assert.deepEqual(sorted.subarray(count - found), plain.subarray(0, found));
  assert.ok(sorted.subarray(0, count - found).every(Number.isNaN));
});

it('sorting many numbers can be stopped in the middle', () => {
  let told = 0;
  const stop = (): void => {
    if (++told === 2) throw new Error('stopped');
  };
  assert.throws(() => sortNumbers(numbers(), stop), /^Error: stopped$/);
});
