/** Optimised equals unoptimised to the bit, and reads less. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../errors/failure.ts';
import type { ReadQuery } from '../../series/series-reader.ts';
import { createEngine, type QueryResult } from '../engine.ts';
import { parseExpr } from '../syntax/parser.ts';
import { MemorySource } from '../testing/memory-source.ts';
import { parseScript } from '../testing/parse-script.ts';

const source = new MemorySource();
const script = `load 30s
  requests{job="a", instance="1", env="prod"} 0+7x30 _x5 3+1x20
  requests{job="a", instance="2", env="test"} 5+3x60
  requests{job="b", instance="1", env="prod"} 0+11x20 stale 0+2x30
  requests{job="b", instance="3"} 1 _x20 2 _x20 9
  errors{job="a", instance="1", env="prod"} 0+1x60
  errors{job="a", instance="2", env="test"} 0+2x60
  errors{job="b", instance="3"} NaN 1 Inf -Inf 2 3x50
  latency{job="a", instance="1"} {{schema:0 sum:5 count:4 buckets:[1 2 1]}}+{{schema:0 sum:1 count:1 buckets:[1]}}x60
  latency{job="b", instance="1"} 1x10
  typed{job="a", __type__="counter", instance="1"} 0+1x60
  typed{job="a", __type__="gauge", instance="1"} 0+1x60
  typed{job="b", instance="2"} 0+1x60
  typed{job="c", __type__="counter", instance="1"} 0+1x60
  typed{job="c", __type__="counter", instance="2"} 0+2x60
  typed{job="d", __type__="counter", instance="1"} 0+1x60
  typed{job="d", __type__="gauge", instance="2"} 0+2x60
  mixed{job="a", env="test"} 1x20 {{schema:0 sum:1 count:1 buckets:[1]}}x20
  Upper{A="x", job="a"} 1x60
  Upper{A="y", job="a"} 2x60
`;
for (const command of parseScript(script)) if (command.kind === 'load') source.load(command);

const options = {
  flags: { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false },
  lookbackMs: 300_000,
  subqueryStepMs: 60_000,
};
const syntax = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };
const grids = [
  { startMs: 900_000, endMs: 900_000, stepMs: 0 },
  { startMs: 0, endMs: 1_800_000, stepMs: 45_000 },
];

interface Asked {
  readonly outcome: (Omit<QueryResult, 'stats'> & Partial<QueryResult['stats']>) | string;
  readonly reads: readonly ReadQuery[];
}

function ask(text: string, times: (typeof grids)[number], optimisers: 'all' | 'none', delayed: boolean): Asked {
  const reads: ReadQuery[] = [];
  const reader = {
    select: (query: ReadQuery) => {
      reads.push(query);
      return source.select(query);
    },
  };
  const flags = { ...options.flags, delayedNameRemoval: delayed };
  const limits = { samplesMax: 0, memoryBytesMax: 0 };
  const expr = parseExpr(text, syntax);
  try {
    const engine = createEngine({ ...options, flags, optimisers });
    const asked = { expr, text, ...times, limits, reader, checkCancelled: () => {}, statsByStep: true };
    const { stats, ...outcome } = engine.query(asked);
    const { samplesQueried, samplesRead, queriedByStep, readByStep } = stats;
    const counts = countsLess.has(text) ? {} : { samplesQueried, samplesRead, queriedByStep, readByStep };
    return { outcome: { ...outcome, ...counts }, reads };
  } catch (error) {
    if (error instanceof Failure) return { outcome: error.message, reads };
    throw error;
  }
}

/** How many reads there are without and with the optimisers. */
const cases: readonly (readonly [query: string, plain: number, optimised: number])[] = [
  ['avg(requests) + stddev(requests) - min(requests)', 3, 1],
  ['sum(rate(requests[2m])) / sum(rate(requests[10m]))', 2, 1],
  ['requests - requests offset 1m', 2, 1],
  ['requests - requests @ 0', 2, 1],
  ['requests - requests offset 3h', 2, 2],
  ['rate(requests[2m]) / on (job, instance, env) requests', 2, 1],
  ['sum by (job) (rate(requests[2m])) / on () group_left () sum(sum by (job) (rate(requests[2m])))', 2, 1],
  ['sum(rate(requests[2m])) + sum(rate(requests[2m]))', 2, 1],
  ['(sum(requests) + sum(errors)) / (sum(requests) + sum(errors)) * (sum(requests) + sum(errors))', 6, 2],
  ['sum(requests) + (sum(requests) + sum(errors)) * (sum(requests) + sum(errors))', 5, 2],
  ['sum(sum_over_time(sum(requests)[5m:1m])) + sum(requests)', 2, 1],
  ['max_over_time(rate(requests[2m])[10m:1m]) + max_over_time(rate(requests[2m])[10m:1m])', 2, 1],
  ['topk(1, requests) or topk(1, requests)', 2, 1],
  ['topk(1, rate(requests[5m])) and on (job) bottomk(1, rate(requests[5m]))', 2, 1],
  ['histogram_quantile(0.5, rate(latency[5m])) or histogram_quantile(0.9, rate(latency[5m]))', 2, 1],
  ['histogram_avg(rate(latency[5m])) + rate(latency[5m]) * 0', 2, 1],
  ['histogram_count(latency) + histogram_count(latency)', 2, 1],
  ['absent(nothing) + absent(nothing)', 2, 1],
  ['label_replace(requests, "env", "", "", "") + label_replace(requests, "env", "", "", "")', 2, 1],
  ['(requests + on (job) errors{job="c"}) / (requests + on (job) errors{job="c"})', 4, 2],
  ['topk(1, abs(requests @ 60)) / abs(requests @ 60)', 2, 1],
  ['requests{env="prod"} / errors', 2, 2],
  ['requests{env="prod"} + mixed smoothed', 2, 2],
  ['errors > bool requests{env="prod"}', 2, 2],
  ['requests{env="prod"} / on (job, instance) errors', 2, 2],
  ['requests{env="prod"} unless errors', 2, 2],
  ['sum by (job) (requests)', 1, 1],
  ['sum by (A) (Upper)', 1, 1],
  ['sum by (A) (rate(Upper[5m]))', 1, 1],
  ['avg by (job, env) (abs(-rate(requests[2m]) * 2))', 1, 1],
  ['quantile by (env) (0.5, max_over_time(requests[3m]))', 1, 1],
  ['sum by (job) (rate(typed[5m]))', 1, 2],
  ['sum by (job) (rate({job="a"}[5m]))', 1, 1],
  ['sum by (job) (rate(requests[5m]) * 8)', 1, 1],
  ['sum(clamp_min(-rate(requests[5m]), 0) + 1)', 1, 1],
  ['sum by (job) (rate(requests[5m]) > bool 0)', 1, 1],
  ['avg by (job) (abs(last_over_time(requests[5m])))', 1, 1],
  ['sum by (job) (rate(typed{job="c"}[5m]) * 2)', 1, 1],
  ['sum by (job) (rate(typed{job="d"}[5m]) * 2)', 1, 2],
  ['sum by (job) (abs(typed{job="d"}))', 1, 2],
  ['sum by (job) (abs(typed smoothed))', 1, 2],
  ['sum by (__name__) (rate(requests[5m]))', 1, 1],
  ['sum by (__type__, job) (typed)', 1, 2],
  ['count by (job) (requests > 3)', 1, 1],
  ['count without (job) (requests)', 1, 1],
  ['min by (job) (predict_linear(requests[5m], 60))', 1, 1],
  ['sum by (job) (sum by (instance, job) (irate(requests[5m])))', 1, 1],
  ['group by (job) (clamp(requests, 0, scalar(sum(requests))))', 2, 1],
];

