import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { WorkHead } from '../../libs/contracts/query-work.ts';
import { MemoryCache } from '../../libs/kv/byte-cache.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { encodeHeavy, encodePart, encodePartEnd } from '../../libs/wire/peer/part-message.ts';
import { answerRange, type RangeDeps } from './answer-range.ts';
import { Unjoinable } from './choose-shards.ts';
import { HeldMemory } from './held-memory.ts';
import { ResultsCache } from './results-cache.ts';
import type { RangeQuestion } from './rewritable.ts';
import { WorkRunner } from './run-work.ts';

const dayMs = 86_400_000;
const question: RangeQuestion = {
  ...{ query: 'm', startMs: 0, endMs: 40 * dayMs - 1, stepMs: 600_000, lookbackMs: 0, limit: 0 },
  ...{ isIndependent: true, hasSteps: true, split: undefined },
};
const head: WorkHead = {
  ...{ httpStatus: 200, contentType: '', headers: [], gzip: false, hasBody: true, retryAfterSeconds: 0 },
};
const seriesCount = 10;

/** Answers a question with points of ten series at every step. @returns the answer, and how many parts were asked for */
async function answered(
  heldBytesMax: number,
  memory = new HeldMemory(heldBytesMax, heldBytesMax),
  cache?: ResultsCache,
) {
  const counts = { parts: 0, sharded: 0, shards: 0, split: 0, undone: 0, hits: 0, stale: 0, misses: 0 };
  const runner = new WorkRunner(100, 100, { retries: 0, waited: () => undefined });
  const end = new AbortController();
  const evaluate = async (): Promise<void> => {
    for (;;) {
      const { work, give } = await runner.take({ lane: 'evaluations', spares: 0 }, 'q', end.signal);
      assert.equal(work.kind, 'part');
      const { startMs, endMs, stepMs } = work;
      const t = Float64Array.from(
        { length: Math.floor((endMs - startMs) / stepMs) + 1 },
        (_, i) => startMs + i * stepMs,
      );
      const series = Array.from({ length: seriesCount }, (_, i) => ({
        labels: new Labels(['i', `${i}`]),
        t,
        v: t,
        h: null,
      }));
      const part = encodePart({ series, annotations: [], sourceWarnings: [] }, work);
      await give({ head, piece: Buffer.concat([part, encodePartEnd({ witness: 'w' })]), last: true });
    }
  };
  const evaluating = evaluate().catch(() => undefined);
  const deps: RangeDeps = {
    ...{ runner, cache, samplesMax: 0, shardsMaxOf: () => 0, shardWeight: 1, unjoinable: new Unjoinable() },
    ...{ counts, nowMs: () => 41 * dayMs },
  };
  const call = { tenant: parseTenantId('t'), timeoutMs: 10_000, signal: new AbortController().signal, noStore: false };
  const held = memory.begin();
  const joined = await answerRange(question, call, deps, held);
  end.abort(new Error('over'));
  await evaluating;
  return { joined, counts, held };
}

it('parts are put together', async () => {
  const { joined, counts } = await answered(1 << 30);
  assert.equal(joined?.series.length, seriesCount);
  assert.equal(joined?.series[0]?.t.length, 40 * 144);
  assert.deepEqual([counts.parts, counts.split, counts.undone], [40, 1, 0]);
});

it('more parts than there is memory for are not waited for: the whole is asked', async () => {
  const { joined, counts } = await answered(100_000);
  assert.equal(joined, undefined);
  assert.equal(counts.undone, 1);
  assert.ok(counts.parts < 40, `${counts.parts} parts were asked for`);
});

it('parts of other answers count until these are written', async () => {
  const memory = new HeldMemory(2_000_000, 1_500_000);
  const first = await answered(0, memory);
  assert.ok(first.joined !== undefined);
  const second = await answered(0, memory);
  assert.equal(second.joined, undefined);
  second.held.release();
  first.held.release();
  assert.ok((await answered(0, memory)).joined !== undefined);
});

