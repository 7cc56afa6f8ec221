import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type TempFolder, tempFolder } from '../../../test/support/temp-folder.ts';
import { WatchedTurns } from '../../../test/support/watched-turns.ts';
import { Failure } from '../../errors/failure.ts';
import { compareLabels, Labels } from '../../model/labels.ts';
import { ListMemory } from '../../series/list-memory.ts';
import type { LabelQuery } from '../../series/series-source.ts';
import { realDisk } from '../../std/disk.ts';
import { KeptReads } from '../../std/kept-reads.ts';
import { RecentlyUsed } from '../../std/recently-used.ts';
import { Prng } from '../../std/testing/prng.ts';
import { labelsText, readTestBlock, type TestSeries, ulidOf, writeTestBlock } from './block.testing.ts';
import { blockBegin, expectedSelection, gridOfSeries, randomMatchers, selectRows } from './block-source.testing.ts';
import { type BlockReaders, BlockSource } from './block-source.ts';
import { IndexLookup } from './index-lookup.ts';
import { type BlockMemory, type LocalBlock, openLocalBlock } from './local-block.ts';
import { openBlockFolder } from './read-block.ts';
import { SeriesMemory } from './series-columns.ts';
import { encodeTombstones } from './tombstones.ts';

const { signal } = new AbortController();
const whole = { minT: 0, maxT: Number.MAX_SAFE_INTEGER };

