import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { SeriesSplit } from '../../libs/promql/plan/split-by-series.ts';
import { chooseShards, Unjoinable, weighingFor } from './choose-shards.ts';

const whole = { names: ['a'], without: false };
const parts = { labels: { names: [], without: true }, join: 'sum' } as const;
const both: SeriesSplit = { whole, parts };

for (const { name, split, weight, largestGroup, shardsMax, chosen } of [
  { name: 'many groups', split: both, weight: 1_000, largestGroup: 1, shardsMax: 4, chosen: 'beside 4' },
  { name: 'as many as there is work for', split: both, weight: 250, largestGroup: 1, shardsMax: 4, chosen: 'beside 3' },
  { name: 'groups too large', split: both, weight: 1_000, largestGroup: 26, shardsMax: 4, chosen: 'sum 4' },
  { name: 'groups just small enough', split: both, weight: 1_000, largestGroup: 25, shardsMax: 4, chosen: 'beside 4' },
  { name: 'large groups alone', split: { ...both, parts: undefined }, weight: 1_000, largestGroup: 40, shardsMax: 4, chosen: 'beside 2' }, // biome-ignore format: a row
  { name: 'one group alone', split: { ...both, parts: undefined }, weight: 1_000, largestGroup: 60, shardsMax: 4, chosen: 'none' }, // biome-ignore format: a row
  { name: 'groups of which nothing is known', split: both, weight: 1_000, largestGroup: 0, shardsMax: 4, chosen: 'sum 4' }, // biome-ignore format: a row
  { name: 'such groups alone', split: { ...both, parts: undefined }, weight: 1_000, largestGroup: 0, shardsMax: 4, chosen: 'beside 4' }, // biome-ignore format: a row
  { name: 'no groups', split: { ...both, whole: undefined }, weight: 1_000, largestGroup: 1, shardsMax: 4, chosen: 'sum 4' }, // biome-ignore format: a row
]) {
  it(name, () => {
    const heavy = { weight, series: 100, largestGroup, sorted: true };
    const sharding = chooseShards(split, heavy, shardsMax, 100);
    assert.equal(sharding === undefined ? 'none' : `${sharding.join} ${sharding.shards.length}`, chosen);
    sharding?.shards.forEach((shard, index) => {
      const labels = sharding.join === 'beside' ? whole : parts.labels;
      assert.deepEqual(shard, { ...labels, index, count: sharding.shards.length });
    });
  });
}

it('is weighed by the groups that may stay whole, where there is more than one evaluator', () => {
  assert.deepEqual(weighingFor(both, 2, 100), { ...whole, weightMax: 200 });
  assert.deepEqual(weighingFor({ whole: undefined, parts }, 2, 100), { ...parts.labels, weightMax: 200 });
  assert.equal(weighingFor(both, 1, 100), undefined);
  assert.equal(weighingFor(undefined, 16, 100), undefined);
});

it('what could not be put together is remembered, the last of it', () => {
  const unjoinable = new Unjoinable();
  for (let i = 0; i < 1_500; i++) unjoinable.add(String(i));
  assert.deepEqual([unjoinable.has('499'), unjoinable.has('500'), unjoinable.has('1499')], [false, true, true]);
});
