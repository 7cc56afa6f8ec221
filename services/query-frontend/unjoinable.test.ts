/** Which expressions are not asked in shards again. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { WorkHead } from '../../libs/contracts/query-work.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { encodeHeavy, encodePart, encodePartEnd } from '../../libs/wire/peer/part-message.ts';
import { answerRange, type RangeDeps } from './answer-range.ts';
import { Unjoinable } from './choose-shards.ts';
import { HeldMemory } from './held-memory.ts';
import type { RangeQuestion } from './rewritable.ts';
import { WorkRunner } from './run-work.ts';

const head: WorkHead = {
  ...{ httpStatus: 200, contentType: '', headers: [], gzip: false, hasBody: true, retryAfterSeconds: 0 },
};

it('one whose shards were too large once is asked in shards the next time', async () => {
  const runner = new WorkRunner(100, 100, { retries: 0, waited: () => undefined });
  const end = new AbortController();
  let isTooLarge = true;
  const evaluating = ['q1', 'q2'].map(async (querier) => {
    for (;;) {
      const { work, give, fail } = await runner.take({ lane: 'evaluations', spares: 0 }, querier, end.signal);
      assert.equal(work.kind, 'part');
      if (work.shard !== undefined && isTooLarge) {
        await fail(new Failure('query_limit', 'the query needs 260 bytes of memory for labels'));
        continue;
      }
      if (work.shard === undefined && work.weighing === undefined) {
        await fail(new Failure('query_limit', 'the query needs 500 bytes of memory for labels'));
        continue;
      }
      const labels = new Labels(['i', `${work.shard?.index}`]);
      const series = [{ labels, t: Float64Array.of(0), v: new Float64Array(1), h: null }];
      const piece =
        work.shard === undefined
          ? encodeHeavy({ weight: 2 ** 31, series: 2 ** 31, largestGroup: 0, sorted: false })
          : Buffer.concat([
              encodePart({ series, annotations: [], sourceWarnings: [] }, work),
              encodePartEnd({ witness: '', sharded: true }),
            ]);
      await give({ head, piece, last: true });
    }
  });
  const deps: RangeDeps = {
    ...{ runner, cache: undefined, samplesMax: 0, shardsMaxOf: () => 2, shardWeight: 1_000 },
    unjoinable: new Unjoinable(),
    counts: { parts: 0, sharded: 0, shards: 0, split: 0, undone: 0, hits: 0, stale: 0, misses: 0 },
    nowMs: () => 0,
  };
  const split = { whole: { labels: ['i'], on: true }, parts: undefined };
  const asked = {
    ...{ query: 'm', startMs: 0, endMs: 0, stepMs: 600_000, lookbackMs: 0, limit: 0 },
    ...{ isIndependent: true, hasSteps: false, split },
  } as unknown as RangeQuestion;
  const call = { tenant: parseTenantId('t'), timeoutMs: 10_000, signal: new AbortController().signal, noStore: false };
  const memory = new HeldMemory(200_000, 200_000);
  assert.equal(await answerRange(asked, call, deps, memory.begin()), undefined);
  isTooLarge = false;
  const second = await answerRange(asked, call, deps, memory.begin());
  end.abort(new Error('over'));
  await Promise.allSettled(evaluating);
  assert.equal(second?.series.length, 2);
});