const memories: BlockMemory[] = [
  {},
  { series: new SeriesMemory(16 << 20), reads: new KeptReads(1 << 20), lists: new RecentlyUsed(1 << 20) },
];
for (const memory of memories) {
  describe(`a local block as a source${memory.series === undefined ? '' : ' that keeps its series and reads'}`, () => {
    const series = gridOfSeries(12, 40, 150);
    let folder: TempFolder;
    let block: LocalBlock;
    before(async () => {
      folder = await tempFolder('block-source');
      const ulid = ulidOf(new Prng(1));
      const directory = join(folder.path, ulid);
      await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series, segmentBytes: 100_000 });
      block = await openLocalBlock(realDisk, directory, memory);
    });
    after(async () => {
      await block[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    });

    it('finds what a look at every series finds, for any matchers and any time', async () => {
      const prng = new Prng(5);
      for (let run = 0; run < 100; run++) {
        const minT = blockBegin + prng.below(2) * prng.below(3_000_000);
        const query = { matchers: randomMatchers(prng, 12, 40), minT, maxT: minT + prng.below(6_000_000) };
        const found = (await selectRows(block.source, query)).filter(([, rows]) => rows.length > 0);
        assert.deepEqual(found, expectedSelection(series, query), `run ${run}: ${JSON.stringify(query)}`);
        const shards: typeof found = [];
        for (let index = 0; index < 4; index++) {
          const shard = { names: ['zone', 'instance'], without: run % 2 === 0, index, count: 4 };
          shards.push(...(await selectRows(block.source, { ...query, shard })).filter(([, rows]) => rows.length > 0));
        }
        assert.deepEqual(shards.sort(), found.toSorted(), 'every series is in one shard, with its samples');
      }
    });

    it('label names, values and series as a look at every series has them', async () => {
      const prng = new Prng(9);
      for (let run = 0; run < 60; run++) {
        const selectors = Array.from({ length: prng.below(3) }, () => randomMatchers(prng, 12, 40));
        // A grid's series all begin in the first seconds: a time that covers a part of the block has all of them.
        const maxT = run % 2 === 0 ? whole.maxT : blockBegin + 600_000;
        const query = { selectors, minT: 0, maxT, limit: 0 };
        const matching = series.filter(
          ({ labels }) =>
            selectors.length === 0 ||
            selectors.some(
              (matchers) =>
                expectedSelection([{ labels, samples: [{ t: 1, v: 1 }] }], { matchers, ...whole }).length > 0,
            ),
        );
        const names = new Set(matching.flatMap(({ labels }) => labels.pairs.filter((_, i) => i % 2 === 0)));
        assert.deepEqual((await block.source.labelNames(query, signal)).values, [...names].sort());
        const zones = new Set(matching.map(({ labels }) => labels.get('zone')).filter((zone) => zone !== ''));
        assert.deepEqual((await block.source.labelValues('zone', query, signal)).values, [...zones].sort());
        const found = await block.source.series(query, signal);
        assert.deepEqual(
          found.values.map(labelsText),
          matching.map(({ labels }) => labelsText(labels)),
        );
        const cut = await block.source.series({ ...query, limit: 3 }, signal);
        assert.equal(cut.values.length, Math.min(3, matching.length));
        assert.equal(cut.warnings.length, matching.length > 3 ? 1 : 0);
      }
    });

    it('many selectors cost what they match, not what all before them matched', async (t) => {
      const prototype = Object.getPrototypeOf(Uint32Array.prototype) as Uint32Array;
      const sort = t.mock.method(prototype, 'sort');
      const none = Array.from({ length: 2_000 }, (_, i) => [{ type: '=', name: 'job', value: `none ${i}` }] as const);
      const selectors = [[{ type: '!=', name: 'job', value: '' }] as const, ...none];
      const { values } = await block.source.series({ ...whole, selectors, limit: 0 }, signal);
      assert.equal(values.length, series.filter(({ labels }) => labels.get('job') !== '').length);
      const sorted = sort.mock.calls.reduce((sum, { result }) => sum + (result?.length ?? 0), 0);
      assert.ok(sorted <= 20 * series.length, `${sorted} places were sorted`);
    });

    it('a list of more values than a label has costs what the label has', async (t) => {
      const rowOf = t.mock.method(IndexLookup.prototype, 'rowOf');
      const zones = [...new Set(series.map(({ labels }) => labels.get('zone')))].filter((zone) => zone !== '');
      const values = [...Array.from({ length: 50_000 }, (_, i) => `none ${i}`), ...zones.slice(1)];
      const query = { matchers: [{ type: '=~', name: 'zone', value: '', values }] as const, ...whole };
      const found = await selectRows(block.source, query);
      const zoneOf = ({ labels }: TestSeries): string => labels.get('zone');
      assert.equal(found.length, series.filter((one) => zoneOf(one) !== '' && zoneOf(one) !== zones[0]).length);
      assert.ok(rowOf.mock.callCount() < 1_000, `${rowOf.mock.callCount()} values were looked up`);
    });

    it('many matchers look at values in turns', async (t) => {
      const watched = new WatchedTurns(t);
      let [turn, looks, most] = [-1, 0, 0];
      const { valueText } = IndexLookup.prototype;
      t.mock.method(IndexLookup.prototype, 'valueText', function (this: IndexLookup, row: number) {
        looks = turn === watched.turns ? looks + 1 : 1;
        turn = watched.turns;
        most = Math.max(most, looks);
        return valueText.call(this, row);
      });
      const matchers = Array.from(
        { length: 500 },
        (_, i) => ({ type: '!=', name: 'instance', value: `${i}` }) as const,
      );
      await block.source.select({ matchers, ...whole }, signal);
      assert.ok(looks > 0 && most <= 1_000, `${most} values were looked at in a turn`);
    });

    it('a bad pattern is an error, whatever else is asked', async () => {
      const matchers = [
        { type: '=', name: 'none', value: 'x' },
        { type: '=~', name: 'job', value: '(' },
      ] as const;
      await assert.rejects(block.source.select({ matchers, ...whole }, signal), { kind: 'bad_data' });
    });

    it('a byte order mark at the begin of a name or a value is a part of it', async () => {
      await using other = await tempFolder('block-source');
      const texts = ['x', '\ufeffx', '\ufeff', 'x\ufeff'];
      const marked = texts.flatMap((text) =>
        [text, 'y'].map((name) => ({
          labels: Labels.from([
            ['__name__', 'm'],
            [name, text],
          ]),
          samples: [{ t: blockBegin, v: 1 }],
        })),
      );
      marked.sort((a, b) => compareLabels(a.labels, b.labels));
      const ulid = ulidOf(new Prng(2));
      await writeTestBlock({ disk: realDisk, directory: other.path, ulid, series: marked });
      await using held = await openLocalBlock(realDisk, join(other.path, ulid), memory);
      const query = { matchers: [], ...whole };
      assert.deepEqual(await selectRows(held.source, query), expectedSelection(marked, query));
      const all = { selectors: [], ...whole, limit: 0 };
      assert.deepEqual((await held.source.labelNames(all, signal)).values, ['__name__', ...texts, 'y'].sort());
      assert.deepEqual((await held.source.labelValues('y', all, signal)).values, texts.toSorted());
      await using files = await openBlockFolder(realDisk, join(other.path, ulid));
      assert.equal((await readTestBlock(files)).size, marked.length);
    });

    it('answers again after its lookup was let go', async () => {
      const query = { matchers: [{ type: '=', name: 'job', value: 'api' } as const], ...whole };
      const before = await selectRows(block.source, query);
      assert.ok(block.bytes() > 0);
      block.release();
      assert.equal(block.bytes(), 0);
      assert.deepEqual(await selectRows(block.source, query), before);
    });
  });
}

