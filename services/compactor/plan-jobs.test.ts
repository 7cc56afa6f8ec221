import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { makeUlid, type Ulid } from '../../libs/tsdb/block/ulid.ts';
import { coveredBlocks } from './coverage.ts';
import { planJobs } from './plan-jobs.ts';

const hour = 3_600_000;
const day0 = 20_000 * 24 * hour;
const nameOf = (number: number): Ulid =>
  makeUlid(day0, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, number >> 8, number & 255));

interface Sketch {
  readonly n: number;
  /** Hours since day0. */
  readonly from: number;
  readonly to: number;
  readonly shard?: string;
  readonly level?: number;
  readonly uploadedAtMs?: number;
  readonly labels?: readonly (readonly [string, string])[];
  readonly sources?: readonly number[];
  readonly outputs?: readonly number[];
  readonly resolutionMs?: number;
}

function block({
  n,
  from,
  to,
  shard,
  level = 1,
  uploadedAtMs = 0,
  labels = [],
  sources = [n],
  outputs = [],
  resolutionMs = 0,
}: Sketch): IndexedBlock {
  return {
    ulid: nameOf(n),
    minTime: day0 + from * hour,
    maxTime: day0 + to * hour,
    uploadedAtMs,
    segmentCount: 1,
    compactionLevel: level,
    outOfOrder: false,
    source: 'receive',
    labels: new Map([...labels, ...(shard === undefined ? [] : ([['__compactor_shard_id__', shard]] as const))]),
    details: {
      numSeries: 1,
      numSamples: 1,
      numChunks: 1,
      resolutionMs,
      indexBytes: 1,
      segmentBytes: [1],
      tombstonesBytes: 0,
      sources: sources.map(nameOf),
      jobOutputs: outputs.map(nameOf),
    },
  };
}

const options = {
  rangesMs: [2 * hour, 12 * hour, 24 * hour],
  shardCount: 0,
  nowMs: day0 + 1000 * hour,
  firstLevelWaitMs: 0,
  excluded: new Set<Ulid>(),
};
const numberOf = new Map(Array.from({ length: 300 }, (_, n) => [nameOf(n), n]));
const plan = (sketches: readonly Sketch[], change: Partial<typeof options> = {}) =>
  planJobs(sketches.map(block), { ...options, ...change }).map(({ stage, shard, rangeBegin, rangeEnd, sources }) => {
    const hours = `${(rangeBegin - day0) / hour}-${(rangeEnd - day0) / hour}`;
    return `${stage} ${shard === '' ? '' : `${shard} `}${hours}: ${sources.map(({ ulid }) => numberOf.get(ulid)).join(' ')}`;
  });
const twoHours = (count: number): Sketch[] =>
  Array.from({ length: count }, (_, i) => ({ n: i, from: 2 * i, to: 2 * i + 2 }));

