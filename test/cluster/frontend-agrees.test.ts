/**
 * Random questions, and the expressions of Prometheus' own scripts, asked as range queries of a query-frontend and of a querier, with
 * late writes between the runs: the same answer to the byte of each value, whether it was cut, kept or evaluated anew, by one querier or,
 * for every second tenant, in shards of the series by several; only sums that were added in parts may differ in their last digits.
 * Owns the comparison of the two doors of one cluster; what is right is for test/compliance and test/fuzz/promql to say.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path, { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import { parseScript } from '../../libs/promql/testing/parse-script.ts';
import { corpusPath, listCorpus } from '../../libs/promql/testing/run-corpus.ts';
import { aggregated } from '../fuzz/aggregated.ts';
import { randomData } from '../fuzz/random-data.ts';
import { randomQuestion } from '../fuzz/random-question.ts';
import { profiles, treeOf } from '../fuzz/two-servers.ts';
import { skipWithout } from '../support/find-server.ts';
import { push } from '../support/push-client.ts';
import { type Answer, ask, type QueryData } from '../support/query-client.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { requestsOfLoad } from '../support/sent-load.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type RedisServer, startRedis } from '../support/start-redis.ts';
import { type TempFolder, tempFolder } from '../support/temp-folder.ts';

const seeds = Number(process.env.MARU_TEST_SEEDS ?? 2);
const questionsPerSeed = 60;
/** Of the corpus every so manieth expression; 1 is all of it. */
const corpusEvery = Number(process.env.MARU_TEST_CORPUS_EVERY ?? 12);
const scripts = listCorpus();

type Load = Parameters<typeof requestsOfLoad>[0];

