/**
 * Random questions to the engine with and without its optimisers: the same answer to the bit, or the same error.
 * Owns the questions that optimisers look for: parts that stand in them twice, and functions in a row below an aggregation by labels.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { createEngine } from '../../libs/promql/engine.ts';
import { MemorySource } from '../../libs/promql/testing/memory-source.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { randomData } from './random-data.ts';
import { type Question, randomQuestion } from './random-question.ts';
import { treeOf } from './two-servers.ts';

const seeds = 4;
const questionsPerSeed = 100;

const wraps: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => `(${text}) / (${text})`,
  (text) => `(${text}) or (${text})`,
  (text) => `sum by (job) (${text}) > on (job) (avg by (job) (${text}))`,
  (text) => `topk(2, ${text}) and ignoring (instance) sum without (instance) (${text})`,
  (text) => `max_over_time((${text})[5m:1m]) unless max_over_time((${text})[5m:1m])`,
  (text) => `sum by (job) (abs(${text}) * 2)`,
  (text) => `max(clamp_min(-(${text}), 0) or ${text})`,
];

const flags = { typeAndUnitLabels: false, startTimestamps: false };
const limits = { samplesMax: 0, memoryBytesMax: 0 };

describe('random questions', () => {
  for (let seed = 1; seed <= seeds; seed++) {
    it(`have one answer with and without the optimisers: seed ${seed}`, () => {
      const random = seededRandom(seed);
      const source = new MemorySource();
      for (const load of randomData(random, false).loads) source.load(load);
      let withData = 0;
      for (let i = 0; i < questionsPerSeed; i++) {
        const { expr, when } = vectorQuestion(random);
        const wrap = wraps[random.between(0, wraps.length)] as (text: string) => string;
        const text = wrap(expr);
        const ask = (optimisers: 'all' | 'none') => outcomeOf(source, { expr: text, when }, optimisers, i % 2 === 0);
        const plain = ask('none');
        assert.deepEqual(ask('all'), plain, text);
        if (typeof plain !== 'string' && plain.series.length > 0) withData++;
      }
      assert.ok(withData > questionsPerSeed / 10, `${withData} answers with data`);
    });
  }
});

function vectorQuestion(random: SeededRandom): Question {
  for (;;) {
    const question = randomQuestion(random);
    if (treeOf(question.expr)?.type === 'vector') return question;
  }
}

/** What both must agree in; the words of an error. */
function outcomeOf(
  reader: MemorySource,
  { expr: text, when }: Question,
  optimisers: 'all' | 'none',
  delayedNameRemoval: boolean,
) {
  const expr = treeOf(text);
  if (expr === undefined) throw new Error(`no expression: ${text}`);
  const [start, end, step] = when.kind === 'instant' ? [when.time, when.time, 0] : [when.start, when.end, when.step];
  const times = { startMs: start * 1000, endMs: end * 1000, stepMs: step * 1000 };
  const engine = createEngine({
    flags: { ...flags, delayedNameRemoval },
    lookbackMs: 300_000,
    subqueryStepMs: 60_000,
    optimisers,
  });
  try {
    const { stats, series, ...rest } = engine.query({ expr, text, ...times, limits, reader, checkCancelled: () => {} });
    return {
      ...rest,
      series: series.map(({ labels, t, v, h }) => ({ labels, t, v, h: h?.some((one) => one !== null) ? h : null })),
      samplesQueried: stats.samplesQueried,
      // Their order says nothing.
      warnings: rest.warnings.toSorted(),
      infos: rest.infos.toSorted(),
    };
  } catch (error) {
    if (error instanceof Failure) return error.message;
    throw error;
  }
}