it('what is kept counts while it is asked whether it is still true, and is as if it were not there where there is no room', async () => {
  const cache = new ResultsCache(new MemoryCache(1 << 30), (error) => assert.fail(String(error)));
  await answered(1 << 30, undefined, cache);
  const counts = { parts: 0, sharded: 0, shards: 0, split: 0, undone: 0, hits: 0, stale: 0, misses: 0 };
  const runner = new WorkRunner(100, 100, { retries: 0, waited: () => undefined });
  const deps: RangeDeps = {
    ...{ runner, cache, samplesMax: 0, shardsMaxOf: () => 0, shardWeight: 1, unjoinable: new Unjoinable() },
    ...{ counts, nowMs: () => 41 * dayMs },
  };
  const left = new AbortController();
  const call = { tenant: parseTenantId('t'), timeoutMs: 10_000, signal: left.signal, noStore: false };
  const memory = new HeldMemory(3_000_000, 3_000_000);
  const asking = answerRange(question, call, deps, memory.begin());
  while (runner.queue.lengthOf('lists') === 0) await new Promise((resolve) => setImmediate(resolve));
  const other = memory.begin();
  assert.equal(other.take(2_700_000), false);
  // Another one asks for nothing that it would have to hold, but for parts.
  const second = answerRange(question, call, deps, memory.begin());
  while (runner.queue.lengthOf('evaluations') === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([runner.queue.lengthOf('lists'), counts.hits], [1, 0]);
  left.abort(new Error('the client has left'));
  await assert.rejects(asking, /the client has left/);
  await assert.rejects(second, /the client has left/);
});

it('parts count while they come', async () => {
  const runner = new WorkRunner(100, 100, { retries: 0, waited: () => undefined });
  const end = new AbortController();
  let begun = 0;
  // Two that are large, and come to no end.
  const evaluating = ['q1', 'q2'].map(async (querier) => {
    const { give, signal } = await runner.take({ lane: 'evaluations', spares: 0 }, querier, end.signal);
    await give({ head, piece: new Uint8Array(17 << 20), last: false });
    begun++;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  });
  const deps: RangeDeps = {
    ...{ runner, cache: undefined, samplesMax: 0, shardsMaxOf: () => 0, shardWeight: 1, unjoinable: new Unjoinable() },
    counts: { parts: 0, sharded: 0, shards: 0, split: 0, undone: 0, hits: 0, stale: 0, misses: 0 },
    nowMs: () => 0,
  };
  const call = { tenant: parseTenantId('t'), timeoutMs: 10_000, signal: new AbortController().signal, noStore: false };
  const held = new HeldMemory(1 << 30, 20 << 20).begin();
  assert.equal(await answerRange(question, call, deps, held), undefined);
  assert.equal(begun, 2);
  await Promise.all(evaluating);
  end.abort(new Error('over'));
});

it('shards for which others leave no room are asked for the next time', async () => {
  const runner = new WorkRunner(100, 100, { retries: 0, waited: () => undefined });
  const end = new AbortController();
  const evaluating = ['q1', 'q2'].map(async (querier) => {
    for (;;) {
      const { work, give } = await runner.take({ lane: 'evaluations', spares: 0 }, querier, end.signal);
      assert.equal(work.kind, 'part');
      const series = Array.from({ length: 100 }, (_, i) => ({
        ...{
          labels: new Labels(['i', `${work.shard?.index} ${i}`]),
          t: Float64Array.of(0),
          v: new Float64Array(1),
          h: null,
        },
      }));
      const piece =
        work.shard === undefined
          ? encodeHeavy({ weight: 4_000, series: 1_000, largestGroup: 1, sorted: true })
          : Buffer.concat([
              encodePart({ series, annotations: [], sourceWarnings: [] }, work),
              encodePartEnd({ witness: '', sharded: true }),
            ]);
      await give({ head, piece, last: true });
    }
  });
  const deps: RangeDeps = {
    ...{
      runner,
      cache: undefined,
      samplesMax: 0,
      shardsMaxOf: () => 2,
      shardWeight: 1_000,
      unjoinable: new Unjoinable(),
    },
    counts: { parts: 0, sharded: 0, shards: 0, split: 0, undone: 0, hits: 0, stale: 0, misses: 0 },
    nowMs: () => 0,
  };
  const split = { whole: { labels: ['i'], on: true }, parts: undefined };
  const asked = { ...question, endMs: 0, hasSteps: false, split } as unknown as RangeQuestion;
  const call = { tenant: parseTenantId('t'), timeoutMs: 10_000, signal: new AbortController().signal, noStore: false };
  const memory = new HeldMemory(200_000, 200_000);
  const other = memory.begin();
  assert.ok(other.take(150_000));
  const crowded = memory.begin();
  assert.equal(await answerRange(asked, call, deps, crowded), undefined);
  crowded.release();
  other.release();
  assert.equal((await answerRange(asked, call, deps, memory.begin()))?.series.length, 200);
  assert.equal(deps.counts.sharded, 2);
  end.abort(new Error('over'));
  await Promise.allSettled(evaluating);
});