describe('planJobs', () => {
  for (const { name, blocks, change = {}, jobs } of [
    { name: 'nothing of nothing', blocks: [], jobs: [] },
    { name: 'nothing of one block', blocks: [{ n: 1, from: 0, to: 2 }], jobs: [] },
    {
      name: 'overlapping blocks first',
      blocks: [...twoHours(12), { n: 50, from: 2, to: 4 }],
      jobs: ['merge 0-2: 1 50', 'merge 12-24: 6 7 8 9 10 11'].map((j) => j.replace('0-2', '2-4')),
    },
    { name: 'a full range', blocks: twoHours(6), jobs: ['merge 0-12: 0 1 2 3 4 5'] },
    { name: 'not the newest range while it fills', blocks: twoHours(5), jobs: [] },
    {
      name: 'an old range with holes, once a newer block is there',
      blocks: [
        { n: 1, from: 0, to: 2 },
        { n: 2, from: 4, to: 6 },
        { n: 3, from: 24, to: 26 },
      ],
      jobs: ['merge 0-12: 1 2'],
    },
    {
      name: 'twelve hours to a day',
      blocks: [
        { n: 1, from: 0, to: 12 },
        { n: 2, from: 12, to: 24 },
      ],
      jobs: ['merge 0-24: 1 2'],
    },
    {
      name: 'a late block into the day that was merged already',
      blocks: [
        { n: 1, from: 0, to: 24 },
        { n: 2, from: 6, to: 8 },
        { n: 3, from: 24, to: 26 },
      ],
      jobs: ['merge 0-24: 1 2'],
    },
    {
      name: 'what lies across two small ranges, in the next larger one',
      blocks: [
        { n: 1, from: 1, to: 3 },
        { n: 2, from: 0, to: 2 },
        { n: 3, from: 2, to: 4 },
        { n: 4, from: 12, to: 14 },
      ],
      jobs: ['merge 0-12: 2 1 3'],
    },
    {
      name: 'nothing that was downsampled',
      blocks: [
        { n: 1, from: 0, to: 24 },
        { n: 2, from: 0, to: 24, resolutionMs: 300_000 },
        { n: 3, from: 0, to: 24, resolutionMs: 300_000 },
        { n: 4, from: 24, to: 26 },
      ],
      jobs: [],
    },
    {
      name: 'only blocks with the same labels',
      blocks: [
        { n: 1, from: 0, to: 2, labels: [['a', 'x']] },
        { n: 2, from: 0, to: 2 },
        { n: 3, from: 0, to: 2 },
      ],
      jobs: ['merge 0-2: 2 3'],
    },
    {
      name: 'a split before merges',
      blocks: twoHours(2),
      change: { shardCount: 2 },
      jobs: ['split 0-2: 0', 'split 2-4: 1'],
    },
    {
      name: 'shards each for itself',
      blocks: [
        { n: 1, from: 0, to: 12, shard: '1_of_2' },
        { n: 2, from: 12, to: 24, shard: '1_of_2' },
        { n: 3, from: 0, to: 12, shard: '2_of_2' },
        { n: 4, from: 12, to: 24, shard: '2_of_2' },
      ],
      change: { shardCount: 2 },
      jobs: ['merge 1_of_2 0-24: 1 2', 'merge 2_of_2 0-24: 3 4'],
    },
    {
      name: 'not what is excluded',
      blocks: [
        { n: 1, from: 0, to: 2 },
        { n: 2, from: 0, to: 2 },
      ],
      change: { excluded: new Set([nameOf(2)]) },
      jobs: [],
    },
  ] satisfies {
    name: string;
    blocks: readonly Sketch[];
    change?: Partial<typeof options>;
    jobs: readonly string[];
  }[]) {
    it(name, () => assert.deepEqual(plan(blocks, change), jobs));
  }

  it('blocks of no date stop nobody', () => {
    const from = 2_490_000_000;
    const blocks = [...twoHours(6), { n: 100, from, to: from + 2 }, { n: 101, from, to: from + 2 }].map(block);
    assert.equal(planJobs(blocks, options).length, 2);
  });

  it('lets fresh blocks wait for others of their range', () => {
    const blocks = twoHours(6).map((sketch) => block({ ...sketch, uploadedAtMs: options.nowMs - 60_000 }));
    const [job] = planJobs(blocks, { ...options, firstLevelWaitMs: 120_000 });
    assert.match(job?.waitsFor ?? '', /is new/);
    assert.equal(planJobs(blocks, { ...options, firstLevelWaitMs: 59_000 })[0]?.waitsFor, undefined);
  });

  it('ends: done again and again, nothing is left to do, and no source is in two jobs', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0, 2, 3), (seed, shardCount) => {
        const prng = new Prng(seed);
        let next = 0;
        const sketches = Array.from({ length: prng.below(40) }, () => {
          const from = prng.below(40) * 2;
          return block({ n: next++, from, to: from + 1 + prng.below(2) });
        });
        let blocks = sketches;
        for (let round = 0; ; round++) {
          assert.ok(round < 100, 'the plan comes to an end');
          const jobs = planJobs(blocks, { ...options, shardCount });
          if (jobs.length === 0) break;
          const used = jobs.flatMap(({ sources }) => sources.map(({ ulid }) => ulid));
          assert.equal(new Set(used).size, used.length);
          const made = jobs.flatMap(({ stage, shard, shardCount: count, sources }) =>
            Array.from({ length: Math.max(1, count) }, (_, i) => ({
              ...(sources[0] as IndexedBlock),
              ulid: nameOf(next++),
              minTime: Math.min(...sources.map(({ minTime }) => minTime)),
              maxTime: Math.max(...sources.map(({ maxTime }) => maxTime)),
              compactionLevel: Math.max(...sources.map(({ compactionLevel }) => compactionLevel)) + 1,
              labels: new Map(
                stage === 'split'
                  ? [['__compactor_shard_id__', `${i + 1}_of_${count}`]]
                  : shard === ''
                    ? []
                    : [['__compactor_shard_id__', shard]],
              ),
            })),
          );
          blocks = [...blocks.filter(({ ulid }) => !used.includes(ulid)), ...made];
        }
      }),
    );
  });
});

