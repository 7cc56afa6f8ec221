import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Failure } from '../../libs/errors/failure.ts';
import { ChunkEncoding } from '../../libs/model/encoding/chunk.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { createEngine } from '../../libs/promql/engine.ts';
import type { SelectedSeries, SelectQuery, SeriesSource } from '../../libs/series/series-source.ts';
import type { EvaluationOptions } from './evaluate-query.ts';
import { MemorySource } from './memory-source.testing.ts';
import { outlinesOf } from './outline-job.ts';
import { type QueryJob, QueryPool } from './query-pool.ts';
import type { EvaluationRequest } from './query-request.ts';
import { SmallQueries } from './small-queries.ts';

const options: EvaluationOptions = {
  syntax: { experimentalFunctions: true },
  engine: {
    flags: { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false },
    lookbackMs: 300_000,
    subqueryStepMs: 60_000,
  },
  statsByStep: false,
  limits: { samplesMax: 0, memoryBytesMax: 0 },
};

let nowMs = () => 0;
const small = new SmallQueries(options, () => nowMs());
/** Its worker evaluates nothing: it answers with the text of the query. */
const pool = new QueryPool({
  workersMax: 1,
  queuedMax: 10,
  queuedPerTenantMax: 10,
  heapMb: 32,
  workerUrl: new URL('./scripted-worker.testing.ts', import.meta.url),
  workerData: undefined,
  outlineOf: outlinesOf(createEngine(options.engine), options.syntax),
  small,
});
after(() => pool.close());

const seriesOf = (count: number, samples = 2) =>
  Array.from({ length: count }, (_, i) => ({
    labels: { __name__: 'm', i: String(i) },
    samples: Array.from({ length: samples }, (_, s): [number, number] => [1000 + s, s]),
  }));

const at: Omit<EvaluationRequest, 'query'> = {
  kind: 'evaluate',
  startMs: 5000,
  endMs: 5000,
  stepMs: 0,
  lookbackMs: 0,
  limit: 0,
  stats: '',
};

function jobOf(request: EvaluationRequest, source: SeriesSource): QueryJob {
  const { signal } = new AbortController();
  return { tenant: parseTenantId('a'), request, source, signal, timeoutMs: 60_000 };
}

async function bytesOf(job: QueryJob): Promise<Uint8Array> {
  const answer = await pool.run(job);
  const pieces: Uint8Array[] = [];
  for await (const piece of answer.chunks) pieces.push(piece);
  return Buffer.concat(pieces);
}

const ask = async (request: EvaluationRequest, source: SeriesSource) =>
  Buffer.from(await bytesOf(jobOf(request, source))).toString();

/** The same source whose chunks are said to be of another encoding, or to lie in so many pieces in files. */
function changed(source: SeriesSource, change: (selected: SelectedSeries) => SelectedSeries): SeriesSource {
  const select = async (query: SelectQuery, signal: AbortSignal) => change(await source.select(query, signal));
  return new Proxy(source, { get: (of, key) => (key === 'select' ? select : Reflect.get(of, key)) });
}

describe('a small query', () => {
  for (const { name, query, source = new MemorySource(seriesOf(3)), over = {}, data } of [
    { name: 'a number', query: '1 + 1', data: { resultType: 'scalar', result: [5, '2'] } },
    { name: 'nothing', query: 'nothing', data: { resultType: 'vector', result: [] } },
    {
      name: 'a few series',
      query: 'sum(m)',
      data: { resultType: 'vector', result: [{ metric: {}, value: [5, '3'] }] },
    },
    {
      name: 'a hundred series at one step',
      query: 'count(m)',
      source: new MemorySource(seriesOf(100)),
      data: { resultType: 'vector', result: [{ metric: {}, value: [5, '100'] }] },
    },
    {
      name: 'one series at many steps',
      query: 'm',
      source: new MemorySource(seriesOf(1)),
      over: { endMs: 9000, stepMs: 2000 },
      data: {
        resultType: 'matrix',
        result: [
          {
            metric: { __name__: 'm', i: '0' },
            values: [
              [5, '1'],
              [7, '1'],
              [9, '1'],
            ],
          },
        ],
      },
    },
  ]) {
    it(`is answered without a worker: ${name}`, async () => {
      assert.deepEqual(JSON.parse(await ask({ ...at, ...over, query }, source)), { status: 'success', data });
    });
  }

  it('is compressed where that is wanted', async () => {
    const job = { ...jobOf({ ...at, query: 'm' }, new MemorySource(seriesOf(100))), gzip: true };
    assert.equal(JSON.parse(gunzipSync(await bytesOf(job)).toString()).data.result.length, 100);
  });

  it('fails as a query does', async () => {
    const broken = new MemorySource([]);
    broken.failure = new Failure('unavailable', 'the head is replaying');
    await assert.rejects(ask({ ...at, query: 'm' }, broken), (error) => error === broken.failure);
    const query = 'm + ignoring(i) m';
    await assert.rejects(ask({ ...at, query }, new MemorySource(seriesOf(2))), /many-to-many matching not allowed/);
    assert.equal(pool.running, 0);
  });

  it('ends when its client leaves or its time is over, and what it waits for is told', async () => {
    const stuck = new MemorySource(seriesOf(2));
    stuck.beforeBatch = () => new Promise(() => undefined);
    const client = new AbortController();
    const left = pool.run({ ...jobOf({ ...at, query: 'm' }, stuck), signal: client.signal });
    client.abort();
    await assert.rejects(left, /^Failure: query was canceled in expression evaluation$/);
    const late = pool.run({ ...jobOf({ ...at, query: 'm' }, stuck), timeoutMs: 20 });
    await assert.rejects(late, /^Failure: query timed out in expression evaluation$/);
    assert.equal(pool.running, 0);
    assert.match(await ask({ ...at, query: 'm' }, new MemorySource(seriesOf(1))), /success/);
  });
});