describe('a query-frontend agrees with a querier', { timeout: 600_000 }, () => {
  let cluster: Cluster;
  let redis: RedisServer | undefined;
  let tenants = 0;
  let folder: TempFolder;
  before(async () => {
    folder = await tempFolder('frontend-agrees');
    const overrides = join(folder.path, 'overrides.yaml');
    const rows = Array.from(
      { length: 1_000 },
      (_, i) => `  agrees-${2 * i + 1}:\n    query_sharding_total_shards: 0\n`,
    );
    writeFileSync(overrides, `overrides:\n${rows.join('')}`);
    // Answers are kept in Redis where there is one; in memory they are in query-frontend.test.ts.
    redis = skipWithout('redis') === false ? await startRedis() : undefined;
    cluster = await startCluster({
      zones: ['a'],
      partitions: 1,
      replicationFactor: 1,
      frontends: 1,
      queriers: 2,
      // Data of 1970; all queries of one process have one order of series.
      args: [
        ...(redis === undefined ? [] : [`--redis.url=${redis.url}`]),
        '--limits.past-grace-period=0',
        `--enable-feature=${profiles[0]?.features.join(',')}`,
        // However little there is to read.
        '--query-frontend.query-sharding-target-series-per-shard=1',
        `--runtime-config.file=${overrides}`,
      ],
    });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const write = async (tenant: string, load: Load): Promise<void> => {
    for (const series of requestsOfLoad(load)) {
      const { status, text } = await push(cluster.distributor.baseUrl, series, { protocol: 'v2', tenant });
      assert.equal(status, 204, text);
    }
  };
  const compare = async (tenant: string, query: string, range: Readonly<Record<string, number>>): Promise<void> => {
    const asked = { query, ...range };
    const [frontend, querier] = await Promise.all(
      [cluster.frontend?.queryUrl ?? '', cluster.querier.queryUrl].map((baseUrl) =>
        ask({ baseUrl, tenant }, 'query_range', asked, 'POST'),
      ),
    );
    const words = `${query}\n${JSON.stringify(range)}`;
    if (isAddedUp(query)) assertNear(frontend, querier, words);
    else assert.deepEqual(frontend, querier, words);
  };
  const counted = async (name: string): Promise<number> => {
    const text = await (await fetch(`${cluster.frontend?.baseUrl}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${name} `));
    return Number(line?.split(' ')[1] ?? Number.NaN);
  };
  const cells = (outcome: string) => counted(`maru_query_frontend_cache_cells_total{outcome="${outcome}"}`);

  for (let seed = 1; seed <= seeds; seed++) {
    it(`about random questions, before and after late writes: seed ${seed}`, async (t) => {
      const random = seededRandom(seed);
      const [first, ...late] = randomData(random, true).loads as readonly [Load, ...Load[]];
      const tenant = `agrees-${++tenants}`;
      await write(tenant, first);
      const questions = Array.from({ length: questionsPerSeed * 3 }, () => randomQuestion(random).expr)
        .map((expr, i, all) => (i % 2 === 0 ? expr : aggregated(random, expr, all[i - 1] ?? expr)))
        .filter((expr) => treeOf(expr)?.type === 'vector')
        .slice(0, questionsPerSeed)
        // Two days and some hours around the data, so that there are cells and cuts.
        .map((expr) => ({
          expr,
          range: {
            start: -90_000 + random.between(0, 2) * 7,
            end: 90_000,
            step: random.between(0, 2) === 0 ? 60 : 300,
          },
        }));
      const sharded = await counted('maru_query_frontend_sharded_parts_total');
      const hits = await cells('hit');
      const stale = await cells('stale');
      for (const { expr, range } of questions) await compare(tenant, expr, range);
      for (const load of late) await write(tenant, load);
      for (const { expr, range } of questions) await compare(tenant, expr, range);
      for (const { expr, range } of questions) await compare(tenant, expr, range);
      t.diagnostic(
        `${questions.length} questions, ${(await cells('hit')) - hits} cells hit, ${(await cells('stale')) - stale} stale`,
      );
      assert.ok((await cells('hit')) > hits, 'kept answers are used');
      const inShards = (await counted('maru_query_frontend_sharded_parts_total')) - sharded;
      assert.equal(inShards > 0, tenants % 2 === 0, `every second tenant's are asked in shards: ${inShards}`);
      if (late.length > 0) assert.ok((await cells('stale')) > stale, 'late writes are noticed');
    });
  }

  it('about the expressions of the corpus, twice each', {
    skip: scripts === undefined && `no corpus: ${corpusPath}`,
  }, async (t) => {
    let number = 0;
    let asked = 0;
    for (const script of scripts ?? []) {
      let tenant = `agrees-${++tenants}`;
      let waiting: Load[] = [];
      for (const command of parseScript(readFileSync(path.join(corpusPath, script), 'utf8'))) {
        if (command.kind === 'clear') {
          tenant = `agrees-${++tenants}`;
          waiting = [];
        } else if (command.kind === 'load') waiting.push(command);
        else if (number++ % corpusEvery === 0) {
          for (const load of waiting.splice(0)) await write(tenant, load);
          const { expr, startMs, endMs, stepMs } = command;
          const range = command.range
            ? { start: startMs / 1000, end: endMs / 1000, step: stepMs / 1000 }
            : { start: startMs / 1000 - 90_000, end: startMs / 1000 + 7_200, step: 900 };
          for (let i = 0; i < 2; i++) await compare(tenant, expr, range);
          asked++;
        }
      }
    }
    t.diagnostic(`${asked} of ${number} expressions`);
  });
});

/** Whether the answer may have been added up of shards. */
function isAddedUp(query: string): boolean {
  const root = (expr: Expr | undefined): Expr | undefined => (expr?.kind === 'paren' ? root(expr.expr) : expr);
  const expr = root(treeOf(query));
  return expr?.kind === 'aggregate' && expr.op === 'sum';
}

/** Equal, but for the last digits of floats. */
function assertNear(found: Answer, wanted: Answer, words: string): void {
  const resultOf = ({ data }: Answer) => (data as QueryData | undefined)?.result ?? [];
  const withoutValues = (answer: Answer) => ({
    ...answer,
    data: resultOf(answer).map((series) => ({ ...series, values: series.values?.map(([t]) => t) })),
  });
  assert.deepEqual(withoutValues(found), withoutValues(wanted), words);
  const others = resultOf(found);
  for (const [i, { values = [] }] of resultOf(wanted).entries()) {
    const largest = Math.max(...values.map(([, value]) => Math.abs(Number(value))).filter(Number.isFinite), 0);
    for (const [row, [, text]] of values.entries()) {
      const other = others[i]?.values?.[row]?.[1];
      const difference = Math.abs(Number(text) - Number(other));
      assert.ok(text === other || difference <= 1e-12 * largest, `${text} ${other}: ${words}`);
    }
  }
}
