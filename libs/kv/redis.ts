/**
 * KeyValue in Redis (ioredis): one server, sentinels, or a cluster, with TLS or without.
 * Owns the keys. A group is a set of names beside one key a name, all with one hash tag, so that a group lies on one node and
 * listing it never walks the whole database. Names whose key has expired are taken out when they are noticed.
 */
import { Cluster, Redis } from 'ioredis';
import { ConfigError } from '../config/config-error.ts';
import { Failure } from '../errors/failure.ts';
import type { KeyValue } from './key-value.ts';

const callMs = 2_000;
const pauseMsMax = 2_000;

const options = {
  // The client asks first whether the server is ready, so that a refusal (protected mode, too many clients) is told in the server's words:
  // as the answer to a login or to a name of the client it would be dropped.
  protocol: 2,
  disableClientInfo: true,
  connectTimeout: callMs,
  commandTimeout: callMs,
  // A connection on which nothing answers for so long is given up for another one, else it were kept for as long as TCP repeats.
  // One of which nothing is asked is left alone.
  socketTimeout: 2 * callMs,
  maxRetriesPerRequest: 1,
  // While it is away a call fails at once.
  enableOfflineQueue: false,
  retryStrategy: (times: number): number => Math.min(pauseMsMax, times * 100),
} as const;

/**
 * Opens `redis://`, `redis+sentinel://host:port,host:port/name` or `redis+cluster://host:port,host:port`, or with TLS `rediss://` and so on:
 * to the sentinels, too. A login before the hosts is that of the servers. Sentinels that want one have it behind the name:
 * `?sentinel-username=…&sentinel-password=…`.
 * @param onState whether it can be reached, when that changes
 * @throws ConfigError when the URL is none of these
 */
export function openRedis(url: string, onState: (reachable: boolean, reason: string) => void): KeyValue {
  const { client, close } = connectRedis(url, onState);
  const index = (group: string): string => `{${group}}`;
  const keyOf = (group: string, key: string): string => `{${group}}:${key}`;
  return {
    // A password may have a bare @ in it, and one of sentinels comes behind the ?.
    name: url.replace(/\/\/[^/]*@/, '//').replace(/\?.*/s, ''),
    put: (group, key, value, ttlMs) =>
      calling(async () => {
        await client.set(keyOf(group, key), value, 'PX', Math.ceil(ttlMs));
        await client.sadd(index(group), key);
      }),
    list: (group) =>
      calling(async () => {
        const names = await client.smembers(index(group));
        const found = new Map<string, string>();
        if (names.length === 0) return found;
        const values = await client.mget(...names.map((name) => keyOf(group, name)));
        const gone: string[] = [];
        names.forEach((name, i) => {
          const value = values[i];
          if (value === null || value === undefined) gone.push(name);
          else found.set(name, value);
        });
        if (gone.length > 0) await client.srem(index(group), ...gone);
        return found;
      }),
    remove: (group, key) =>
      calling(async () => {
        await client.del(keyOf(group, key));
        await client.srem(index(group), key);
      }),
    close: async () => close(),
  };
}

/** Makes a call of a client. @throws Failure `unavailable` */
export async function calling<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw new Failure('unavailable', `Redis: ${(cause as Error).message}`, { cause, retryAfterSeconds: 1 });
  }
}

/** A client of one of the forms of URL that openRedis takes, and its end; `onState` as there. @throws ConfigError when it is none */
export function connectRedis(
  url: string,
  onState: (reachable: boolean, reason: string) => void,
): { readonly client: Redis | Cluster; close(): void } {
  const client = clientOf(url);
  let wasReachable: boolean | undefined;
  let isClosed = false;
  const tell = (isReachable: boolean, reason: string): void => {
    if (isClosed) return;
    if (isReachable !== wasReachable) onState(isReachable, reason);
    wasReachable = isReachable;
  };
  client.on('ready', () => tell(true, 'connected'));
  client.on('error', (error: Error) => tell(false, error.message));
  client.on('close', () => tell(false, 'the connection was closed'));
  const close = (): void => {
    isClosed = true;
    client.disconnect();
  };
  return { client, close };
}

function clientOf(url: string): Redis | Cluster {
  let parsed: URL;
  const [address = '', ...query] = url.split('?');
  try {
    // Several hosts are no URL: the first stands for all.
    parsed = new URL(address.replace(/,[^/@]*(?=\/|$)/, ''));
  } catch {
    throw new ConfigError('key redis.url: not a URL');
  }
  const login = {
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
  };
  switch (parsed.protocol) {
    case 'redis:':
    case 'rediss:':
      return new Redis(url, options);
    case 'redis+sentinel:':
    case 'rediss+sentinel:': {
      const name = parsed.pathname.slice(1);
      if (name === '')
        throw new ConfigError('key redis.url: redis+sentinel:// wants the name of the master at its end');
      const tls =
        parsed.protocol === 'rediss+sentinel:' ? { tls: {}, enableTLSForSentinelMode: true, sentinelTLS: {} } : {};
      const ofSentinels = sentinelLogin(query.join('?'));
      const sentinels = hostsOf(url, 26_379);
      // Else one that is frozen is waited for without an end, whatever others there are.
      return new Redis({
        ...options,
        ...login,
        ...tls,
        ...ofSentinels,
        sentinels,
        name,
        sentinelCommandTimeout: callMs,
      });
    }
    case 'redis+cluster:':
    case 'rediss+cluster:': {
      if (query.length > 0) throw new ConfigError('key redis.url: redis+cluster:// has nothing behind a ?');
      const tls = parsed.protocol === 'rediss+cluster:' ? { tls: {} } : {};
      const { retryStrategy, enableOfflineQueue, ...ofNode } = options;
      return new Cluster(hostsOf(url, 6_379), {
        clusterRetryStrategy: retryStrategy,
        enableOfflineQueue,
        redisOptions: { ...ofNode, ...login, ...tls },
      });
    }
    default:
      throw new ConfigError(
        'key redis.url: redis://, rediss://, redis+sentinel:// or redis+cluster:// (rediss+ for TLS) is wanted',
      );
  }
}

/** The login of sentinels in what stands behind the ? of their URL. */
function sentinelLogin(query: string): { sentinelUsername?: string; sentinelPassword?: string } {
  const params = new URLSearchParams(query);
  const username = params.get('sentinel-username');
  const password = params.get('sentinel-password');
  const isOther = [...params.keys()].some((key) => key !== 'sentinel-username' && key !== 'sentinel-password');
  if (isOther || (username !== null && password === null)) {
    throw new ConfigError(
      'key redis.url: behind the ? of redis+sentinel:// comes sentinel-password, with sentinel-username or without',
    );
  }
  return {
    ...(username === null ? {} : { sentinelUsername: username }),
    ...(password === null ? {} : { sentinelPassword: password }),
  };
}

/** The hosts of `scheme://user:password@host:port,host:port/path`. */
function hostsOf(url: string, defaultPort: number): { host: string; port: number }[] {
  const authority = /^[^:]+:\/\/(?:[^/]*@)?([^/?]*)/.exec(url)?.[1] ?? '';
  return authority.split(',').map((one) => {
    const [, host = '', port] = /^(.*?)(?::(\d+))?$/.exec(one) ?? [];
    return { host, port: port === undefined ? defaultPort : Number(port) };
  });
}
