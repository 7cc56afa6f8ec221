import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import type { SeriesSource } from '../../libs/series/series-source.ts';
import { LabelMemory } from './label-memory.ts';
import { MemorySource } from './memory-source.testing.ts';
import type { QueryAnswer } from './query-pool.ts';
import { QueryPool, type QueryPoolOptions } from './query-pool.ts';

// As services/main.ts does.
setFlagsFromString('--expose-gc');

const tenant = parseTenantId('a');
const noSignal = new AbortController().signal;

function newPool(options: Partial<QueryPoolOptions> = {}): QueryPool {
  const pool = new QueryPool({
    workersMax: 1,
    queuedMax: 100,
    queuedPerTenantMax: 100,
    heapMb: 32,
    workerUrl: new URL('./scripted-worker.testing.ts', import.meta.url),
    workerData: undefined,
    ...options,
  });
  after(() => pool.close());
  return pool;
}

const source = () =>
  new MemorySource(
    ['a', 'b', 'c', 'd', 'e'].map((job) => ({ labels: { __name__: 'm', job }, samples: [[1000, 1] as const] })),
  );

interface Options {
  readonly source?: SeriesSource;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly tenant?: string;
}

function run(pool: QueryPool, query: string, options: Options = {}): Promise<QueryAnswer> {
  return pool.run({
    tenant: options.tenant === undefined ? tenant : parseTenantId(options.tenant),
    request: { kind: 'syntax', wanted: 'text', query },
    source: options.source ?? new MemorySource([]),
    signal: options.signal ?? noSignal,
    timeoutMs: options.timeoutMs ?? 60_000,
  });
}

async function textOf(answer: QueryAnswer): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.chunks) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const ask = async (pool: QueryPool, query: string, options?: Options) => textOf(await run(pool, query, options));

const failsWith = (kind: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Failure);
  assert.equal(error.kind, kind);
  assert.match(error.message, message);
  return true;
};

