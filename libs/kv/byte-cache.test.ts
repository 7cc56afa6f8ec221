import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { skipWithout } from '../../test/support/find-server.ts';
import { startRedis } from '../../test/support/start-redis.ts';
import { waitFor } from '../../test/support/wait-until.ts';
import { type ByteCache, MemoryCache } from './byte-cache.ts';
import { openRedisCache } from './redis-cache.ts';

const bytes = Uint8Array.from([0, 255, 10, 13]);

async function keeps(cache: ByteCache): Promise<void> {
  await cache.put('a', bytes);
  await cache.put('b', new Uint8Array(0));
  const [a, never, b] = await cache.get(['a', 'never', 'b']);
  assert.deepEqual(Uint8Array.from(a ?? []), bytes);
  assert.equal(never, undefined);
  assert.equal(b?.length, 0);
}

describe('a cache of bytes', () => {
  it('in memory keeps what was put, and what was used last where room ends', async () => {
    const cache = new MemoryCache(1_000);
    await keeps(cache);
    for (const name of ['c', 'd']) await cache.put(name, new Uint8Array(50));
    await cache.get(['a']);
    await cache.put('e', new Uint8Array(50));
    const found = await cache.get(['a', 'b', 'c', 'd', 'e']);
    assert.deepEqual(
      found.map((one) => one !== undefined),
      [true, false, true, true, true],
    );
    assert.ok(cache.bytes <= 1_000);
    await cache.put('too large', new Uint8Array(2_000));
    assert.deepEqual(await cache.get(['too large']), [undefined]);
  });

  it('in Redis keeps bytes as they are; away, it is unavailable', { skip: skipWithout('redis') }, async () => {
    const server = await startRedis();
    let isThere = false;
    const cache = openRedisCache(server.url, 'test:', (reachable) => {
      isThere = reachable;
    });
    try {
      await waitFor('connected', () => isThere || undefined);
      await keeps(cache);
      await server.kill();
      await waitFor('noticed', () => !isThere || undefined);
      await assert.rejects(cache.get(['a']), /Redis/);
    } finally {
      await cache.close();
      await server[Symbol.asyncDispose]();
    }
  });
});
