/** One read for several selections: what is held, when it is let go, and when it would be too much. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReadQuery, SeriesSelection } from '../../../series/series-reader.ts';
import type { ChunkBatch } from '../../../series/series-source.ts';
import { mergeReads, SharedReader } from './share-reads.ts';

const query = (minT: number, maxT: number, labels?: readonly string[]): ReadQuery => ({
  matchers: [{ type: '=', name: '__name__', value: 'm' }],
  minT,
  maxT,
  labels,
});

function batchOf(firstSeries: number): ChunkBatch {
  return {
    firstSeries,
    chunkBegin: Uint32Array.of(0, 1),
    encoding: new Uint8Array(1),
    minT: new Float64Array(1),
    maxT: new Float64Array(1),
    byteBegin: Uint32Array.of(0, 60),
    bytes: new Uint8Array(60),
  };
}

/** A reader of three batches for every select, which notes what happens. */
class Source {
  readonly asked: ReadQuery[] = [];
  readonly released: number[] = [];
  closed = 0;
  held = 0;
  readonly #seriesCount: number;

  constructor(seriesCount: number) {
    this.#seriesCount = seriesCount;
  }

  select(asked: ReadQuery): SeriesSelection {
    this.asked.push(asked);
    const batches = [0, 1, 2].map(batchOf);
    return {
      labels: { strings: [], begin: new Uint32Array(this.#seriesCount + 1), refs: new Uint32Array(0) },
      warnings: [],
      next: () => batches.shift(),
      release: ({ firstSeries }) => this.released.push(firstSeries),
      close: () => {
        this.closed++;
      },
    };
  }

  readonly memory = {
    worked: () => undefined,
    takeMemory: (bytes: number) => {
      this.held += bytes;
    },
    giveMemory: (bytes: number) => {
      this.held -= bytes;
    },
  };
}

function readAll(selection: SeriesSelection): number[] {
  const seen: number[] = [];
  for (let batch = selection.next(); batch !== undefined; batch = selection.next()) {
    seen.push(batch.firstSeries);
    selection.release?.(batch);
  }
  return seen;
}

describe('shared reads', () => {
  it('are those that have more in common than not', () => {
    const merged = mergeReads([query(0, 100), query(300, 400), query(50, 150, ['a']), query(0, 99)]);
    assert.deepEqual(
      merged.map(({ query: { minT, maxT }, parts }) => [minT, maxT, parts.length]),
      [
        [0, 150, 3],
        [300, 400, 1],
      ],
    );
    assert.deepEqual(mergeReads([query(0, 9, ['a']), query(0, 9, ['b'])])[0]?.query.labels, ['a', 'b']);
    const names = (letter: string) => Array.from({ length: 900 }, (_, i) => `${letter}${i}`);
    const many = ['a', 'b', 'c'].map((letter) => query(0, 9, names(letter)));
    assert.equal(mergeReads(many.slice(0, 2))[0]?.query.labels?.length, 1_800);
    assert.equal(mergeReads(many)[0]?.query.labels, undefined);
  });

  it('are found by comparing each read with few others', () => {
    let looks = 0;
    const count = 2_000;
    const apart = Array.from({ length: count }, (_, i) => ({
      ...query(0, 1000 * i + 1),
      get minT() {
        looks++;
        return 1000 * i;
      },
    }));
    assert.equal(mergeReads(apart).length, count);
    assert.ok(looks < 500 * count, `${looks} looks`);
  });

  // Two by two it would take a minute.
  it('are found among a hundred thousand different ones', () => {
    const different = Array.from({ length: 100_000 }, (_, i) => ({
      ...query(0, 100),
      matchers: [{ type: '=', name: 'i', value: String(i) } as const],
    }));
    const merged = mergeReads([...different, ...different.slice(0, 2)]);
    assert.equal(merged.length, different.length);
    assert.deepEqual(
      merged.slice(0, 3).map(({ parts }) => parts.length),
      [2, 2, 1],
    );
  });

  it('hold a batch until the last has read it', () => {
    const source = new Source(3);
    const planned = [query(0, 100), query(0, 90)];
    const reader = new SharedReader(source, planned, source.memory);
    const [first, second] = planned.map((one) => reader.select(one)) as [SeriesSelection, SeriesSelection];
    assert.equal(source.asked.length, 1);
    assert.deepEqual(readAll(first), [0, 1, 2]);
    assert.deepEqual(source.released, []);
    assert.ok(source.held > 0);
    assert.deepEqual(readAll(second), [0, 1, 2]);
    assert.deepEqual(source.released, [0, 1, 2]);
    assert.equal(source.held, 0);
    assert.equal(reader.select(query(0, 100)).next()?.firstSeries, 0);
    assert.equal(source.asked.length, 2);
  });

  it('wait for nobody who has gone', () => {
    const source = new Source(3);
    const planned = [query(0, 100), query(0, 90)];
    const reader = new SharedReader(source, planned, source.memory);
    const [first, second] = planned.map((one) => reader.select(one)) as [SeriesSelection, SeriesSelection];
    first.next();
    first.close();
    assert.deepEqual(readAll(second), [0, 1, 2]);
    assert.equal(source.held, 0);
    second.close();
    second.close();
    assert.equal(source.closed, 0);
  });

  it('are read anew where too much would be held', () => {
    const source = new Source(1_000_000);
    const planned = [query(0, 3_600_000), query(0, 3_600_000)];
    const reader = new SharedReader(source, planned, source.memory);
    for (const one of planned) assert.deepEqual(readAll(reader.select(one)), [0, 1, 2]);
    assert.equal(source.asked.length, 2);
    assert.equal(source.held, 0);
  });
});
