/**
 * Random range questions, over all series and over shards of them: the same answer to the bit, annotations included, or the same error;
 * of sums that were added in parts within 1e-12 of the sum of the absolute values.
 * Owns the comparison below the query-frontend, by both ways that an expression may have: each shard is evaluated by itself, goes
 * over the wire, and is joined.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { createEngine, type QueryResult, type ResultSeries } from '../../libs/promql/engine.ts';
import { type SeriesSplit, type ShardJoin, splitBySeries } from '../../libs/promql/plan/split-by-series.ts';
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import { MemorySource } from '../../libs/promql/testing/memory-source.ts';
import type { ReadQuery } from '../../libs/series/series-reader.ts';
import type { SeriesShard, ShardLabels } from '../../libs/series/series-shard.ts';
import { atOnce } from '../../libs/std/testing/at-once.ts';
import { decodePart, encodePart } from '../../libs/wire/peer/part-message.ts';
import { joinParts } from '../../services/query-frontend/join-parts.ts';
import { joinShards } from '../../services/query-frontend/join-shards.ts';
import type { Steps } from '../../services/query-frontend/split-steps.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { aggregated } from './aggregated.ts';
import { randomData } from './random-data.ts';
import { randomQuestion } from './random-question.ts';
import { treeOf } from './two-servers.ts';

const seeds = Number(process.env.MARU_TEST_SEEDS ?? 6);
const firstSeed = Number(process.env.MARU_TEST_SEED ?? 1);
const questionsPerSeed = 200;
const limits = { samplesMax: 0, memoryBytesMax: 0 };
const subqueryStepMs = 60_000;

describe('random questions over shards of the series', () => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    it(`have the answer that they have over all: seed ${seed}`, (t) => {
      const random = seededRandom(seed);
      const source = new MemorySource();
      for (const load of randomData(random, false).loads) source.load(load);
      const counts = { whole: 0, parts: 0, withData: 0, undone: 0 };
      for (let i = 0; i < questionsPerSeed; i++) {
        const { text, expr, steps } = questionOf(random);
        const flags = { typeAndUnitLabels: false, startTimestamps: false, delayedNameRemoval: i % 2 === 0 };
        const engine = createEngine({ flags, lookbackMs: 300_000, subqueryStepMs });
        const ask = (shard?: SeriesShard, asked: Expr = expr): QueryResult => {
          const reader = { select: (query: ReadQuery) => source.select({ ...query, shard }) };
          return engine.query({ expr: asked, text, ...steps, limits, reader, checkCancelled: () => {} });
        };
        const split = splitOf(expr, steps);
        if (split === undefined) continue;
        const shardsOf = (labels: ShardLabels): SeriesShard[] => {
          const count = random.between(2, 5);
          return Array.from({ length: count }, (_, index) => ({ ...labels, index, count }));
        };
        for (const { way, labels, join } of waysOf(split)) {
          const shards = shardsOf(labels);
          const words = `${text}\n${JSON.stringify({ steps, labels, join, count: shards.length, delayed: i % 2 === 0 })}`;
          let plain: QueryResult;
          try {
            plain = ask();
          } catch (error) {
            // All series are asked when a shard fails: what counts is that one does.
            if (!(error instanceof Failure)) throw error;
            assert.throws(() => shards.map((shard) => ask(shard)), Failure, words);
            continue;
          }
          const answers = shards.map((shard) => atOnce(decodePart(encodePart(ask(shard), steps), steps))[0]);
          const [whole] = atOnce(joinShards(answers, join, steps));
          const joined = whole && atOnce(joinParts([whole], text, 0))[0];
          if (joined === undefined) {
            counts.undone++;
            continue;
          }
          counts[way]++;
          if (plain.series.length > 0) counts.withData++;
          const root = rootOf(expr);
          if (way === 'parts' && root.kind === 'aggregate' && root.op === 'sum') {
            // Less than the sum of the absolute values.
            const sizes = (['max', 'min'] as const).map((op) => ask(undefined, { ...root, op }).series);
            assert.deepEqual(shape(withoutValues(joined)), shape(withoutValues(plain)), words);
            assertNear(joined.series, plain.series, sizes, words);
          } else {
            assert.deepEqual(shape(joined), shape(plain), words);
          }
        }
      }
      t.diagnostic(JSON.stringify(counts));
      assert.ok(counts.whole > questionsPerSeed / 10, 'groups that were evaluated whole');
      assert.ok(counts.parts > questionsPerSeed / 20, 'answers that were added up');
      assert.ok(counts.withData > questionsPerSeed / 10, 'answers with data');
    });
  }
});

function questionOf(random: SeededRandom): { text: string; expr: Expr; steps: Steps } {
  for (;;) {
    const { expr: x, when } = randomQuestion(random);
    const { expr: y } = randomQuestion(random);
    if (when.kind !== 'range' || treeOf(x)?.type !== 'vector' || treeOf(y)?.type !== 'vector') continue;
    const text = aggregated(random, x, y);
    const expr = treeOf(text);
    if (expr === undefined) continue;
    return { text, expr, steps: { startMs: when.start * 1000, endMs: when.end * 1000, stepMs: when.step * 1000 } };
  }
}

function splitOf(expr: Expr, steps: Steps): SeriesSplit | undefined {
  try {
    return splitBySeries(expr, { ...steps, subqueryStepMs });
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

interface Way {
  readonly way: 'whole' | 'parts';
  readonly labels: ShardLabels;
  readonly join: ShardJoin;
}

function waysOf({ whole, parts }: SeriesSplit): Way[] {
  return [
    ...(whole === undefined ? [] : [{ way: 'whole', labels: whole, join: 'beside' } as const]),
    ...(parts === undefined ? [] : [{ way: 'parts', ...parts } as const]),
  ];
}

const rootOf = (expr: Expr): Expr => (expr.kind === 'paren' ? rootOf(expr.expr) : expr);

type Answer = Pick<QueryResult, 'series' | 'warnings' | 'infos'>;

const withoutValues = ({ series, ...rest }: Answer): Answer => ({
  ...rest,
  series: series.map((one) => ({ ...one, v: new Float64Array(one.v.length) })),
});

function assertNear(
  found: readonly ResultSeries[],
  wanted: readonly ResultSeries[],
  sizes: readonly (readonly ResultSeries[])[],
  words: string,
): void {
  for (const [i, { labels, t, v }] of wanted.entries()) {
    const own = sizes.map((series) => series.find((one) => one.labels.key === labels.key));
    for (let row = 0; row < t.length; row++) {
      const [value, other] = [v[row] as number, found[i]?.v[row] as number];
      const of = Math.max(...own.map((size) => Math.abs(size?.v[size.t.indexOf(t[row] as number)] ?? 0)));
      assert.ok(Object.is(value, other) || Math.abs(value - other) <= 1e-12 * of, `${value} ${other} ${of}: ${words}`);
    }
  }
}

const shape = ({ series, warnings, infos }: Answer) => ({
  series: series.map(({ labels, t, v, h }) => ({
    labels: labels.pairs,
    t,
    v: [...v],
    h: h?.some((one) => one !== null) ? h : null,
  })),
  warnings,
  infos,
});