describe('coveredBlocks', () => {
  const covered = (sketches: readonly Sketch[], excluded: readonly number[] = []) =>
    [...coveredBlocks(sketches.map(block), new Set(excluded.map(nameOf))).keys()]
      .map((ulid) => numberOf.get(ulid))
      .sort();
  const sources: Sketch[] = [
    { n: 1, from: 0, to: 2 },
    { n: 2, from: 2, to: 4 },
  ];
  const merged: Sketch = { n: 3, from: 0, to: 4, level: 2, sources: [1, 2], outputs: [3] };
  const shard = (n: number, i: number, outputs: readonly number[]): Sketch => ({
    n,
    from: 0,
    to: 4,
    level: 2,
    sources: [1, 2],
    shard: `${i}_of_2`,
    outputs,
  });
  for (const { name, blocks, excluded = [], result } of [
    { name: 'sources of a merge that is there', blocks: [...sources, merged], result: [1, 2] },
    { name: 'not a block that came after', blocks: [...sources, merged, { n: 9, from: 0, to: 2 }], result: [1, 2] },
    { name: 'nothing by a block that is set aside', blocks: [...sources, merged], excluded: [3], result: [] },
    {
      name: "nothing by a stranger's block, which claims nothing",
      blocks: [...sources, { ...merged, outputs: [] }],
      result: [],
    },
    {
      name: 'sources of a split whose outputs are all there',
      blocks: [...sources, shard(4, 1, [4, 5]), shard(5, 2, [4, 5])],
      result: [1, 2],
    },
    { name: 'nothing by a part of a split', blocks: [...sources, shard(4, 1, [4, 5])], result: [] },
    {
      name: 'nothing by a split of which one is set aside',
      blocks: [...sources, shard(4, 1, [4, 5]), shard(5, 2, [4, 5])],
      excluded: [5],
      result: [],
    },
    {
      name: 'sources by what the shards became later',
      blocks: [...sources, shard(6, 1, [6]), shard(7, 2, [7])],
      result: [1, 2],
    },
    {
      name: 'a shard by its own merge only',
      blocks: [{ ...shard(4, 1, [4, 5]) }, { ...shard(5, 2, [4, 5]) }, { ...shard(6, 1, [6]), level: 3 }],
      result: [4],
    },
    { name: 'not what reaches beyond', blocks: [{ n: 1, from: 0, to: 6 }, merged], result: [] },
  ] satisfies { name: string; blocks: readonly Sketch[]; excluded?: readonly number[]; result: readonly number[] }[]) {
    it(name, () => assert.deepEqual(covered(blocks, excluded), result));
  }
});
