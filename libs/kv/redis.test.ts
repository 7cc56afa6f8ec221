import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { skipWithout } from '../../test/support/find-server.ts';
import { type RedisServer, startRedis } from '../../test/support/start-redis.ts';
import { waitFor } from '../../test/support/wait-until.ts';
import { ConfigError } from '../config/config-error.ts';
import { Failure } from '../errors/failure.ts';
import type { KeyValue } from './key-value.ts';
import { openRedis } from './redis.ts';

describe('leases in Redis', { skip: skipWithout('redis'), timeout: 60_000 }, () => {
  let server: RedisServer;
  let store: KeyValue;
  const states: string[] = [];
  before(async () => {
    server = await startRedis();
    store = openRedis(server.url, (reachable) => states.push(String(reachable)));
    await waitFor('connected', () => (states.includes('true') ? true : undefined));
  });
  after(async () => {
    await store?.close();
    await server?.[Symbol.asyncDispose]();
  });

  it('are seen in their group, replaced, removed', async () => {
    await store.put('a', 'x', '1', 60_000);
    await store.put('a', 'y', '2', 60_000);
    await store.put('b', 'x', '3', 60_000);
    await store.put('a', 'x', '4', 60_000);
    assert.deepEqual([...(await store.list('a'))].toSorted(), [
      ['x', '4'],
      ['y', '2'],
    ]);
    await store.remove('a', 'x');
    await store.remove('a', 'never');
    assert.deepEqual([...(await store.list('a'))], [['y', '2']]);
    assert.deepEqual([...(await store.list('nobody'))], []);
  });

  it('vanish by themselves', async () => {
    await store.put('c', 'short', '1', 30);
    await store.put('c', 'long', '2', 60_000);
    await waitFor('gone', async () => ((await store.list('c')).has('short') ? undefined : true));
    assert.deepEqual([...(await store.list('c'))], [['long', '2']]);
  });

  it('a server that is away is unavailable at once; when it is back, empty, so are the groups', async () => {
    await store.put('d', 'x', '1', 60_000);
    await server.kill();
    await waitFor('noticed', async () => {
      const error = await store.list('d').then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return error instanceof Failure && error.kind === 'unavailable' ? true : undefined;
    });
    await server.launch();
    const found = await waitFor('back', async () => store.list('d'), { everyMs: 50 });
    assert.deepEqual([...found], []);
    await sleep(1);
    assert.equal(states.at(-1), 'true');
  });

  it('a password is not shown', () => {
    for (const password of ['hidden', 'hid@den', 'hid,den']) {
      const secret = openRedis(`redis://user:${password}@127.0.0.1:1/0`, () => undefined);
      assert.equal(secret.name, 'redis://127.0.0.1:1/0');
      secret.close();
    }
  });

  it('URLs of sentinels and clusters are understood, others are refused', async () => {
    for (const url of [
      'redis+sentinel://a:1,b/main',
      'redis+cluster://:pw@a:1,b:2',
      'redis+sentinel://:p,w@a:1,b:2/main',
      'rediss+cluster://a',
    ]) {
      await openRedis(url, () => undefined).close();
    }
    for (const url of ['http://a', 'redis+sentinel://a:1', 'nothing at all']) {
      assert.throws(() => openRedis(url, () => undefined), ConfigError);
    }
  });
});