describe('reads across the bridge', () => {
  const pool = newPool();

  it('gives labels and all batches of two selections that are read in turn', async () => {
    const [first, second, ...batches] = JSON.parse(await ask(pool, 'read m', { source: source() }));
    assert.deepEqual(first, [
      ['__name__', 'm', 'job', 'a', 'b', 'c', 'd', 'e'],
      [0, 4, 8, 12, 16, 20],
      [0, 1, 2, 3, 0, 1, 2, 4, 0, 1, 2, 5, 0, 1, 2, 6, 0, 1, 2, 7],
    ]);
    assert.deepEqual(second, first);
    assert.deepEqual(
      batches.map(([a]: [unknown[]]) => [a[0], a[1]]),
      [
        [0, [0, 1, 2]],
        [2, [0, 1, 2]],
        [4, [0, 1]],
      ],
    );
    for (const [a, b] of batches) assert.deepEqual(a, b);
  });

  it('gives the same of what is read before it asks', async () => {
    const query = { matchers: [{ type: '=', name: '__name__', value: 'm' } as const], minT: 0, maxT: 1e12 };
    const other = { ...query, minT: 1 };
    for (const early of [[query], [query, query], [other, query, other]]) {
      const eager = newPool({ outlineOf: () => ({ selects: early, steps: 1 }) });
      assert.equal(await ask(eager, 'read m', { source: source() }), await ask(pool, 'read m', { source: source() }));
      const large = source();
      large.batchSize = 100;
      assert.equal(JSON.parse(await ask(eager, 'read m', { source: large }))[2][0][2] > 0, true);
      const failing = source();
      failing.failure = new Failure('execution', 'broken');
      await assert.rejects(run(eager, 'read m', { source: failing }), failsWith('execution', /^broken$/));
      assert.equal(await ask(eager, 'hello'), 'hello');
    }
  });

  it('sees what was written before it asked', async () => {
    const written = source();
    const before = JSON.parse(await ask(pool, 'read m', { source: written }));
    written.add({ __name__: 'm', job: 'f' }, [[2000, 1]]);
    const after = JSON.parse(await ask(pool, 'read m', { source: written }));
    assert.equal(before[0][1].length, 6);
    assert.equal(after[0][1].length, 7);
  });

  it('brings label tables over whole whatever their length', async () => {
    const many = new MemorySource(
      Array.from({ length: 10_000 }, (_, i) => ({
        labels: { __name__: 'm', i: String(i) },
        samples: [[1, 1] as const],
      })),
    );
    many.batchSize = 10_000;
    const [[strings]] = JSON.parse(await ask(pool, 'read m', { source: many }));
    assert.equal(new Set(strings).size, 10_003);
  });

  it('goes a few batches ahead of the worker and lets go of the rest', async () => {
    const many = Array.from({ length: 100 }, (_, i) => ({
      labels: { __name__: 'm', i: String(i) },
      samples: [[1, 1] as const],
    }));
    const slow = new MemorySource(many);
    slow.batchSize = 1;
    await ask(pool, 'read-one-batch', { source: slow });
    assert.ok(slow.batchesGiven <= 9, `${slow.batchesGiven} batches were made`);
    await turn();
    assert.equal(slow.selectionsClosed, 1);
  });

  it('brings all of many sources', async () => {
    const series = Array.from({ length: 300 }, (_, i) => ({
      labels: { __name__: 'm', i: String(i) },
      samples: [[1, 1] as const],
    }));
    const sources = Array.from({ length: 100 }, () => {
      const one = new MemorySource(series);
      one.batchSize = 10;
      return one;
    });
    const [[strings], , ...batches] = JSON.parse(await ask(pool, 'read m', { source: mergeSources(sources) }));
    assert.equal(strings.length, 303);
    const brought = batches.reduce(
      (sum: number, [[, chunkBegin]]: [[number, number[]]]) => sum + chunkBegin.length - 1,
      0,
    );
    assert.equal(brought, 300);
  });

  it('counts label tables where a query has a maximum, until it has ended', async () => {
    const labels = new LabelMemory(2000, 10_000);
    const counting = newPool({ labels });
    const tables = (textBytes: number): SeriesSource => {
      const own = source();
      const select: SeriesSource['select'] = (query) => {
        query.memory?.take(textBytes, 10);
        return own.select(query);
      };
      return Object.assign(Object.create(own), { select }) as SeriesSource;
    };
    await ask(counting, 'read m', { source: tables(500) });
    assert.equal(labels.used, 0);
    const message = /^the query needs 3020 bytes of memory for labels, more than query.max-memory-bytes .*: read m$/;
    await assert.rejects(run(counting, 'read m', { source: tables(1500) }), failsWith('query_limit', message));
    assert.equal(labels.used, 0);
  });

  it('carries a failure of the source over', async () => {
    const broken = source();
    broken.failure = new Failure('unavailable', 'the head is replaying');
    await assert.rejects(ask(pool, 'read m', { source: broken }), failsWith('unavailable', /^the head is replaying$/));
  });
});

