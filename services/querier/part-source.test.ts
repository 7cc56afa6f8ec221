import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HeavySelection, PartWork } from '../../libs/contracts/query-work.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { keepSeries, seriesOfShard } from '../../libs/series/series-shard.ts';
import type { SelectQuery, SeriesSource } from '../../libs/series/series-source.ts';
import { MemorySource } from './memory-source.testing.ts';
import { partSource } from './part-source.ts';
import { ReadWitness } from './read-witness.ts';

const { signal } = new AbortController();
const query: SelectQuery = { matchers: [], minT: 0, maxT: 3_600_000 };
const shard = { names: ['i'], without: false, index: 0, count: 2 };

/** It gives all series whatever shard it is asked for, as one of a release that knows none. */
const old = new MemorySource(
  Array.from({ length: 20 }, (_, i) => ({ labels: { __name__: 'm', i: String(i) }, samples: [[1, i]] })),
);
const sharding: Pick<SeriesSource, 'select'> = {
  select: async (asked, stop) => {
    const selected = await old.select(asked);
    assert.equal(stop, signal);
    if (asked.shard === undefined) return selected;
    return { ...selected, labels: keepSeries(selected.labels, seriesOfShard(selected.labels, asked.shard)) };
  },
};

function open(source: Pick<SeriesSource, 'select' | 'selectProjected'>, work: Partial<PartWork>) {
  const witness = new ReadWitness();
  const heavies: HeavySelection[] = [];
  const onHeavy = (heavy: HeavySelection): void => void heavies.push(heavy);
  const options = { shard: work.shard, weighing: work.weighing, sorted: work.sorted === true, witness, onHeavy };
  return { source: partSource(Object.assign(Object.create(old), source) as SeriesSource, options), witness, heavies };
}

const isKind = (kind: string) => (error: unknown) => error instanceof Failure && error.kind === kind;

describe('what a part reads', () => {
  it('is the shard that it is of', async () => {
    const counts = await Promise.all(
      [0, 1].map(async (index) => {
        const { source, witness } = open(sharding, { shard: { ...shard, index } });
        const { labels } = await source.select(query, signal);
        assert.equal(witness.selects, 1);
        assert.deepEqual(seriesOfShard(labels, { ...shard, index }).length, labels.begin.length - 1);
        return labels.begin.length - 1;
      }),
    );
    assert.equal((counts[0] as number) + (counts[1] as number), 20);
    const projected = await open(sharding, { shard }).source.selectProjected?.(query, ['__name__'], signal);
    assert.equal(projected?.labels.setOf?.length, counts[0]);
  });

  it('is nothing where who is asked knows no shards', async () => {
    await assert.rejects(open(old, { shard }).source.select(query, signal), isKind('not_acceptable'));
  });

  it('is left with the labels that it looks at by who has them all, unless more is to be known of its series', async () => {
    const asked: (readonly string[])[] = [];
    const selectProjected: SeriesSource['selectProjected'] = async (own, names) => {
      asked.push(names);
      return old.select(own);
    };
    const projectedBy = async (work: Partial<PartWork>) => {
      const { source, witness } = open({ ...sharding, selectProjected }, work);
      const selected = await source.selectProjected?.(query, ['__name__'], signal);
      assert.equal(witness.selects, 1);
      return selected?.labels;
    };
    assert.equal((await projectedBy({}))?.setOf, undefined);
    assert.deepEqual(asked, [['__name__']]);
    const weighing = { names: [], without: false, weightMax: 100 };
    for (const work of [{ shard }, { weighing }, { sorted: true }]) {
      await projectedBy(work).catch((error: unknown) => assert.ok(work.sorted && isKind('not_acceptable')(error)));
    }
    assert.equal(asked.length, 1);
  });

  it('comes in order where it must', async () => {
    const { labels } = await open(sharding, {}).source.select(query, signal);
    assert.ok(labels.strings.length > 0);
    const sorted = [...labels.strings].sort();
    const inOrder = {
      ...labels,
      strings: sorted,
      refs: labels.refs.map((ref) => sorted.indexOf(labels.strings[ref] ?? '')),
    };
    const chunks = async function* () {};
    const give = (table: typeof labels) => ({ select: async () => ({ labels: table, warnings: [], chunks }) });
    await open(give(inOrder), { sorted: true }).source.select(query, signal);
    const turned = keepSeries(inOrder, Uint32Array.of(1, 0));
    await open(give(turned), {}).source.select(query, signal);
    await assert.rejects(open(give(turned), { sorted: true }).source.select(query, signal), isKind('not_acceptable'));
  });

  it('is nothing where it is heavy, and it is told how heavy', async () => {
    const weighing = { names: ['__name__'], without: false };
    const light = open(sharding, { weighing: { ...weighing, weightMax: 20 } });
    await light.source.select(query, signal);
    assert.deepEqual(light.heavies, []);
    const heavy = open(sharding, { weighing: { ...weighing, weightMax: 19 } });
    await assert.rejects(heavy.source.select(query, signal), isKind('query_limit'));
    assert.deepEqual(heavy.heavies, [{ weight: 20, series: 20, largestGroup: 20, sorted: false }]);
    const day = open(sharding, { weighing: { ...weighing, weightMax: 249 } });
    await assert.rejects(day.source.select({ ...query, maxT: 24 * 3_600_000 }, signal), isKind('query_limit'));
  });

  it('is heavy where its labels are more than the query may hold, unless it is a shard already', async () => {
    const select = () => Promise.reject(new Failure('query_limit', 'too many labels'));
    const whole = open({ select }, { weighing: { names: [], without: false, weightMax: 1 } });
    await assert.rejects(whole.source.select(query, signal), isKind('query_limit'));
    assert.deepEqual(whole.heavies, [{ weight: 2 ** 31, series: 2 ** 31, largestGroup: 0, sorted: false }]);
    const one = open({ select }, { shard });
    await assert.rejects(one.source.select(query, signal), isKind('query_limit'));
    assert.deepEqual(one.heavies, []);
  });
});