/** Where matchers are handed over, fewer samples are read, and that is what is counted. */
const countsLess: ReadonlySet<string> = new Set([
  'requests{env="prod"} / errors',
  'errors > bool requests{env="prod"}',
]);

describe('the optimisers', () => {
  for (const [text, plainReads, optimisedReads] of cases) {
    it(text, () => {
      for (const delayed of [false, true]) {
        for (const grid of grids) {
          const plain = ask(text, grid, 'none', delayed);
          const optimised = ask(text, grid, 'all', delayed);
          assert.deepStrictEqual(optimised.outcome, plain.outcome);
          assert.equal(plain.reads.length, plainReads);
          if (grid.stepMs > 0) assert.equal(optimised.reads.length, optimisedReads);
        }
      }
    });
  }

  it('take memory that grows with the length of a query, not with its square', () => {
    // Each text of a part that holds the texts of its own parts would come to two gigabytes here.
    const long = `"${'x'.repeat(1_000)}"`;
    const text = `requests{env=${long}}${` + requests{env=${long}}`.repeat(1_900)}`;
    const expr = parseExpr(text, syntax);
    const { startMs, endMs, stepMs } = grids[0] as (typeof grids)[number];
    const before = process.memoryUsage().heapUsed;
    const { selects } = createEngine(options).outline({ expr, startMs, endMs, stepMs });
    assert.equal(selects.length, 1);
    assert.ok(process.memoryUsage().heapUsed - before < 300e6, 'little memory');
  });

  it('hand matchers over only where all labels match', () => {
    const matchersOf = (text: string) =>
      ask(text, grids[1] as (typeof grids)[number], 'all', false).reads[1]?.matchers.length;
    assert.equal(matchersOf('requests{env="prod"} / errors'), 2);
    assert.equal(matchersOf('requests{env="prod"} / on (env) errors'), 1);
    assert.equal(matchersOf('requests{env="prod"} or errors'), 1);
    assert.equal(matchersOf('requests{env=~"prod"} / errors'), 1);
    assert.equal(matchersOf('requests{env=""} / errors'), 1);
  });

  it('ask for the labels that are looked at', () => {
    const labelsOf = (text: string) => ask(text, grids[1] as (typeof grids)[number], 'all', false).reads[0]?.labels;
    assert.deepEqual(labelsOf('sum by (job) (rate(requests[5m]))'), ['__name__', '__type__', '__unit__', 'job']);
    assert.deepEqual(labelsOf('sum(requests)'), ['__name__', '__type__', '__unit__']);
    assert.equal(labelsOf('sum by (job) (rate({job="a"}[5m]))'), undefined);
    assert.equal(labelsOf('sum without (job) (requests)'), undefined);
    const names = (count: number) => Array.from({ length: count }, (_, i) => `l${i}`).join(',');
    assert.equal(labelsOf(`sum by (${names(1_000)}) (requests)`)?.length, 1_003);
    assert.equal(labelsOf(`sum by (${names(1_001)}) (requests)`), undefined);
    assert.equal(labelsOf('topk by (job) (1, requests)'), undefined);
    assert.equal(labelsOf('sum by (job) (label_replace(requests, "job", "$1", "env", "(.*)"))'), undefined);
    assert.equal(labelsOf('sum by (job) (requests + on (job) group_left () errors)'), undefined);
  });
});
