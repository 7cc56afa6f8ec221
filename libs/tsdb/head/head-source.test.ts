/** Selecting against a naive reading of the matchers; labels, exemplars and metadata as the API wants them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { ExemplarSample, WriteBatch } from '../../contracts/write-batch.ts';
import { canonicalizeLabels } from '../../model/canonical-labels.ts';
import { compareLabels, Labels } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import { compileMatcher } from '../../model/matcher-predicate.ts';
import type { MetricMetadata } from '../../model/metadata.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import { ListMemory } from '../../series/list-memory.ts';
import { keepSeries, seriesOfShard } from '../../series/series-shard.ts';
import type { LabelQuery, LabelTable } from '../../series/series-source.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { runInSlices } from '../../std/steps.ts';
import { HeadSource } from './head-source.ts';
import { headStatusOf } from './head-status.ts';
import { selectAnyIds } from './select-ids.ts';
import { TenantHead } from './tenant-head.ts';
import { ValueLists } from './value-lists.ts';

const { signal } = new AbortController();
const begin = 1_700_000_000_000;
const always = { minT: -1e15, maxT: 1e15 };

interface Given {
  readonly labels: Labels;
  readonly t: number;
}

function canonical(labels: Labels): Uint8Array {
  const sink = new ByteSink(64);
  canonicalizeLabels(labels, sink);
  return sink.bytes.slice(0, sink.length);
}

function push(
  head: TenantHead,
  given: readonly Given[],
  exemplars: readonly ExemplarSample[] = [],
  metadata: readonly MetricMetadata[] = [],
): void {
  const ids = Uint32Array.from(given, ({ labels }) => {
    const bytes = canonical(labels);
    return head.seriesIdOf(bytes, 0, bytes.length);
  });
  const none = new Uint32Array(given.length);
  const batch: WriteBatch = {
    tenant: parseTenantId('test'),
    receiveTimeMs: 0,
    seriesCount: given.length,
    refs: ids,
    labelBytes: new Uint8Array(0),
    labelsBegin: none,
    labelsEnd: none,
    sampleBegin: Uint32Array.from({ length: given.length + 1 }, (_, i) => i),
    sampleT: Float64Array.from(given, ({ t }) => t),
    sampleV: new Float64Array(given.length),
    sampleST: null,
    histograms: [],
    exemplars,
    metadata,
  };
  head.append(batch, ids);
}

function labelSetsOf({ strings, begin, refs }: LabelTable): Labels[] {
  assert.equal(new Set(strings).size, strings.length, 'every string once');
  const sets: Labels[] = [];
  for (let i = 0; i + 1 < begin.length; i++) {
    sets.push(new Labels([...refs.subarray(begin[i], begin[i + 1])].map((ref) => strings[ref] as string)));
  }
  return sets;
}

const texts = (sets: readonly Labels[]) => sets.map((labels) => labels.pairs.join('\x00')).sort();

const label = fc.record({
  name: fc.constantFrom('__name__', 'a', 'b', '__proto__', '🌊'),
  value: fc.constantFrom('', 'x', 'y', 'xy', 'constructor', 'ünï', 'x'.repeat(300)),
});
const given: fc.Arbitrary<Given[]> = fc.array(
  fc.record({
    labels: fc
      .array(label, { maxLength: 5 })
      .map((all) => Labels.from(all.map(({ name, value }) => [name, value] as const))),
    t: fc.integer({ min: 0, max: 20_000_000 }).map((offset) => begin + offset),
  }),
  { maxLength: 60 },
);
const matcher: fc.Arbitrary<Matcher> = fc.record({
  type: fc.constantFrom('=', '!=', '=~', '!~'),
  name: fc.constantFrom('__name__', 'a', 'b', '__proto__', '🌊', 'not there'),
  value: fc.constantFrom('', 'x', 'y', 'x|y', 'x.*', '.+', '.*', 'x|', '(x|y)', '[xy]+', 'ünï', 'z'),
});

function naive(all: readonly Given[], matchers: readonly Matcher[], minT: number, maxT: number): Labels[] {
  const found = new Map<string, Labels>();
  for (const { labels, t } of all) {
    if (t < minT || t > maxT) continue;
    if (matchers.every((one) => compileMatcher(one).matches(labels.get(one.name)))) found.set(labels.key, labels);
  }
  return [...found.values()].sort(compareLabels);
}

describe('a head as a source', () => {
  it('selects what the matchers say', async () => {
    await fc.assert(
      fc.asyncProperty(given, fc.array(matcher, { maxLength: 4 }), async (all, matchers) => {
        const head = new TenantHead({ exemplarsMax: 0 });
        push(head, all);
        const source = new HeadSource(head);
        const { labels } = await source.select({ matchers, ...always }, signal);
        const expected = naive(all, matchers, -Infinity, Infinity);
        assert.deepEqual(texts(labelSetsOf(labels)), texts(expected));
        for (const without of [true, false]) {
          const shards: Labels[] = [];
          for (let index = 0; index < 3; index++) {
            const shard = { names: ['a', '__name__'], without, index, count: 3 };
            const selected = await source.select({ matchers, shard, ...always }, signal);
            const kept = keepSeries(labels, seriesOfShard(labels, shard));
            assert.deepEqual(texts(labelSetsOf(selected.labels)), texts(labelSetsOf(kept)));
            shards.push(...labelSetsOf(selected.labels));
          }
          assert.deepEqual(texts(shards), texts(expected), 'every series is in one shard');
        }
        const query = { selectors: [matchers], limit: 0, ...always };
        assert.deepEqual(texts((await source.series(query, signal)).values), texts(expected));
        assert.deepEqual(
          (await source.series(query, signal)).values.map(({ key }) => key),
          expected.map(({ key }) => key),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('knows labels by time and selector', async () => {
    await fc.assert(
      fc.asyncProperty(
        given,
        fc.array(fc.array(matcher, { minLength: 1, maxLength: 2 }), { maxLength: 2 }),
        fc.boolean(),
        async (all, selectors, whole) => {
          const head = new TenantHead({ exemplarsMax: 0 });
          push(head, all);
          const source = new HeadSource(head);
          // Whole ranges: within a range, a series with samples around the asked time may be named, too.
          const minT = whole ? -1e15 : Math.ceil((begin + 5_000_000) / 7_200_000) * 7_200_000;
          const maxT = whole ? 1e15 : minT + 7_200_000 - 1;
          const sets = (selectors.length === 0 ? [[]] : selectors).flatMap((matchers) =>
            naive(all, matchers, minT, maxT),
          );
          const query = { selectors, minT, maxT, limit: 0 };
          const names = new Set(sets.flatMap(({ pairs }) => pairs.filter((_, i) => i % 2 === 0)));
          assert.deepEqual(new Set((await source.labelNames(query, signal)).values), names);
          for (const name of ['a', '__proto__', 'not there']) {
            const values = new Set(sets.map((labels) => labels.get(name)).filter((value) => value !== ''));
            assert.deepEqual(new Set((await source.labelValues(name, query, signal)).values), values);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('remembers which values it has samples of, as long as that is so', async () => {
    const asked = fc.record({
      minT: fc.integer({ min: 0, max: 20_000_000 }),
      span: fc.integer({ min: 0, max: 20_000_000 }),
      added: fc.oneof({ weight: 2, arbitrary: fc.constant<Given[]>([]) }, given),
      dropped: fc.oneof({ weight: 4, arbitrary: fc.constant(-1) }, fc.nat(3)),
    });
    await fc.assert(
      fc.asyncProperty(given, fc.array(asked, { maxLength: 8 }), async (all, rounds) => {
        const head = new TenantHead({ exemplarsMax: 0 });
        push(head, all);
        const lists = new ValueLists(1 << 20);
        let generation = 0;
        for (const { minT, span, added, dropped } of rounds) {
          push(head, added);
          const range = head.rangesBetween(-Infinity, Infinity)[dropped];
          if (range !== undefined) {
            head.freeze(range.begin / 7_200_000, ++generation);
            head.drop(generation);
          }
          const query = { selectors: [], minT: begin + minT, maxT: begin + minT + span, limit: 0 };
          // Twice: what was found is remembered.
          for (let i = 0; i < 2; i++) {
            const kept = await new HeadSource(head, lists).labelValues('a', query, signal);
            assert.deepEqual(kept, await new HeadSource(head).labelValues('a', query, signal));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('remembers that without keeping the samples', async () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    const lists = new ValueLists(1 << 20);
    const dropped = await (async () => {
      push(head, [
        { labels: Labels.from([['a', 'x']]), t: begin },
        { labels: Labels.from([['a', 'y']]), t: begin },
      ]);
      const query = { selectors: [], minT: begin - 1000, maxT: begin + 1000, limit: 0 };
      assert.deepEqual((await new HeadSource(head, lists).labelValues('a', query, signal)).values, ['x', 'y']);
      const [range] = head.rangesBetween(-Infinity, Infinity);
      assert.ok(range !== undefined);
      head.freeze(range.begin / 7_200_000, 1);
      head.drop(1);
      return new WeakRef(range);
    })();
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    for (let i = 0; i < 20 && dropped.deref() !== undefined; i++) {
      await turn();
      collect();
    }
    assert.equal(dropped.deref(), undefined);
    assert.equal(head.openRanges.size, 0);
  });

  it('counts what it gathers while it does, and gathers no more than there is room for', async () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    const count = 5_000;
    push(
      head,
      Array.from({ length: count }, (_, i) => ({ labels: Labels.from([['a', `value-${i}`]]), t: begin })),
    );
    const memory = new ListMemory(16 << 20);
    const query = { selectors: [[{ type: '=~', name: 'a', value: '.+' }]], limit: 0, ...always } as const;
    for (const { list, least } of [
      { list: (asked: LabelQuery) => new HeadSource(head).series(asked, signal), least: 150 },
      { list: (asked: LabelQuery) => new HeadSource(head).labelValues('a', asked, signal), least: 34 },
      {
        list: (asked: LabelQuery) => new HeadSource(head).labelValues('a', { ...asked, selectors: [] }, signal),
        least: 34,
      },
    ]) {
      const held = memory.hold('t');
      assert.equal((await list({ ...query, memory: held })).values.length, count);
      assert.ok(memory.used >= count * least, `${memory.used} bytes`);
      held.release();
      const small = new ListMemory(2 * 100_000);
      const more = small.hold('t');
      await assert.rejects(list({ ...query, memory: more }), { kind: 'query_limit' });
      assert.ok(small.used <= 100_000);
      more.release();
    }
    // Lists that are kept for all who ask are nobody's.
    const held = memory.hold('t');
    const source = new HeadSource(head, new ValueLists(1 << 20));
    for (let i = 0; i < 3; i++) await source.labelValues('a', { ...query, selectors: [], memory: held }, signal);
    assert.ok(memory.used <= 64 << 10, `${memory.used} bytes`);
    held.release();
    // Of what is taken from them, the places.
    const small = new ListMemory(2 * 100_000).hold('t');
    for (let i = 0; i < 2; i++) await source.labelValues('a', { ...query, memory: small }, signal);
    await assert.rejects(source.labelValues('a', { ...query, memory: small }, signal), { kind: 'query_limit' });
  });

  it('sorts by bytes of UTF-8, and says that it cut', async () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    const values = ['b', 'a', '\u{1f30a}', '\uff5e', 'ab'];
    push(
      head,
      values.map((value) => ({ labels: Labels.from([['a', value]]), t: begin })),
    );
    const source = new HeadSource(head);
    const query = { selectors: [], limit: 0, ...always };
    assert.deepEqual(await source.labelValues('a', query, signal), {
      values: ['a', 'ab', 'b', '\uff5e', '\u{1f30a}'],
      warnings: [],
    });
    const cut = { values: ['a', 'ab'], warnings: ['results truncated due to limit'] };
    assert.deepEqual(await source.labelValues('a', { ...query, limit: 2 }, signal), cut);
  });

  it('stops when it is told to', async () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    push(
      head,
      Array.from({ length: 1000 }, (_, i) => ({ labels: Labels.from([['a', `${i}`]]), t: begin })),
    );
    const stop = new AbortController();
    const { chunks } = await new HeadSource(head).select({ matchers: [], ...always }, stop.signal);
    await assert.rejects(async () => {
      for await (const _ of chunks(stop.signal)) stop.abort(new Error('enough'));
    }, /enough/);
    await assert.rejects(new HeadSource(head).select({ matchers: [], ...always }, stop.signal), /enough/);
  });

  it('lets others have their turn between any two of many selectors', () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    const labels = Array.from({ length: 300 }, (_, i) => Labels.from([['__name__', `m${i}`]]));
    push(
      head,
      labels.map((one) => ({ labels: one, t: begin })),
    );
    const of = (i: number): Matcher[] => [{ type: '=', name: '__name__', value: `m${i}` }];
    const selectors = Array.from({ length: 1_000 }, (_, i) => of((i * 7) % 600));
    const steps = selectAnyIds(head.series, selectors);
    let turns = 0;
    for (let step = steps.next(); ; step = steps.next(), turns++) {
      if (step.done !== true) continue;
      assert.equal(step.value.length, 300);
      assert.deepEqual(step.value, step.value.toSorted());
      break;
    }
    assert.ok(turns >= selectors.length, `${turns} turns`);
  });

  it('refuses a bad pattern though nothing could match', async () => {
    const source = new HeadSource(new TenantHead({ exemplarsMax: 0 }));
    const matchers: Matcher[] = [
      { type: '=', name: 'a', value: 'x' },
      { type: '=~', name: 'b', value: '(' },
    ];
    await assert.rejects(source.select({ matchers, ...always }, signal), { kind: 'bad_data' });
  });

  it('reads many exemplars in slices of time, as they were when it was asked', async () => {
    const count = 60_000;
    const head = new TenantHead({ exemplarsMax: count });
    const exemplars = Array.from({ length: count }, (_, i) => ({
      series: i % 2,
      t: i,
      value: i,
      labels: canonical(Labels.from([['trace', `${i}`]])),
    }));
    const samples = ['a', 'b'].map((name) => ({ labels: Labels.from([['__name__', name]]), t: begin }));
    push(head, samples, exemplars);
    const query = { selectors: [[{ type: '=~', name: '__name__', value: '.*' }]], ...always, limit: 0 } as const;
    let isPending = true;
    const reading = new HeadSource(head).exemplars(query, signal).finally(() => {
      isPending = false;
    });
    let turns = 0;
    for (; isPending; turns++) {
      push(head, samples, [{ series: 0, t: 1, value: 1, labels: canonical(Labels.from([['later', `${turns}`]])) }]);
      await turn();
    }
    assert.ok(turns >= 8, `writes had ${turns} turns`);
    const { values } = await reading;
    for (const [i, { exemplars: found }] of values.entries()) {
      assert.equal(found.length, count / 2);
      assert.ok(found.every(({ value, labels }, at) => value === at * 2 + i && labels.get('trace') === `${value}`));
    }
  });

  it('keeps the newest exemplars, each once, sorted by time when asked', async () => {
    const trace = (id: number, t: number, series = 0): ExemplarSample => ({
      series,
      t,
      value: id,
      labels: canonical(Labels.from([['trace', `${id}`]])),
    });
    const sets = [Labels.from([['__name__', 'a']]), Labels.from([['__name__', 'b']])];
    const samples = sets.map((labels) => ({ labels, t: begin }));
    const head = new TenantHead({ exemplarsMax: 4 });
    push(head, samples, [trace(1, 50), trace(2, 40), trace(2, 40), trace(3, 30, 1)]);
    push(head, samples, [trace(2, 40), trace(4, 20), trace(5, 60)]);
    assert.equal(head.counters.exemplars, 5);
    const asked = async (value: string, minT: number, from = head) => {
      const query = { selectors: [[{ type: '=~', name: '__name__', value }]], minT, maxT: 100, limit: 0 } as const;
      const { values } = await new HeadSource(from).exemplars(query, signal);
      return values.map(({ labels, exemplars }) => [
        labels.get('__name__'),
        ...exemplars.map((one) => one.labels.get('trace')),
      ]);
    };
    assert.deepEqual(await asked('.*', 0), [
      ['a', '4', '2', '5'],
      ['b', '3'],
    ]);
    assert.deepEqual(await asked('a', 40), [['a', '2', '5']]);
    const copy = new TenantHead({ exemplarsMax: 4 });
    const sink = new ByteSink();
    head.writeSlice(1, 3, sink);
    copy.readSlice(sink.bytes, 0, sink.length, 1);
    sink.reset();
    head.writeExtras(sink);
    copy.readExtras(sink.bytes, 0, sink.length);
    assert.deepEqual(await asked('.*', 0, copy), [
      ['a', '4', '2', '5'],
      ['b', '3'],
    ]);
  });

  it('lists the metadata of targets that disagree', async () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    const entry = (metric: string, help: string): MetricMetadata => ({ metric, type: 'counter', help, unit: '' });
    push(head, [], [], [entry('a', '1'), entry('b', '1'), entry('a', '2'), entry('a', '1')]);
    const source = new HeadSource(head);
    assert.deepEqual((await source.metadata(undefined, 0, 0)).values, [
      entry('a', '1'),
      entry('a', '2'),
      entry('b', '1'),
    ]);
    assert.deepEqual((await source.metadata(undefined, 1, 1)).values, [entry('a', '1')]);
    assert.deepEqual((await source.metadata('b', 0, 0)).values, [entry('b', '1')]);
    assert.deepEqual((await source.metadata('__proto__', 0, 0)).values, []);
  });
});

describe('how large a head is', () => {
  const status = (head: TenantHead, countMax: number) => runInSlices(headStatusOf(head, countMax), signal);

  it('of nothing', async () => {
    const { series, labelPairs, chunks, minT, maxT, seriesByMetric } = await status(
      new TenantHead({ exemplarsMax: 0 }),
      10,
    );
    assert.deepEqual([series, labelPairs, chunks, minT, maxT, seriesByMetric], [0, 0, 0, undefined, undefined, []]);
  });

  it('by metric, label, pair, with the largest first and names in order where they are even', async () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    const given: Given[] = [];
    for (let i = 0; i < 300; i++) {
      const name = i < 3 ? 'few' : i < 150 ? 'more' : 'most';
      given.push({
        labels: Labels.from([
          ['__name__', name],
          ['i', String(i)],
          ['even', String(i % 2)],
        ]),
        t: begin + i,
      });
    }
    push(head, given);
    // In another range of time, and late in the first.
    push(head, [{ labels: given[0]?.labels ?? Labels.empty, t: begin + 10_000_000 }]);
    push(head, [{ labels: given[9]?.labels ?? Labels.empty, t: begin + 5 }]);
    const found = await status(head, 2);
    assert.deepEqual(
      [found.series, found.labelPairs, found.chunks, found.minT, found.maxT],
      [300, 305, 301, begin, begin + 10_000_000],
    );
    assert.deepEqual(found.seriesByMetric, [
      { name: 'most', count: 150 },
      { name: 'more', count: 147 },
    ]);
    assert.deepEqual(found.valuesByLabel, [
      { name: 'i', count: 300 },
      { name: '__name__', count: 3 },
    ]);
    assert.deepEqual(found.seriesByPair, [
      { name: '__name__=most', count: 150 },
      { name: 'even=0', count: 150 },
    ]);
    // A byte for each length, the name, the value.
    const bytes = 3 * (2 + 8 + 3) + 147 * (2 + 8 + 4) + 150 * (2 + 8 + 4);
    assert.deepEqual(found.bytesByLabel[0], { name: '__name__', count: bytes });
    assert.equal((await status(head, 1000)).seriesByPair.length, 305);
  });

  it('has the values of a range that left the head while they were put in order', async () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    const given = Array.from({ length: 30_000 }, (_, i) => ({
      labels: Labels.from([
        ['__name__', 'up'],
        ['i', String((i * 7919) % 30_000)],
      ]),
      t: begin,
    }));
    push(head, given);
    const values = new HeadSource(head).labelValues('i', { selectors: [], minT: begin, maxT: begin, limit: 0 }, signal);
    const [index = 0] = head.openRanges.keys();
    head.freeze(index, 1);
    head.drop(1);
    assert.equal((await values).values.length, given.length);
  });
});
