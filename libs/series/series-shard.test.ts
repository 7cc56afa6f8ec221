import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Labels } from '../model/labels.ts';
import { labelsAt } from './labels-at.ts';
import { isSorted, keepSeries, largestGroup, type ShardLabels, seriesOfShard } from './series-shard.ts';
import type { LabelTable } from './series-source.ts';

function tableOf(sets: readonly Labels[]): LabelTable {
  const strings = [...new Set(sets.flatMap(({ pairs }) => pairs))];
  const begin = new Uint32Array(sets.length + 1);
  sets.forEach(({ pairs }, i) => {
    begin[i + 1] = begin[i] + pairs.length;
  });
  const refs = Uint32Array.from(
    sets.flatMap(({ pairs }) => pairs),
    (text) => strings.indexOf(text),
  );
  return { strings, begin, refs };
}

const names = ['__name__', 'a', 'b', '🌊'] as const;
const labelSet = fc
  .array(fc.tuple(fc.constantFrom(...names), fc.constantFrom('', 'a', 'x', 'ünï', 'x'.repeat(300))), { maxLength: 4 })
  .map((pairs) => Labels.from(pairs));
const shardLabels: fc.Arbitrary<ShardLabels> = fc.record({
  names: fc.uniqueArray(fc.constantFrom(...names, 'not there')),
  without: fc.boolean(),
});

describe('shards of series', () => {
  it('every series is in one of them, with all that are equal in the labels', () => {
    fc.assert(
      fc.property(fc.array(labelSet), shardLabels, fc.integer({ min: 1, max: 9 }), (sets, labels, count) => {
        const table = tableOf(sets);
        const shardBy = new Map<string, number>();
        const seen = new Uint8Array(sets.length);
        for (let index = 0; index < count; index++) {
          const kept = seriesOfShard(table, { ...labels, index, count });
          const own = keepSeries(table, kept);
          assert.equal(own.begin.length - 1, kept.length);
          kept.forEach((series, i) => {
            seen[series]++;
            const set = sets[series] as Labels;
            assert.deepEqual(labelsAt(own, i), set, 'its labels are what they were');
            const counted = set.pairs.filter((_, at) => labels.names.includes(set.pairs[at & ~1]) !== labels.without);
            const key = JSON.stringify(counted);
            assert.equal(shardBy.get(key) ?? index, index, key);
            shardBy.set(key, index);
          });
          assert.deepEqual(new Set(own.refs).size, own.strings.length, 'no string that nobody has');
        }
        assert.ok(seen.every((times) => times === 1));
      }),
    );
  });

  it('are of like size', () => {
    const sets = Array.from({ length: 10_000 }, (_, i) => Labels.from([['__name__', 'm'], ['pod', `pod-${i}`]])); // biome-ignore format: one line
    const table = tableOf(sets);
    for (let index = 0; index < 16; index++) {
      const { length } = seriesOfShard(table, { names: ['__name__'], without: true, index, count: 16 });
      assert.ok(Math.abs(length - 625) < 125, String(length));
    }
  });

  it('are by a hash that stays what it is', () => {
    const values = ['x', 'ünï', '🌊', '', 'pod-7', 'x'.repeat(300)];
    const sets = values.map((a) => Labels.from([['__name__', 'm'], ['a', a], ['b', 'y']])); // biome-ignore format: one line
    const table = tableOf([...sets, Labels.empty]);
    const shardsOf = (count: number): number[] => {
      const found = new Array<number>(values.length + 1).fill(-1);
      for (let index = 0; index < count; index++) {
        for (const series of seriesOfShard(table, { names: ['__name__'], without: true, index, count })) {
          found[series] = index;
        }
      }
      return found;
    };
    assert.deepEqual(shardsOf(3), [1, 2, 1, 1, 0, 2, 0]);
    assert.deepEqual(shardsOf(128), [125, 23, 50, 65, 106, 116, 0]);
  });

  it('a table knows its largest group', () => {
    const sets = ['x', 'y', 'x', 'z', 'x'].map((a, i) => Labels.from([['a', a], ['i', String(i)]])); // biome-ignore format: one line
    assert.equal(largestGroup(tableOf(sets), { names: ['a'], without: false }), 3);
    assert.equal(largestGroup(tableOf(sets), { names: ['none'], without: false }), 5);
    assert.equal(largestGroup(tableOf(sets), { names: ['a'], without: true }), 1);
    assert.equal(largestGroup(tableOf([]), { names: ['a'], without: true }), 0);
  });

  it('a table knows whether its series come in order', () => {
    const sorted: LabelTable = {
      strings: ['a', 'b', 'x', 'y'],
      begin: Uint32Array.of(0, 2, 6, 8, 10),
      refs: Uint32Array.of(0, 2, 0, 2, 1, 2, 0, 3, 1, 2),
    };
    assert.equal(isSorted(sorted), true);
    assert.equal(isSorted({ ...sorted, refs: Uint32Array.of(0, 3, 0, 2, 1, 2, 0, 3, 1, 2) }), false);
    assert.equal(isSorted({ ...sorted, begin: Uint32Array.of(0, 4, 6, 8, 10) }), false);
    assert.equal(isSorted({ ...sorted, strings: ['a', 'b', 'y', 'x'] }), false, 'of numbers in another order');
    assert.equal(isSorted({ strings: [], begin: new Uint32Array(1), refs: new Uint32Array(0) }), true);
  });
});