describe('labels of a part of a block', () => {
  // The first series of a pair has samples at other times than the next ones, and some times nobody has any.
  const minutes = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => ({ t: blockBegin + (from + i) * 60_000, v: i }));
  const series: TestSeries[] = [
    {
      labels: Labels.from([
        ['__name__', 'a'],
        ['job', 'x'],
      ]),
      samples: minutes(0, 10),
    },
    {
      labels: Labels.from([
        ['__name__', 'b'],
        ['job', 'x'],
        ['zone', 'z1'],
      ]),
      samples: minutes(50, 60),
    },
    {
      labels: Labels.from([
        ['__name__', 'c'],
        ['job', 'y'],
        ['zone', 'z1'],
      ]),
      samples: [...minutes(5, 8), ...minutes(90, 95)],
    },
    {
      labels: Labels.from([
        ['__name__', 'd'],
        ['zone', 'z2'],
      ]),
      samples: minutes(100, 118),
    },
  ];
  for (const memory of memories) {
    it(`are those of series with samples then${memory.series === undefined ? '' : ', also where series are kept'}`, async () => {
      await using folder = await tempFolder('block-labels');
      const ulid = ulidOf(new Prng(1));
      await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series, samplesPerChunk: 3 });
      await using block = await openLocalBlock(realDisk, join(folder.path, ulid), memory);
      for (const [from, to] of [
        [0, 4],
        [6, 7],
        [11, 40],
        [11, 55],
        [51, 94],
        [70, 89],
        [94, 118],
        [0, 200],
        [150, 200],
        [5, 119],
      ] as const) {
        const query = { selectors: [], minT: blockBegin + from * 60_000, maxT: blockBegin + to * 60_000, limit: 0 };
        const then = series.filter(({ samples }) => samples.some(({ t }) => t >= query.minT && t <= query.maxT));
        const names = new Set(then.flatMap(({ labels }) => labels.pairs.filter((_, i) => i % 2 === 0)));
        assert.deepEqual((await block.source.labelNames(query, signal)).values, [...names].sort(), `${from} to ${to}`);
        for (const name of ['__name__', 'job', 'zone', 'none']) {
          const values = new Set(then.map(({ labels }) => labels.get(name)).filter((value) => value !== ''));
          const found = await block.source.labelValues(name, query, signal);
          assert.deepEqual(found.values, [...values].sort(), `${name} ${from} to ${to}`);
        }
      }
    });
  }
});

it('values of a label are listed once, and are those of their own block', async () => {
  await using folder = await tempFolder('block-lists');
  const lists = new RecentlyUsed<readonly string[]>(1 << 20);
  const samples = gridOfSeries(1, 1, 5)[0]?.samples ?? [];
  for (const round of [0, 1]) {
    for (const [i, pod] of ['a', 'b'].entries()) {
      const directory = join(folder.path, pod);
      const ulid = ulidOf(new Prng(i));
      const series = [{ labels: Labels.from([['pod', pod]]), samples }];
      if (round === 0) await writeTestBlock({ disk: realDisk, directory, ulid, series });
      await using block = await openLocalBlock(realDisk, join(directory, ulid), { lists });
      const ask = async () =>
        (await block.source.labelValues('pod', { selectors: [], ...whole, limit: 0 }, signal)).values;
      const first = await ask();
      assert.deepEqual(first, [pod]);
      assert.equal(await ask(), first);
    }
  }
});