describe('answers', () => {
  const pool = newPool();

  it('come in one piece when small', async () => {
    const answer = await run(pool, 'hello');
    assert.equal(answer.whole, true);
    assert.equal(await textOf(answer), 'hello');
    assert.deepEqual(answer.stats(), { samples: 7 });
  });

  it('come in chunks when large, and the worker waits for a client that does not read', async () => {
    const answer = await run(pool, 'write 20000');
    assert.equal(answer.whole, false);
    const second = run(pool, 'hello');
    // The worker is held back by the first answer, which is five times what may be under way.
    assert.equal(await Promise.race([second.then(() => 'answered'), sleep(200, 'waits')]), 'waits');
    assert.equal((await textOf(answer)).length, 20_000_000);
    assert.equal(await textOf(await second), 'hello');
  });

  it('of a client that does not read give their worker to those who wait for one', async () => {
    const hurried = newPool({ unreadMsMax: 50 });
    const unread = await run(hurried, 'write 20000');
    assert.equal(await ask(hurried, 'hello', { tenant: 'b' }), 'hello');
    await assert.rejects(textOf(unread), failsWith('canceled', /was not read/));
  });

  it('of which nothing is read at all end sooner where many wait than those that are read slowly', async () => {
    const crowded = newPool({ workersMax: 2, unreadMsMax: 5_000 });
    const slow = await run(crowded, 'write 60000');
    const unread = await run(crowded, 'write 20000');
    const waiting = Promise.all(Array.from({ length: 10 }, () => ask(crowded, 'hello')));
    let bytes = 0;
    while ((await Promise.race([waiting, sleep(20)])) === undefined) bytes += (await slow.chunks.next()).value.length;
    await assert.rejects(textOf(unread), failsWith('canceled', /was not read/));
    assert.equal(bytes + (await textOf(slow)).length, 60_000_000);
  });

  it('that nobody reads take no more memory than they may: the one that has waited longest ends', async () => {
    const small = newPool({ unreadBytesMax: 5_000_000 });
    const first = await run(small, 'write 3000');
    const second = await run(small, 'write 3000');
    assert.equal(await ask(small, 'hello'), 'hello');
    await assert.rejects(textOf(first), failsWith('canceled', /was not read/));
    assert.equal((await textOf(second)).length, 3_000_000);
    assert.equal((await textOf(await run(small, 'write 20000'))).length, 20_000_000);
  });

  it('free the worker when the client stops reading half-way', async () => {
    const answer = await run(pool, 'write 20000');
    await answer.chunks.next();
    await answer.chunks.return?.();
    assert.equal(await ask(pool, 'hello'), 'hello');
  });

  it('fail with what the query failed with', async () => {
    await assert.rejects(ask(pool, 'fail'), failsWith('execution', /^as ordered$/));
    await assert.rejects(ask(pool, 'throw'), failsWith('internal', /a bug/));
    await assert.rejects(ask(pool, 'recurse'), failsWith('execution', /nested too deeply/));
    assert.equal(await ask(pool, 'hello'), 'hello');
  });
});

describe('a job that must stop', () => {
  const pool = newPool();

  it('ends at once for its caller and frees the worker when the client leaves', async () => {
    const client = new AbortController();
    const job = run(pool, 'spin', { signal: client.signal });
    job.catch(() => undefined);
    assert.equal(pool.running, 1);
    await sleep(50);
    client.abort();
    await assert.rejects(job, failsWith('canceled', /^query was canceled in expression evaluation$/));
    assert.equal(await ask(pool, 'hello'), 'hello');
  });

  it('wakes up where it waits for a read', async () => {
    const client = new AbortController();
    const stuck = source();
    stuck.beforeBatch = () => new Promise(() => undefined);
    const job = run(pool, 'read m', { signal: client.signal, source: stuck });
    job.catch(() => undefined);
    await sleep(50);
    client.abort();
    await assert.rejects(job, failsWith('canceled', /canceled/));
    assert.equal(await ask(pool, 'hello'), 'hello');
  });

  it('times out', async () => {
    await assert.rejects(
      ask(pool, 'spin', { timeoutMs: 50 }),
      failsWith('timeout', /^query timed out in expression evaluation$/),
    );
    await assert.rejects(
      ask(pool, 'hello', { timeoutMs: 0 }),
      failsWith('timeout', /^query timed out in query execution$/),
    );
    assert.equal(await ask(pool, 'hello'), 'hello');
  });

  it('is killed when it does not listen, and its worker replaced', async () => {
    await assert.rejects(ask(pool, 'hang', { timeoutMs: 50 }), failsWith('timeout', /timed out/));
    assert.equal(await ask(pool, 'hello'), 'hello');
  });

  it('leaves the queue when its client leaves or its time is over', async () => {
    const spinning = new AbortController();
    const first = run(pool, 'spin', { signal: spinning.signal });
    first.catch(() => undefined);
    const client = new AbortController();
    const left = run(pool, 'hello', { signal: client.signal });
    const late = run(pool, 'hello', { timeoutMs: 20 });
    const stays = ask(pool, 'hello');
    client.abort();
    await assert.rejects(left, failsWith('canceled', /^query was canceled in query queue$/));
    await assert.rejects(late, failsWith('timeout', /^query timed out in query queue$/));
    assert.equal(pool.queued, 1);
    spinning.abort();
    assert.equal(await stays, 'hello');
  });
});

