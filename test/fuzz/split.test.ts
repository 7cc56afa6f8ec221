/**
 * Random range questions, as a whole and in parts cut anywhere: the same answer to the bit, annotations included, or the same error.
 * Owns the comparison below the query-frontend: each part is evaluated by an engine of its own over its own times, goes over the wire,
 * and is joined. What may not be split is passed over.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { createEngine, type QueryResult } from '../../libs/promql/engine.ts';
import { maySplitByTime } from '../../libs/promql/plan/split-by-time.ts';
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import { MemorySource } from '../../libs/promql/testing/memory-source.ts';
import { atOnce } from '../../libs/std/testing/at-once.ts';
import { decodePart, encodePart } from '../../libs/wire/peer/part-message.ts';
import { joinParts } from '../../services/query-frontend/join-parts.ts';
import type { Steps } from '../../services/query-frontend/split-steps.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { randomData } from './random-data.ts';
import { randomQuestion } from './random-question.ts';
import { treeOf } from './two-servers.ts';

const seeds = Number(process.env.MARU_TEST_SEEDS ?? 6);
const firstSeed = Number(process.env.MARU_TEST_SEED ?? 1);
const questionsPerSeed = 150;
const limits = { samplesMax: 0, memoryBytesMax: 0 };
const subqueryStepMs = 60_000;

describe('random range questions', () => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    it(`have one answer as a whole and in parts: seed ${seed}`, (t) => {
      const random = seededRandom(seed);
      const source = new MemorySource();
      for (const load of randomData(random, false).loads) source.load(load);
      let [split, withData] = [0, 0];
      for (let i = 0; i < questionsPerSeed; i++) {
        const { text, expr, steps } = rangeQuestion(random);
        const flags = { typeAndUnitLabels: false, startTimestamps: false, delayedNameRemoval: i % 2 === 0 };
        const engine = createEngine({ flags, lookbackMs: 300_000, subqueryStepMs });
        const ask = (part: Steps): QueryResult => {
          const whole = { startMs: steps.startMs, endMs: steps.endMs };
          return engine.query({ expr, text, ...part, whole, limits, reader: source, checkCancelled: () => {} });
        };
        if (!maySplit(expr, steps, flags.delayedNameRemoval)) continue;
        let plain: QueryResult;
        try {
          plain = ask(steps);
        } catch (error) {
          // The whole is asked when a part fails: what counts is that one does.
          if (!(error instanceof Failure)) throw error;
          assert.throws(() => cut(random, steps).forEach(ask), Failure, text);
          continue;
        }
        const parts = cut(random, steps);
        const answers = parts.map((part) => atOnce(decodePart(encodePart(ask(part), part), part))[0]);
        const [joined] = atOnce(joinParts(answers, text, 0));
        if (joined === undefined) continue;
        split++;
        assert.deepEqual(shape(joined), shape(plain), `${text}\n${JSON.stringify(parts)}`);
        if (plain.series.length > 0) withData++;
      }
      t.diagnostic(`${split} of ${questionsPerSeed} were split, ${withData} had data`);
      assert.ok(withData > questionsPerSeed / 20, `${withData} answers with data`);
    });
  }
});

function rangeQuestion(random: SeededRandom): { text: string; expr: Expr; steps: Steps } {
  for (;;) {
    const { expr: text, when } = randomQuestion(random);
    if (when.kind !== 'range') continue;
    const expr = treeOf(text);
    if (expr === undefined || (expr.type !== 'vector' && expr.type !== 'scalar')) continue;
    const [startMs, endMs, stepMs] = [when.start * 1000, when.end * 1000, when.step * 1000];
    if (endMs - startMs < 4 * stepMs) continue;
    return { text, expr, steps: { startMs, endMs, stepMs } };
  }
}

function maySplit(expr: Expr, steps: Steps, delayedNameRemoval: boolean): boolean {
  try {
    return maySplitByTime(expr, { ...steps, subqueryStepMs }, delayedNameRemoval);
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

/** Two to four parts. */
function cut(random: SeededRandom, { startMs, endMs, stepMs }: Steps): Steps[] {
  const count = Math.floor((endMs - startMs) / stepMs) + 1;
  const parts: Steps[] = [];
  let at = 0;
  while (at < count) {
    const left = count - at;
    const taken = parts.length >= 3 || left < 2 ? left : random.between(1, left);
    parts.push({ startMs: startMs + at * stepMs, endMs: startMs + (at + taken - 1) * stepMs, stepMs });
    at += taken;
  }
  return parts;
}

const shape = ({ series, warnings, infos }: Pick<QueryResult, 'series' | 'warnings' | 'infos'>) => ({
  series: series.map(({ labels, t, v, h }) => ({
    labels: labels.pairs,
    t,
    v: [...v],
    h: h?.some((one) => one !== null) ? h : null,
  })),
  warnings,
  infos,
});