it('lists count while they are gathered, and are gathered in turns', async (test) => {
  await using folder = await tempFolder('block-list-memory');
  const ulid = ulidOf(new Prng(1));
  const count = 5_000;
  const samples = gridOfSeries(1, 1, 1)[0]?.samples ?? [];
  const values = Array.from({ length: count }, (_, i) => `value-${String(i).padStart(4, '0')}`);
  const series = values.map((value) => ({ labels: Labels.from([['pod', value]]), samples }));
  await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series });
  const lists = new RecentlyUsed<readonly string[]>(1 << 20);
  await using block = await openLocalBlock(realDisk, join(folder.path, ulid));
  await using keeping = await openLocalBlock(realDisk, join(folder.path, ulid), { lists });
  const query = { selectors: [], ...whole, limit: 0 };
  const selectors = [[{ type: '=~', name: 'pod', value: '.+' } as const]];
  for (const { list, least } of [
    { list: (asked: LabelQuery) => block.source.series({ ...asked, selectors }, signal), least: 150 },
    { list: (asked: LabelQuery) => block.source.labelValues('pod', { ...asked, selectors }, signal), least: 34 },
    { list: (asked: LabelQuery) => block.source.labelValues('pod', asked, signal), least: 34 },
  ]) {
    const memory = new ListMemory(16 << 20);
    assert.equal((await list({ ...query, memory: memory.hold('t') })).values.length, count);
    assert.ok(memory.used >= count * least, `${memory.used} bytes`);
    const small = new ListMemory(2 * 100_000);
    await assert.rejects(list({ ...query, memory: small.hold('t') }), { kind: 'query_limit' });
  }
  const memory = new ListMemory(16 << 20);
  const held = memory.hold('t');
  const watched = new WatchedTurns(test);
  for (let i = 0; i < 3; i++) await keeping.source.labelValues('pod', { ...query, memory: held }, signal);
  assert.ok(watched.turns > count / 1024, `${watched.turns} turns`);
  // A list that is kept for all who ask is nobody's.
  assert.ok(memory.used <= 64 << 10, `${memory.used} bytes`);
});

it('names and values of a block whose series are kept are listed in turns', async (test) => {
  await using folder = await tempFolder('block-kept-lists');
  const ulid = ulidOf(new Prng(1));
  const count = 8_000;
  const samples = gridOfSeries(1, 1, 2)[0]?.samples ?? [];
  const series = Array.from({ length: count }, (_, i) => ({
    labels: Labels.from([['pod', `value-${String(i).padStart(4, '0')}`]]),
    // What is not asked for has other samples.
    samples: i % 2 === 0 ? samples : samples.slice(0, 1),
  }));
  await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series });
  const memory = { series: new SeriesMemory(16 << 20) };
  await using block = await openLocalBlock(realDisk, join(folder.path, ulid), memory);
  const query = { selectors: [], minT: samples[1]?.t ?? 0, maxT: Number.MAX_SAFE_INTEGER, limit: 0 };
  const { symbolText } = IndexLookup.prototype;
  const watched = new WatchedTurns(test);
  let turn = 0;
  let inTurn = 0;
  let most = 0;
  test.mock.method(IndexLookup.prototype, 'symbolText', function (this: IndexLookup, ref: number, offset: number) {
    inTurn = watched.turns === turn ? inTurn + 1 : 1;
    turn = watched.turns;
    most = Math.max(most, inTurn);
    return symbolText.call(this, ref, offset);
  });
  assert.deepEqual((await block.source.labelNames(query, signal)).values, ['pod']);
  // Those of few series are looked up one by one, until all have been asked for.
  const few = { ...query, selectors: [[{ type: '=~', name: 'pod', value: 'value-000[2-5]' } as const]] };
  const ofFew = ['value-0002', 'value-0004'];
  assert.deepEqual((await block.source.labelValues('pod', few, signal)).values, ofFew);
  const { values } = await block.source.labelValues('pod', query, signal);
  assert.deepEqual([values.length, values[1]], [count / 2, 'value-0002']);
  assert.deepEqual((await block.source.labelValues('pod', few, signal)).values, ofFew);
  const selectors = [[{ type: '=~', name: 'pod', value: '.*[13579]' } as const]];
  const others = await block.source.labelValues('pod', { ...query, minT: 0, selectors }, signal);
  assert.deepEqual([others.values.length, others.values[1]], [count / 2, 'value-0003']);
  assert.ok(memory.series.bytes > 0, 'its series are kept');
  // The texts are, too; the places in a list are its own.
  const held = new ListMemory(2 * 50_000).hold('t');
  await block.source.labelValues('pod', { ...query, memory: held }, signal);
  await assert.rejects(block.source.labelValues('pod', { ...query, memory: held }, signal), { kind: 'query_limit' });
  assert.ok(most > 1 && most <= 2048, `${most} texts in a turn`);
});

