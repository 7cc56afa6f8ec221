import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mapBounded } from './bounded.ts';

describe('acts over a list', () => {
  for (const atOnce of [1, 2, 3, 10]) {
    it(`gives results in the order of the items, ${atOnce} at a time`, async () => {
      let running = 0;
      let most = 0;
      const results = await mapBounded([3, 1, 2], atOnce, async (item, index) => {
        most = Math.max(most, ++running);
        for (let turn = 0; turn < item; turn++) await new Promise((resolve) => setImmediate(resolve));
        running--;
        return item * 10 + index;
      });
      assert.deepEqual(results, [30, 11, 22]);
      assert.equal(most, Math.min(atOnce, 3));
    });

    it(`throws the first failure when what runs has ended, and begins nothing after it, ${atOnce} at a time`, async () => {
      const begun: number[] = [];
      const ended: number[] = [];
      const act = (item: number): Promise<void> => {
        begun.push(item);
        if (item === 0) throw new Error('at once');
        return new Promise((resolve) => setImmediate(resolve)).then(() => {
          ended.push(item);
        });
      };
      await assert.rejects(mapBounded([0, 1, 2], atOnce, act), /at once/);
      assert.deepEqual(ended, begun.slice(1));
      assert.equal(begun.length, atOnce < 3 ? 1 : 3);
    });
  }
});
