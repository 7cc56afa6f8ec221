/** ByteCache in Redis (ioredis), under a prefix of the cluster; what was not asked for in a while vanishes, and Redis' own maximum rules. */
import type { ByteCache } from './byte-cache.ts';
import { calling, connectRedis } from './redis.ts';

/** So long something is kept after it was put. */
const keptMs = 24 * 3_600_000;

/** @param onState whether it can be reached, when that changes. @throws ConfigError when the URL is none of redis.ts */
export function openRedisCache(
  url: string,
  prefix: string,
  onState: (reachable: boolean, reason: string) => void,
): ByteCache {
  const { client, close } = connectRedis(url, onState);
  return {
    // One by one: in a cluster they lie on different nodes. They travel together all the same.
    get: (names) =>
      calling(async () =>
        (await Promise.all(names.map((name) => client.getBuffer(prefix + name)))).map((bytes) => bytes ?? undefined),
      ),
    put: (name, bytes) =>
      calling(async () => {
        await client.set(prefix + name, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 'PX', keptMs);
      }),
    close: async () => close(),
  };
}