describe('memory for the series of blocks', () => {
  it('is given back when a block is let go or closed, and a block without room answers all the same', async () => {
    await using folder = await tempFolder('block-memory');
    const ulid = ulidOf(new Prng(1));
    const series = gridOfSeries(3, 10, 20);
    await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series });
    const query = { matchers: [], ...whole };
    for (const [memory, isKept] of [
      [new SeriesMemory(1 << 20), true],
      [new SeriesMemory(100), false],
    ] as const) {
      const block = await openLocalBlock(realDisk, join(folder.path, ulid), { series: memory });
      assert.deepEqual(await selectRows(block.source, query), expectedSelection(series, query));
      assert.equal(memory.bytes > 0, isKept);
      block.release();
      assert.equal(memory.bytes, 0);
      const asked = Array.from({ length: 4 }, () => selectRows(block.source, query));
      for (const rows of await Promise.all(asked)) assert.deepEqual(rows, expectedSelection(series, query));
      assert.equal(memory.bytes > 0, isKept);
      await block[Symbol.asyncDispose]();
      assert.equal(memory.bytes, 0);
    }
  });
});

describe('a block with tombstones', () => {
  it('leaves out what is deleted, to the millisecond', async () => {
    await using folder = await tempFolder('block-tombstones');
    const ulid = ulidOf(new Prng(1));
    const directory = join(folder.path, ulid);
    const series = gridOfSeries(1, 5, 400);
    await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series });
    const places: number[] = [];
    {
      const { openBlockFolder, readBlockSeries } = await import('./read-block.ts');
      await using files = await openBlockFolder(realDisk, directory);
      for await (const { place } of readBlockSeries(files, signal)) places.push(place);
    }
    const cut = (from: number, to: number): [number, number] => [blockBegin + from * 1000, blockBegin + to * 1000];
    const deleted = new Map([
      [0, [cut(0, 30), cut(3000, 3015)]],
      [2, [cut(0, 1_000_000)]],
      [4, [cut(900_000, 1_000_000)]],
    ]);
    const tombstones = new Map([...deleted].map(([i, cuts]) => [places[i] as number, Float64Array.from(cuts.flat())]));
    await writeFile(join(directory, 'tombstones'), encodeTombstones(tombstones));
    await using block = await openLocalBlock(realDisk, directory);
    const left: TestSeries[] = series.map(({ labels, samples }, i) => ({
      labels,
      samples: samples.filter(({ t }) => !(deleted.get(i) ?? []).some(([from, to]) => t >= from && t <= to)),
    }));
    const query = { matchers: [], ...whole };
    const found = (await selectRows(block.source, query)).filter(([, rows]) => rows.length > 0);
    assert.deepEqual(found, expectedSelection(left, query));
  });
});

describe('a block with large series and chunks', () => {
  it('reads again what is longer than was guessed', async () => {
    await using folder = await tempFolder('block-large');
    const ulid = ulidOf(new Prng(1));
    const directory = join(folder.path, ulid);
    const prng = new Prng(3);
    const long = 'x'.repeat(20_000);
    const series: TestSeries[] = [];
    for (let i = 0; i < 40; i++) {
      const labels = Labels.from([
        ['__name__', `m${String(i).padStart(2, '0')}`],
        ['note', i % 20 === 19 ? long + i : 'short'],
        ...(i % 20 === 19 ? Array.from({ length: 300 }, (_, j) => [`label_${j}`, `${i}`] as const) : []),
      ]);
      const count = i % 10 === 9 ? 20_000 : 3;
      const samples = Array.from({ length: count }, (_, s) => ({ t: blockBegin + s * 1000, v: prng.next() }));
      series.push({ labels, samples });
    }
    await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series, samplesPerChunk: 5000 });
    await using block = await openLocalBlock(realDisk, directory);
    const query = { matchers: [], ...whole };
    assert.deepEqual(await selectRows(block.source, query), expectedSelection(series, query));
  });
});

