import assert from 'node:assert/strict';
import { it } from 'node:test';
import { QuerierLost, type TakenWork } from '../contracts/query-work.ts';
import type { Failure } from '../errors/failure.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import { decodeWork, encodeTake, workAnswerCodec } from '../wire/peer/query-work-messages.ts';
import { QueryWorkCall } from './query-work-calls.ts';
import { queryWorkHandlers } from './query-work-server.ts';

it('a querier whose call breaks is lost with its work, one that says that it failed is not', async () => {
  const failures: Failure[] = [];
  const taken: TakenWork = {
    work: { kind: 'check', tenant: parseTenantId('t'), witnesses: [] },
    traceparent: '',
    timeoutMs: 1_000,
    signal: new AbortController().signal,
    give: async () => undefined,
    fail: async (failure) => void failures.push(failure),
  };
  const { streams, asks } = queryWorkHandlers({ take: async () => taken });
  const context = { peer: { instance: 'q-1', zone: 'a' }, signal: new AbortController().signal };
  const takeWork = async () => {
    const items = streams
      .get(QueryWorkCall.take)?.(encodeTake({ lane: 'lists', spares: 0 }), context)
      [Symbol.asyncIterator]();
    assert.ok(items !== undefined);
    const item: unknown = (await items.next()).value;
    assert.ok(item instanceof Uint8Array);
    return { items, id: decodeWork(item).id };
  };
  const failing = await takeWork();
  const failure = { kind: 'unavailable', message: 'stopping', retryAfterSeconds: 0 };
  const answer = workAnswerCodec.encode({ id: failing.id, piece: new Uint8Array(0), last: true, failure });
  await asks.get(QueryWorkCall.answer)?.(answer, context);
  assert.equal((await failing.items.next()).done, true);
  const breaking = await takeWork();
  await breaking.items.return?.();
  assert.deepEqual(
    failures.map((one) => [one.message, one instanceof QuerierLost]),
    [
      ['stopping', false],
      ['querier "q-1" was lost with the query', true],
    ],
  );
});
