import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { createEngine } from '../../libs/promql/engine.ts';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import type { SeriesSource } from '../../libs/series/series-source.ts';
import type { EvaluationOptions } from './evaluate-query.ts';
import { MemorySource } from './memory-source.testing.ts';
import { outlinesOf } from './outline-job.ts';
import { QueryPool } from './query-pool.ts';
import type { EvaluationRequest, QueryRequest } from './query-request.ts';
import { SmallQueries } from './small-queries.ts';

const source = new MemorySource([
  {
    labels: { __name__: 'm', job: '<a>' },
    samples: [
      [1000, 1],
      [2000, 2.5],
      [3500, 1e-7],
    ],
  },
  { labels: { __name__: 'm', job: 'b' }, samples: [[2000, Number.NaN]] },
]);

const workerData: EvaluationOptions = {
  syntax: {},
  engine: {
    flags: { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false },
    lookbackMs: 300_000,
    subqueryStepMs: 60_000,
  },
  statsByStep: true,
  limits: { samplesMax: 1000, memoryBytesMax: 1 << 26 },
};
const poolWith = (small: SmallQueries | undefined) =>
  new QueryPool({
    workersMax: 1,
    queuedMax: 10,
    queuedPerTenantMax: 10,
    heapMb: 256,
    workerUrl: new URL('./query-worker.ts', import.meta.url),
    workerData,
    outlineOf: outlinesOf(createEngine(workerData.engine), workerData.syntax),
    ...(small === undefined ? {} : { small }),
  });
const pools = [poolWith(undefined), poolWith(new SmallQueries(workerData, () => 0))] as const;
after(() => Promise.all(pools.map((pool) => pool.close())));

/** In a worker, and where it is small without one: that makes no difference. */
async function ask(request: QueryRequest, of: SeriesSource = source): Promise<string> {
  const [first, second] = await Promise.allSettled(pools.map((pool) => askOf(pool, request, of)));
  if (first?.status !== 'fulfilled') {
    assert.deepEqual(second, first);
    throw first?.reason;
  }
  assert.equal(second?.status, 'fulfilled');
  const withoutTimes = (text: string) => text.replace(/"timings":\{.*?\}/, '');
  assert.equal(withoutTimes(second.value), withoutTimes(first.value));
  return second.value;
}

async function askOf(pool: QueryPool, request: QueryRequest, of: SeriesSource): Promise<string> {
  const signal = new AbortController().signal;
  const answer = await pool.run({ tenant: parseTenantId('a'), request, source: of, signal, timeoutMs: 60_000 });
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.chunks) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const at: Omit<EvaluationRequest, 'query'> = {
  kind: 'evaluate',
  startMs: 3500,
  endMs: 3500,
  stepMs: 0,
  lookbackMs: 0,
  limit: 0,
  stats: '',
};
const over = { ...at, startMs: 1000, endMs: 4000, stepMs: 1000 };
const data = (type: string, result: string) =>
  `{"status":"success","data":{"resultType":"${type}","result":${result}}}`;

describe('sources that are joined in the worker', () => {
  const series = (first: number, count: number, from: number) =>
    Array.from({ length: count }, (_, i) => ({
      labels: { __name__: 'n', i: String(first + i).padStart(4, '0') },
      samples: Array.from({ length: 5 }, (_, s): [number, number] => [from + s * 100, first + i + s]),
    }));
  for (const { name, count, query } of [
    {
      name: 'a few series, all samples',
      count: 40,
      query: 'sum by (i) (sum_over_time(n[3s])) + on (i) count by (i) (n)',
    },
    { name: 'many series, in many batches', count: 600, query: 'n' },
  ]) {
    it(name, async () => {
      const request = { ...at, query };
      const early = series(0, count, 1000);
      const late = series(count / 2, count, 2000);
      const all = new MemorySource([
        ...early.map(({ labels, samples }) => ({
          labels,
          samples: [...samples, ...(late.find((other) => other.labels.i === labels.i)?.samples ?? [])],
        })),
        ...late.slice(count / 2),
      ]);
      const right = await ask(request, all);
      const sources = [
        new MemorySource(late),
        new MemorySource(early),
        new MemorySource(series(5000, 3, 1000).slice(3)),
      ];
      assert.equal(await ask(request, mergeSources(sources)), right);
      // As many, one of them joined itself, and the files of two are nowhere.
      for (const one of sources) one.directory = '/no/such/folder';
      const joined = mergeSources([mergeSources(sources.slice(0, 2)), sources[2] as MemorySource]);
      assert.equal(await ask(request, joined), right);
      assert.equal(await ask(request, Object.assign(all, { directory: '/no/such/folder' })), right);
    });
  }
});

