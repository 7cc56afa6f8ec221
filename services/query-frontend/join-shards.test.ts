import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Labels } from '../../libs/model/labels.ts';
import type { ResultSeries } from '../../libs/promql/engine.ts';
import type { ShardJoin } from '../../libs/promql/plan/split-by-series.ts';
import { atOnce } from '../../libs/std/testing/at-once.ts';
import type { PartAnswer } from '../../libs/wire/peer/part-message.ts';
import { joinShards as joinInSteps } from './join-shards.ts';
import type { Steps } from './split-steps.ts';

const steps = { startMs: 0, endMs: 30, stepMs: 10 };

const joinShards = (shards: readonly PartAnswer[], join: ShardJoin, steps: Steps): PartAnswer | undefined =>
  atOnce(joinInSteps(shards, join, steps))[0];

/** Of each series its label `a` and a value at every step, undefined for none. */
type Given = Readonly<Record<string, readonly (number | undefined)[]>>;

function answerOf(given: Given, more: Partial<PartAnswer> = {}): PartAnswer {
  const series = Object.entries(given).map(([a, values]): ResultSeries => {
    const present = [0, 1, 2, 3].filter((step) => values[step] !== undefined);
    const t = Float64Array.from(present, (step) => step * 10);
    return { labels: Labels.from([['a', a]]), t, v: Float64Array.from(present, (step) => values[step] ?? 0), h: null };
  });
  return { series, annotations: [], sourceWarnings: [], witness: 'w', ...more };
}

const warning = (level: 'warning' | 'info') => [{ level, text: 'said', detail: '', start: 0, order: 0 }] as const;

for (const { name, join, shards, joined } of [
  {
    name: 'groups beside each other',
    join: 'beside',
    shards: [{ b: [1] }, { a: [2, 3] }],
    joined: { a: [2, 3], b: [1] },
  },
  { name: 'the same group twice', join: 'beside', shards: [{ a: [1] }, { a: [2] }], joined: undefined },
  {
    name: 'sums, where one has no point',
    join: 'sum',
    shards: [{ a: [1, undefined, 3], b: [5] }, { a: [10, 20] }],
    joined: { a: [11, 20, 3], b: [5] },
  },
  {
    name: 'what adding loses',
    join: 'sum',
    shards: [{ a: [1] }, { a: [1e100] }, { a: [1] }, { a: [-1e100] }],
    joined: { a: [2] },
  },
  { name: 'a sum that overflows', join: 'sum', shards: [{ a: [1e308] }, { a: [1e308] }], joined: undefined },
  { name: 'a sum that may have', join: 'sum', shards: [{ a: [Infinity] }, { a: [1] }], joined: undefined },
  { name: 'NaN', join: 'sum', shards: [{ a: [NaN] }, { a: [1] }], joined: { a: [NaN] } },
  { name: 'least', join: 'min', shards: [{ a: [1, NaN, NaN] }, { a: [2, 7, NaN] }], joined: { a: [1, 7, NaN] } },
  { name: 'greatest', join: 'max', shards: [{ a: [1, NaN] }, { a: [2, 7] }], joined: { a: [2, 7] } },
  { name: '-0 alone', join: 'min', shards: [{ a: [-0] }, { a: [undefined, -0] }], joined: { a: [-0, -0] } },
  { name: '0 and -0', join: 'max', shards: [{ a: [0] }, { a: [-0] }], joined: undefined },
  { name: 'groups', join: 'group', shards: [{ a: [1] }, { a: [1, 1] }], joined: { a: [1, 1] } },
] satisfies readonly { name: string; join: ShardJoin; shards: readonly Given[]; joined: Given | undefined }[]) {
  it(name, () => {
    const found = joinShards(
      shards.map((given) => answerOf(given)),
      join,
      steps,
    );
    assert.deepEqual(found, joined === undefined ? undefined : answerOf(joined));
  });
}

it('a step of which something is warned may have lost its point', () => {
  const shards = [answerOf({ a: [1] }), answerOf({}, { annotations: warning('warning') })];
  assert.equal(joinShards(shards, 'sum', steps), undefined);
  assert.deepEqual(joinShards(shards, 'beside', steps)?.annotations, warning('warning'));
  const told = [answerOf({ a: [1] }), answerOf({ a: [1] }, { annotations: warning('info') })];
  assert.deepEqual(joinShards(told, 'sum', steps)?.annotations, warning('info'));
});

it('histograms are not added up', () => {
  const [series] = answerOf({ a: [1] }).series;
  assert.ok(series !== undefined);
  assert.equal(joinShards([answerOf({}, { series: [{ ...series, h: [] }] })], 'sum', steps), undefined);
});

it('what they rest on is all that each of them does', () => {
  const witness = (...all: string[]) =>
    joinShards(
      all.map((one) => answerOf({}, { witness: one })),
      'beside',
      steps,
    )?.witness;
  assert.equal(witness('w', 'w'), 'w');
  assert.equal(witness('w', 'x\nw'), 'w\nx');
  assert.equal(witness('w', ''), '');
  const warned = [answerOf({}, { sourceWarnings: ['a'] }), answerOf({}, { sourceWarnings: ['a', 'b'] })];
  assert.deepEqual(joinShards(warned, 'beside', steps)?.sourceWarnings, ['a', 'b']);
});