describe('what is more goes to a worker', () => {
  const manyChunks = (selected: SelectedSeries): SelectedSeries => ({
    ...selected,
    located: { ...noChunks, ref: new Float64Array(1000) },
  });
  const longChunks =
    (bytes: number, encoding: ChunkEncoding) =>
    (selected: SelectedSeries): SelectedSeries => ({
      ...selected,
      async *chunks(signal) {
        for await (const batch of selected.chunks(signal)) {
          const byteBegin = batch.byteBegin.map((_, i) => i * bytes);
          yield { ...batch, encoding: batch.encoding.map(() => encoding), byteBegin, bytes: new Uint8Array(1 << 20) };
        }
      },
    });
  const few = new MemorySource(seriesOf(2));
  // Each its own text: that of a query which was more is remembered.
  for (const { name, query = `m # ${name}`, source = few, over = {} } of [
    { name: 'many series', source: new MemorySource(seriesOf(1000)) },
    { name: 'many steps', over: { endMs: 50_000_000, stepMs: 1000 } },
    { name: 'many steps of a subquery', query: 'max_over_time(m[1d:1s])' },
    { name: 'series times steps', source: new MemorySource(seriesOf(100)), over: { endMs: 500_000, stepMs: 1000 } },
    { name: 'many chunks in files', source: changed(few, manyChunks) },
    { name: 'long chunks', source: changed(few, longChunks(100_000, ChunkEncoding.xor)) },
    { name: 'chunks of histograms', source: changed(few, longChunks(10_000, ChunkEncoding.histogram)) },
    { name: 'a read that depends on data', query: 'info(m)', source: informed() },
    { name: 'no query of the language', query: 'm{' },
    {
      name: 'a long answer of few series',
      source: new MemorySource(seriesOf(100)),
      query: Array.from({ length: 4 }).reduce<string>(
        (text) => `label_join(${text}, "z", "", ${Array(8).fill('"z"').join(', ')})`,
        'label_replace(m, "z", "0123456789abcdef", "", "")',
      ),
    },
    {
      name: 'long labels that are made on the way',
      query: `count(${Array.from({ length: 5 }).reduce<string>(
        (text) => `label_join(${text}, "z", "", ${Array(8).fill('"z"').join(', ')})`,
        'label_replace(m, "z", "0123456789abcdef", "", "")',
      )})`,
    },
    { name: 'a text that is long', query: `m${' + m'.repeat(1000)}` },
  ]) {
    it(name, async () => {
      assert.equal(await ask({ ...at, ...over, query }, source), query);
      assert.equal(pool.running, 0);
    });
  }
});

it('what takes long goes to a worker, and may be quick the next time', async () => {
  const request = { ...at, query: 'm # long' };
  let looks = 0;
  nowMs = () => 10 * looks++;
  assert.equal(await ask(request, new MemorySource(seriesOf(2))), request.query);
  nowMs = () => 0;
  assert.match(await ask(request, new MemorySource(seriesOf(2))), /success/);
});

it('what was more goes to a worker at once the next time, over the same steps', async (t) => {
  const is = t.mock.method(small, 'is');
  const request = { ...at, query: 'm # more' };
  const large = new MemorySource(seriesOf(1000));
  await ask(request, large);
  assert.equal(is.mock.callCount(), 1);
  assert.equal(await ask(request, large), request.query);
  assert.equal(is.mock.callCount(), 1);
  await ask({ ...request, endMs: 9000, stepMs: 2000 }, large);
  assert.equal(is.mock.callCount(), 2);
});

const noChunks = {
  directory: '/no/such/folder',
  chunkBegin: new Uint32Array(3),
  minT: new Float64Array(0),
  maxT: new Float64Array(0),
  nextRef: new Float64Array(0),
  recordBytes: 100,
};

function informed(): MemorySource {
  const labels = { instance: 'a', job: 'b' };
  const samples: [number, number][] = [[1000, 1]];
  return new MemorySource(['m', 'target_info'].map((name) => ({ labels: { __name__: name, ...labels }, samples })));
}