describe('an evaluation answers', () => {
  for (const { name, request, body } of [
    {
      name: 'a vector',
      request: { ...at, query: 'm' },
      body: data(
        'vector',
        '[{"metric":{"__name__":"m","job":"<a>"},"value":[3.500,"1e-07"]},{"metric":{"__name__":"m","job":"b"},"value":[3.500,"NaN"]}]',
      ),
    },
    {
      name: 'a matrix over steps',
      request: { ...over, query: 'm{job!="b"}' },
      body: data(
        'matrix',
        '[{"metric":{"__name__":"m","job":"<a>"},"values":[[1,"1"],[2,"2.5"],[3,"2.5"],[4,"1e-07"]]}]',
      ),
    },
    {
      name: 'a matrix of raw samples',
      request: { ...at, query: 'm{job!="b"}[2s]' },
      body: data('matrix', '[{"metric":{"__name__":"m","job":"<a>"},"values":[[2,"2.5"],[3.500,"1e-07"]]}]'),
    },
    {
      name: 'a scalar without exponent',
      request: { ...at, query: '1e-7' },
      body: data('scalar', '[3.5,"0.0000001"]'),
    },
    {
      name: 'a scalar over steps',
      request: { ...over, endMs: 1000, query: '1e-7' },
      body: data('matrix', '[{"metric":{},"values":[[1,"1e-07"]]}]'),
    },
    { name: 'a text', request: { ...at, query: '"<\\b>"' }, body: data('string', '[3.5,"\\u003c\\b\\u003e"]') },
    { name: 'nothing', request: { ...at, query: 'nothing' }, body: data('vector', '[]') },
    {
      name: 'with the lookback that was asked for',
      request: { ...at, query: 'm', lookbackMs: 1000 },
      body: data('vector', '[{"metric":{"__name__":"m","job":"<a>"},"value":[3.500,"1e-07"]}]'),
    },
    {
      name: 'with a lookback of less than a millisecond nothing',
      request: { ...at, query: 'm', lookbackMs: 0.1 },
      body: data('vector', '[]'),
    },
    {
      name: 'up to a limit',
      request: { ...at, query: 'm', limit: 1 },
      body: `${data('vector', '[{"metric":{"__name__":"m","job":"<a>"},"value":[3.500,"1e-07"]}]').slice(0, -1)},"warnings":["results truncated due to limit"]}`,
    },
    {
      name: 'with infos',
      request: { ...over, query: 'rate(nothing[5s]) or sum(rate(m{job="<a>"}[3s])) > 100' },
      body: `${data('matrix', '[]').slice(0, -1)},"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \\"m\\" (1:31)"]}`,
    },
  ]) {
    it(name, async () => assert.equal(await ask(request), body));
  }

  it('what it cost, where that was asked for', async () => {
    const { data, warnings } = JSON.parse(await ask({ ...at, query: 'm', stats: 'yes' }));
    assert.deepEqual(Object.keys(data.stats.timings), [
      'evalTotalTime',
      'resultSortTime',
      'queryPreparationTime',
      'innerEvalTime',
      'execQueueTime',
      'execTotalTime',
    ]);
    assert.deepEqual(Object.keys(data.stats.samples), ['totalQueryableSamples', 'samplesRead', 'peakSamples']);
    assert.equal(data.stats.samples.totalQueryableSamples, 2);
    assert.match(warnings[0], /^value "yes" for parameter "stats" is deprecated/);
  });
});

describe('what cannot be evaluated', () => {
  for (const { query, range = false, kind, words } of [
    { query: 'm{', kind: 'bad_data', words: /^invalid parameter "query": 1:3: parse error: / },
    {
      query: 'm[5s]',
      range: true,
      kind: 'bad_data',
      words: /^invalid parameter "query": invalid expression type "range vector" for/,
    },
    { query: 'm * on(nothing) group_left m', kind: 'execution', words: /found duplicate series for the match group/ },
    { query: '('.repeat(100_000), kind: 'bad_data', words: /nested/ },
    { query: `m${' + m'.repeat(100_000)}`, kind: 'bad_data', words: /levels high/ },
    { query: `m{job=~"${'(x+x+)+'.repeat(3000)}y"}`, kind: '', words: /^$/ },
  ]) {
    it(query.slice(0, 40), async () => {
      const request = { ...(range ? over : at), query };
      if (kind === '') {
        assert.equal(await ask(request), data('vector', '[]'));
        return;
      }
      await assert.rejects(ask(request), (error: unknown) => {
        assert.ok(error instanceof Failure);
        assert.equal(error.kind, kind);
        assert.match(error.message, words);
        return true;
      });
    });
  }

  it('is too many samples', async () => {
    await assert.rejects(
      ask({ ...over, endMs: 1_000_000, lookbackMs: 1_000_000, query: 'm' }),
      /query processing would load too many samples into memory/,
    );
  });
});

describe('the language alone', () => {
  it('is formatted', async () => {
    assert.equal(
      await ask({ kind: 'syntax', wanted: 'text', query: 'sum(m{a="<"})by(x)' }),
      '{"status":"success","data":"sum by (x) (m{a=\\"\\u003c\\"})"}',
    );
  });
  it('is parsed', async () => {
    assert.equal(
      await ask({ kind: 'syntax', wanted: 'tree', query: '"<"' }),
      '{"status":"success","data":{"type":"stringLiteral","val":"\\u003c"}}',
    );
  });
});