describe('a worker that dies', () => {
  const pool = newPool();
  it('takes one query with it', async () => {
    const dying = assert.rejects(
      ask(pool, 'die'),
      failsWith('internal', /^the worker of this query died: exit code 3$/),
    );
    const next = ask(pool, 'hello');
    await dying;
    assert.equal(await next, 'hello');
  });

  it('of its heap maximum takes one query with it', async () => {
    await assert.rejects(ask(pool, 'eat-heap'), failsWith('internal', /died: .*memory/));
    assert.equal(await ask(pool, 'hello'), 'hello');
  });
});

describe('a worker with a large heap', () => {
  const pool = newPool();
  it('is replaced when it has nothing to do', async () => {
    const first = await ask(pool, 'thread');
    await ask(pool, 'hold-memory');
    assert.equal(await ask(pool, 'thread'), first);
    let thread = first;
    while (thread === first) {
      await sleep(1_200);
      thread = await ask(pool, 'thread');
    }
    assert.equal(pool.workers, 1);
    assert.equal(pool.deaths, 0);
  });

  it('collects what nobody uses and stays, though small jobs follow', async () => {
    const first = await ask(pool, 'thread');
    await ask(pool, 'leave-memory');
    let left = true;
    while (left) {
      await sleep(50);
      left = (await ask(pool, 'has-left-memory')) === 'true';
    }
    assert.equal(await ask(pool, 'thread'), first);
  });
});

describe('the queue', () => {
  it('refuses what is beyond its maxima, and serves tenants in turn', async () => {
    const pool = newPool({ queuedMax: 3, queuedPerTenantMax: 2 });
    const spinning = new AbortController();
    const blocker = run(pool, 'spin', { signal: spinning.signal });
    blocker.catch(() => undefined);
    const order: string[] = [];
    const note = (name: string, by: string) => ask(pool, name, { tenant: by }).then((text) => order.push(text));
    const a = [note('a1', 'a'), note('a2', 'a')];
    await assert.rejects(
      ask(pool, 'a3', { tenant: 'a' }),
      failsWith('rate_limited', /^too many outstanding requests$/),
    );
    const b = note('b1', 'b');
    await assert.rejects(
      ask(pool, 'c1', { tenant: 'c' }),
      failsWith('rate_limited', /^too many outstanding requests$/),
    );
    spinning.abort();
    await Promise.all([...a, b]);
    assert.deepEqual(order, ['a1', 'b1', 'a2']);
  });

  it('has a worker yet for a tenant of whom nothing runs, and for no other', async () => {
    const pool = newPool({ workersMax: 2, sparesMax: 1 });
    const spinning = new AbortController();
    const long = ['spin', 'spin', 'spin'].map((order) => run(pool, order, { signal: spinning.signal }));
    for (const one of long) one.catch(() => undefined);
    assert.equal(await ask(pool, 'hello', { tenant: 'b' }), 'hello');
    assert.equal(await ask(pool, 'hello again', { tenant: 'c' }), 'hello again');
    await turn();
    assert.deepEqual([pool.running, pool.queued, pool.workers], [2, 1, 3]);
    spinning.abort();
    await Promise.allSettled(long);
    assert.equal(await ask(pool, 'hello'), 'hello');
    while (pool.workers > 2) await sleep(50);
    assert.equal(pool.deaths, 0);
  });

  it('uses as many workers as it may', async () => {
    const pool = newPool({ workersMax: 2 });
    const spinning = new AbortController();
    const blocker = run(pool, 'spin', { signal: spinning.signal });
    blocker.catch(() => undefined);
    assert.equal(await ask(pool, 'hello'), 'hello');
    spinning.abort();
  });
});
