import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LoserTree } from './loser-tree.ts';

describe('LoserTree', () => {
  it('merges sorted lists', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat(20)), { minLength: 1, maxLength: 9 }), (unsorted) => {
        const lists = unsorted.map((list) => list.sort((a, b) => a - b));
        const at = lists.map(() => 0);
        const head = (player: number): number => lists[player]?.[at[player] ?? 0] ?? Number.POSITIVE_INFINITY;
        const tree = new LoserTree(lists.length, (a, b) => head(a) < head(b));
        const merged: number[] = [];
        while (head(tree.winner) !== Number.POSITIVE_INFINITY) {
          merged.push(head(tree.winner));
          at[tree.winner]++;
          tree.replay();
        }
        assert.deepEqual(
          merged,
          lists.flat().sort((a, b) => a - b),
        );
      }),
    );
  });
});
