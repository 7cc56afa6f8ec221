import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WatchedTurns } from '../../test/support/watched-turns.ts';
import { compareLabels, Labels } from '../model/labels.ts';
import { Prng } from '../std/testing/prng.ts';
import { labelsAt } from './labels-at.ts';
import { bytesOfTexts, type HeldList, ListMemory } from './list-memory.ts';
import { mergeSources } from './merge-sources.ts';
import {
  type ChunkBatch,
  type LabelQuery,
  type SelectedSeries,
  type SeriesSource,
  seriesCountOf,
} from './series-source.ts';

const { signal } = new AbortController();
const everything = { matchers: [], minT: 0, maxT: Number.MAX_SAFE_INTEGER };

/** A source that only selects. */
function sourceOf(selected: SelectedSeries): SeriesSource {
  const none = async () => ({ values: [], warnings: [] });
  return {
    select: async () => selected,
    labelNames: none,
    labelValues: none,
    series: none,
    exemplars: none,
    metadata: none,
  };
}

const mergeSelections = (selections: readonly SelectedSeries[]): Promise<SelectedSeries> =>
  mergeSources(selections.map(sourceOf)).select(everything, signal);

interface Row {
  readonly labels: Labels;
  /** Times of chunks, each of one millisecond; the bytes of a chunk are its text. */
  readonly chunks: readonly { readonly t: number; readonly text: string }[];
}

function selectionOf(rows: readonly Row[], perBatch: number): SelectedSeries {
  const strings: string[] = [];
  const begin = [0];
  const refs: number[] = [];
  const place = (text: string): number => {
    const known = strings.indexOf(text);
    return known >= 0 ? known : strings.push(text) - 1;
  };
  for (const { labels } of rows) {
    for (const text of labels.pairs) refs.push(place(text));
    begin.push(refs.length);
  }
  return {
    labels: { strings, begin: Uint32Array.from(begin), refs: Uint32Array.from(refs) },
    warnings: [`of ${rows.length}`],
    async *chunks() {
      for (let at = 0; at < rows.length; at += perBatch) yield batchOf(rows.slice(at, at + perBatch), at);
    },
  };
}

function batchOf(rows: readonly Row[], firstSeries: number): ChunkBatch {
  const all = rows.flatMap(({ chunks }) => chunks);
  const parts = all.map(({ text }) => new TextEncoder().encode(text));
  const sums = (counts: readonly number[]): Uint32Array => {
    const begin = new Uint32Array(counts.length + 1);
    counts.forEach((count, i) => {
      begin[i + 1] = begin[i] + count;
    });
    return begin;
  };
  return {
    firstSeries,
    chunkBegin: sums(rows.map(({ chunks }) => chunks.length)),
    encoding: Uint8Array.from(all, ({ t }) => (t % 3) + 1),
    minT: Float64Array.from(all, ({ t }) => t),
    maxT: Float64Array.from(all, ({ t }) => t + 1),
    byteBegin: sums(parts.map(({ length }) => length)),
    bytes: new Uint8Array(Buffer.concat(parts)),
  };
}

async function rowsOf(selected: SelectedSeries): Promise<Row[]> {
  const { strings, begin, refs } = selected.labels;
  const rows = Array.from({ length: begin.length - 1 }, (_, i) => ({
    labels: new Labels(Array.from(refs.subarray(begin[i], begin[i + 1]), (ref) => strings[ref] as string)),
    chunks: [] as { t: number; text: string }[],
  }));
  let next = 0;
  for await (const batch of selected.chunks(signal)) {
    assert.equal(batch.firstSeries, next);
    next += batch.chunkBegin.length - 1;
    for (let i = 0; i + 1 < batch.chunkBegin.length; i++) {
      for (let c = batch.chunkBegin[i]; c < batch.chunkBegin[i + 1]; c++) {
        const text = new TextDecoder().decode(batch.bytes.subarray(batch.byteBegin[c], batch.byteBegin[c + 1]));
        assert.equal(batch.encoding[c], (batch.minT[c] % 3) + 1);
        rows[batch.firstSeries + i]?.chunks.push({ t: batch.minT[c], text });
      }
    }
  }
  assert.equal(next, rows.length);
  return rows;
}

