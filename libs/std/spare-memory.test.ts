import assert from 'node:assert/strict';
import { afterEach, it } from 'node:test';
import { spareMemory as spare } from './spare-memory.ts';

const kib = 1 << 10;
const mib = 1 << 20;

afterEach(() => {
  while (spare.take(1, 200 * mib).length > 1);
});

it('what was given is taken again, the largest that fits', () => {
  const [small, large] = [new Uint8Array(100 * kib), new Uint8Array(300 * kib)];
  spare.give(large);
  spare.give(small);
  assert.equal(spare.take(64 * kib, 200 * kib), small);
  assert.equal(spare.take(64 * kib, mib), large);
  const fresh = spare.take(64 * kib, mib);
  assert.equal(fresh.length, 64 * kib);
});

it('nobody gets too little, or much more than wanted', () => {
  spare.give(new Uint8Array(mib));
  assert.equal(spare.take(2 * mib, 4 * mib).length, 2 * mib);
  assert.equal(spare.take(64 * kib, 128 * kib).length, 64 * kib);
  assert.equal(spare.take(1, 1).length, 1);
});

it('a bounded number is kept, of bounded size', () => {
  for (let i = 1; i <= 6; i++) spare.give(new Uint8Array(i * 100 * kib));
  spare.give(new Uint8Array(100 * mib));
  spare.give(new Uint8Array(1));
  const sizes = Array.from({ length: 5 }, () => spare.take(1, 200 * mib).length / kib);
  assert.deepEqual(sizes, [600, 500, 400, 300, 1 / kib]);
});