it('labels of many series are listed in turns', async (test) => {
  const count = 20_000;
  const watched = new WatchedTurns(test);
  const strings = watched.texts(['pod', ...Array.from({ length: count }, (_, i) => `pod-${count * 2 - i}`)]);
  const refs = Uint32Array.from({ length: count * 2 }, (_, i) => (i % 2 === 0 ? 0 : 1 + (i >> 1)));
  const begin = Uint32Array.from({ length: count + 1 }, (_, i) => i * 2);
  const found = { select: async () => ({ labels: { strings, begin, refs }, chunks: undefined }) };
  let asked = 0;
  const source = new BlockSource({
    lookup: () => ({ rowsOf: () => undefined }),
    // First nothing is kept, and then this is what would be read.
    columns: async () => (asked++ % 2 === 0 ? undefined : found),
    seriesCount: count,
    minTime: 0,
    maxTime: 1,
  } as unknown as BlockReaders);
  const query = { selectors: [[{ type: '=', name: 'pod', value: 'x' } as const]], minT: 0, maxT: 1, limit: 0 };
  const values = await source.labelValues('pod', query, signal);
  assert.deepEqual([values.values.length, values.values[0]], [count, `pod-${count + 1}`]);
  const names = await source.labelNames(query, signal);
  assert.deepEqual(names.values, ['pod']);
  const before = watched.turns;
  assert.ok(before > count / 1024, `${before} turns`);
  watched.most = 0;
  asked = 1;
  const series = await source.series(query, signal);
  assert.deepEqual([series.values.length, series.values[0]?.get('pod')], [count, `pod-${count + 1}`]);
  assert.ok(watched.most <= 4096, `${watched.most} texts in a turn`);
  assert.ok(watched.turns - before > count / 1024, `${watched.turns - before} turns`);
});

describe('a damaged block', () => {
  it('is answered rightly or with a Failure, whatever was flipped, cut or spliced', { timeout: 120_000 }, async () => {
    await using folder = await tempFolder('block-damaged');
    const ulid = ulidOf(new Prng(1));
    const directory = join(folder.path, ulid);
    const series = gridOfSeries(3, 10, 200);
    await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series });
    const query = { matchers: [{ type: '=~', name: 'job', value: 'a.*' } as const], ...whole };
    const right = expectedSelection(series, query);
    const prng = new Prng(Number(process.env['MARU_TEST_FUZZ_SEED'] ?? 11));
    const memory = new SeriesMemory(16 << 20);
    let refused = 0;
    for (const name of ['index', 'chunks/000001']) {
      const path = join(directory, name);
      const sound = await readFile(path);
      for (let run = 0; run < 250; run++) {
        const bytes = Buffer.from(sound);
        const at = prng.below(bytes.length);
        const kind = prng.below(3);
        if (kind === 0) bytes[at] = prng.below(256);
        if (kind === 2) bytes.copy(bytes, at, prng.below(bytes.length), prng.below(bytes.length));
        await writeFile(path, kind === 1 ? bytes.subarray(0, at) : bytes);
        try {
          await using block = await openLocalBlock(
            realDisk,
            directory,
            run % 2 === 0 ? { series: memory, reads: new KeptReads(1 << 20) } : {},
          );
          assert.deepEqual(await selectRows(block.source, query), right, `${name} run ${run}`);
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          assert.ok(error instanceof Failure, String(error instanceof Error ? error.stack : error));
          refused++;
        }
      }
      await writeFile(path, sound);
    }
    assert.ok(refused > 200, `${refused} refused`);
    assert.equal(memory.bytes, 0);
  });
});