describe('merged selections', () => {
  it('each series once, in order, with the chunks of all, whatever the order of the sources', async () => {
    const prng = new Prng(3);
    for (let run = 0; run < 150; run++) {
      const names = ['a', 'b', '\u{1f600}', '\uffee', 'zz', 'é'];
      const all = new Map<string, { labels: Labels; chunks: { t: number; text: string }[] }>();
      const sources = Array.from({ length: 1 + prng.below(5) }, (_, source) => {
        const own = new Map<string, { labels: Labels; chunks: { t: number; text: string }[] }>();
        for (let i = prng.below(40); i > 0; i--) {
          const labels = Labels.from(
            Array.from({ length: 1 + prng.below(3) }, () => [names[prng.below(6)] ?? '', `${prng.below(4)}`] as const),
          );
          const begin = prng.below(10);
          const chunks = Array.from({ length: prng.below(3) }, (_, c) => ({
            t: begin + c * 5,
            text: `${source}:${c}`,
          }));
          own.set(labels.key, { labels, chunks });
        }
        const isSorted = prng.below(2) === 0;
        const rows = [...own.values()];
        if (isSorted) rows.sort((a, b) => compareLabels(a.labels, b.labels));
        for (const { labels, chunks } of rows) {
          const known = all.get(labels.key) ?? { labels, chunks: [] };
          all.set(labels.key, { labels, chunks: [...known.chunks, ...chunks] });
        }
        return selectionOf(rows, 1 + prng.below(7));
      });
      const merged = await mergeSelections(sources);
      const found = await rowsOf(merged);
      const sorted = (rows: readonly Row[]): unknown =>
        rows.map(({ labels, chunks }) => [labels.pairs, chunks.map(({ t, text }) => `${t} ${text}`).sort()]);
      const expected = [...all.values()].sort((a, b) => compareLabels(a.labels, b.labels));
      // One source alone is passed on as it is.
      if (sources.length === 1) found.sort((a, b) => compareLabels(a.labels, b.labels));
      const inOrder = sources.filter(({ labels }) => labels.begin.length > 1).length > 1;
      if (!inOrder) found.sort((a, b) => compareLabels(a.labels, b.labels));
      assert.deepEqual(sorted(found), sorted(expected), `run ${run}`);
      for (const { chunks } of found) {
        if (inOrder) assert.ok(chunks.every(({ t }, i) => i === 0 || t >= (chunks[i - 1]?.t ?? 0)));
      }
    }
  });

  it('labels are left out by the source that has series alone, else when all are joined', async () => {
    const rowOf = (labels: readonly (readonly [string, string])[]) => ({ labels: Labels.from(labels), chunks: [] });
    const rows = ['0', '1', '2'].map((n) =>
      rowOf([
        ['m', n],
        ['n', n],
      ]),
    );
    const projected = selectionOf(rows.slice(0, 1), 1);
    const asked: string[][] = [];
    const head: SeriesSource = {
      ...sourceOf(selectionOf(rows, 2)),
      selectProjected: async (_, names) => {
        asked.push([...names]);
        return projected;
      },
    };
    const beside = (selected: SelectedSeries) => mergeSources([head, sourceOf(selected)]);
    const alone = await beside(selectionOf([], 1)).selectProjected?.(everything, ['n'], signal);
    assert.equal(alone?.labels, projected.labels);
    assert.deepEqual(asked, [['n']]);
    const other = rowOf([
      ['m', 'x'],
      ['n', '2'],
    ]);
    const both = await beside(selectionOf([...rows.slice(2), other], 1)).selectProjected?.(
      everything,
      ['n', 'z'],
      signal,
    );
    assert.equal(asked.length, 1);
    const textsOf = ({ labels }: SelectedSeries) =>
      Array.from({ length: seriesCountOf(labels) }, (_, i) => labelsAt(labels, i).pairs.join());
    assert.deepEqual(both === undefined ? [] : textsOf(both), ['n,0', 'n,1', 'n,2', 'n,2']);
    assert.deepEqual([both?.labels.strings, both?.labels.begin.length], [['n', '0', '1', '2'], 4]);
    assert.equal((await both?.chunks(signal)[Symbol.asyncIterator]().next())?.value.chunkBegin.length, 5);
    const typed = rowOf([
      ['__type__', 'counter'],
      ['m', 'y'],
    ]);
    const all = await beside(selectionOf([typed], 1)).selectProjected?.(everything, ['n'], signal);
    assert.deepEqual(all === undefined ? [] : textsOf(all), ['__type__,counter,m,y', 'm,0,n,0', 'm,1,n,1', 'm,2,n,2']);
  });

  it('a source that fails half-way fails the whole', async () => {
    const rows = Array.from({ length: 5 }, (_, i) => ({ labels: Labels.from([['n', `${i}`]]), chunks: [] }));
    const failing = {
      ...selectionOf(rows, 1),
      async *chunks(): AsyncGenerator<ChunkBatch> {
        yield batchOf(rows.slice(0, 1), 0);
        throw new Error('block x is gone');
      },
    };
    await assert.rejects(rowsOf(await mergeSelections([selectionOf(rows, 2), failing])), /block x is gone/);
  });
});

