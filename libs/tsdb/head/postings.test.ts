import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../std/testing/prng.ts';
import { Postings } from './postings.ts';

describe('postings', () => {
  it('give back what was added, for lists of every length that grow beside each other', () => {
    const prng = new Prng(1);
    const postings = new Postings();
    const lists: number[][] = [[]];
    for (let key = 1; key <= 40; key++) {
      postings.addKey();
      lists.push([]);
    }
    const read = (key: number) => [...postings.read(key)];
    for (let value = 1; value <= 30_000; value++) {
      // Low keys get most: lists from none to thousands.
      const key = Math.floor(prng.next() ** 4 * 40) + 1;
      postings.add(key, value);
      lists[key]?.push(value);
      if (value < 200 || value % 500 === 0) assert.deepEqual(read(key), lists[key]);
    }
    for (let key = 1; key <= 40; key++) {
      assert.deepEqual(read(key), lists[key]);
      assert.equal(postings.first(key), lists[key]?.[0]);
      assert.equal(postings.count(key), lists[key]?.length);
      const seen: number[] = [];
      assert.equal(
        postings.some(key, (value) => seen.push(value) < 0),
        false,
      );
      assert.deepEqual(seen, lists[key]);
      const last = lists[key]?.at(-1);
      assert.equal(
        postings.some(key, (value) => value === last),
        last !== undefined,
      );
    }
    assert.ok(postings.count(1) > 5000 && postings.bytes < 300_000);
  });
});