describe('labels of several selections', () => {
  /** Series of pods, not in order. */
  const podsOf = (count: number, first: number, watched?: WatchedTurns): SelectedSeries => {
    const texts = ['name', 'pod', ...Array.from({ length: count }, (_, i) => `pod-${first + count - i}`)];
    const refs = Uint32Array.from({ length: count * 4 }, (_, i) => [0, 1, 1, 2 + (i >> 2)][i % 4] as number);
    const begin = Uint32Array.from({ length: count + 1 }, (_, i) => i * 4);
    const strings = watched?.texts(texts) ?? texts;
    return { labels: { strings, begin, refs }, warnings: [], chunks: async function* () {} };
  };

  it('are joined in turns where they are many: others are heard after some thousand texts', async (test) => {
    const watched = new WatchedTurns(test);
    const count = 20_000;
    const { labels } = await mergeSelections([podsOf(count, 0, watched), podsOf(count, 10, watched)]);
    assert.equal(seriesCountOf(labels), count + 10);
    assert.ok(watched.most > 0 && watched.most <= 4096, `${watched.most} texts in a turn`);
    // Numbering, sorting, ranking; the series of each put in order, then joined.
    assert.ok(watched.turns > count / 100, `${watched.turns} turns`);
  });

  it('are joined at once where they are few', async (test) => {
    test.mock.method(performance, 'now', () => 0);
    let turns = 0;
    setImmediate(() => turns++);
    const { labels } = await mergeSelections([podsOf(50, 0), podsOf(50, 10)]);
    assert.deepEqual([seriesCountOf(labels), turns], [60, 0]);
  });
});

describe('merged lists', () => {
  it('have everything once and in order', async () => {
    const prng = new Prng(11);
    const texts = ['a', 'b', 'b-1', 'c', 'x'.repeat(300), 'ü', '\ufffd', '🌊'];
    for (let run = 0; run < 200; run++) {
      const lists = Array.from({ length: 2 + prng.below(3) }, () => texts.filter(() => prng.below(2) === 0));
      const limit = prng.below(5);
      const merged = mergeSources(
        lists.map((values, i) => {
          const listed = async () => ({ values, warnings: i % 2 === 0 ? ['even'] : [] });
          const series = async () => ({ values: values.map((text) => Labels.from([['a', text]])), warnings: [] });
          return { ...sourceOf(selectionOf([], 1)), labelNames: listed, labelValues: listed, series };
        }),
      );
      const all = texts.filter((text) => lists.some((values) => values.includes(text)));
      const cut = limit > 0 ? all.slice(0, limit) : all;
      const query = { selectors: [], minT: 0, maxT: 1, limit };
      const names = await merged.labelNames(query, signal);
      assert.deepEqual(names.values, cut);
      assert.deepEqual((await merged.labelValues('a', query, signal)).values, cut);
      const series = await merged.series(query, signal);
      assert.deepEqual(series.values.map(labelsText), cut);
      const isCut = cut.length < all.length;
      assert.deepEqual(names.warnings, isCut ? ['even', 'results truncated due to limit'] : ['even']);
    }
  });

  it('count once what several have, as soon as they are merged', async () => {
    const values = Array.from({ length: 10_000 }, (_, i) => `value-${String(i).padStart(5, '0')}`);
    const bytes = bytesOfTexts(values);
    const taking = async (query: LabelQuery) => {
      query.memory?.take(bytes + 1_000_000);
      query.memory?.give(1_000_000);
      return { values, warnings: [] };
    };
    const merged = mergeSources(
      Array.from({ length: 5 }, () => ({
        ...sourceOf(selectionOf([], 1)),
        labelNames: taking,
        labelValues: (_: string, query: LabelQuery) => taking(query),
        series: async (query: LabelQuery) => ({
          ...(await taking(query)),
          values: values.map((value) => Labels.from([['a', value]])),
        }),
      })),
    );
    const memory = new ListMemory(64 << 20);
    const query = { selectors: [], minT: 0, maxT: 1, limit: 0 };
    for (const list of [
      (held: HeldList) => merged.labelNames({ ...query, memory: held }, signal),
      (held: HeldList) => merged.labelValues('a', { ...query, memory: held }, signal),
      (held: HeldList) => merged.series({ ...query, memory: held }, signal),
    ]) {
      const held = memory.hold('t');
      await list(held);
      assert.ok(memory.used >= bytes && memory.used <= bytes + (128 << 10), `${memory.used} of ${bytes}`);
      held.release();
      assert.equal(memory.used, 0);
    }
    const held = memory.hold('t');
    await merged.labelValues('a', { ...query, limit: 100, memory: held }, signal);
    assert.ok(memory.used <= 128 << 10, `${memory.used} bytes`);
  });

  it('are one of them where that has all', async () => {
    const whole = ['a', 'b', 'c'];
    const of = (values: readonly string[]): SeriesSource => ({
      ...sourceOf(selectionOf([], 1)),
      labelNames: async () => ({ values, warnings: [] }),
    });
    const query = { selectors: [], minT: 0, maxT: 1, limit: 0 };
    for (const lists of [
      [[], whole],
      [whole, []],
      [whole, ['b'], ['a', 'b', 'c']],
    ]) {
      assert.equal((await mergeSources(lists.map(of)).labelNames(query, signal)).values, whole);
    }
  });
});

const labelsText = (labels: Labels): string => labels.get('a');
