import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { Redis } from 'ioredis';
import { skipWithout } from '../../test/support/find-server.ts';
import { type RedisServer, startRedis } from '../../test/support/start-redis.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { waitFor } from '../../test/support/wait-until.ts';
import { ConfigError } from '../config/config-error.ts';
import { Failure } from '../errors/failure.ts';
import type { KeyValue } from './key-value.ts';
import { openRedis } from './redis.ts';
import { openRedisCache } from './redis-cache.ts';

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

  it('a server that takes no one from outside says so', async () => {
    const denied = 'DENIED Redis is running in protected mode because no password is set for the default user.';
    // As Redis does with who does not come over the loopback.
    const refusing = createServer((socket) => socket.on('error', () => undefined).end(`-${denied}\r\n`));
    await once(refusing.listen(0, '127.0.0.1'), 'listening');
    const reasons: string[] = [];
    const { port } = refusing.address() as AddressInfo;
    const refused = openRedis(`redis://127.0.0.1:${port}`, (_reachable, reason) => reasons.push(reason));
    try {
      assert.equal(await waitFor('told', () => reasons[0]), denied);
      await refused.close();
      await sleep(20);
      assert.equal(reasons.length, 1);
    } finally {
      await refused.close();
      refusing.close();
    }
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
    for (const url of [
      ...['http://a', 'redis+sentinel://a:1', 'nothing at all'],
      ...[
        'redis+sentinel://a:1/main?password=x',
        'redis+sentinel://a:1/main?sentinel-username=x',
        'redis+cluster://a?x=1',
      ],
    ]) {
      assert.throws(() => openRedis(url, () => undefined), ConfigError);
    }
  });
});

it('a sentinel that is frozen is passed by', { timeout: 60_000 }, async () => {
  const listen = async (onAsked: () => void) => {
    const server = createServer((socket) => socket.on('error', () => undefined).on('data', onAsked));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return { port: (server.address() as AddressInfo).port, server };
  };
  const frozen = await listen(() => undefined);
  let wasAsked = false;
  const other = await listen(() => {
    wasAsked = true;
  });
  const url = `redis+sentinel://127.0.0.1:${frozen.port},127.0.0.1:${other.port}/main`;
  const store = openRedis(url, () => undefined);
  try {
    await waitFor('the other one is asked', () => wasAsked || undefined);
  } finally {
    await store.close();
    for (const { server } of [frozen, other]) server.close();
  }
});

interface FakeRedisOptions {
  readonly secured?: { readonly key: Buffer; readonly cert: Buffer };
  /** Who does not give these words first is refused. */
  readonly login?: readonly string[];
  /** The port of the server that it names as a sentinel, its own by itself. */
  readonly master?: number;
}

/** Answers as a server, as a sentinel, as the one node of a cluster; or not at all, as one that is frozen. */
async function startFakeRedis({ secured, login, master }: FakeRedisOptions = {}) {
  const sockets: Socket[] = [];
  const frozen = new Set<Socket>();
  const setters = new Map<string, Socket>();
  const bulk = (value: string): string => `$${value.length}\r\n${value}\r\n`;
  const answer = (socket: Socket, [command = '', ...words]: readonly string[], port: number): string => {
    const what = `${command} ${words[0]}`;
    if (command === 'set') setters.set(words[0] ?? '', socket);
    if (command === 'info') return bulk('role:master\r\nloading:0');
    if (what === 'sentinel get-master-addr-by-name') {
      return `*2\r\n${bulk('127.0.0.1')}${bulk(String(master ?? port))}`;
    }
    if (command === 'sentinel') return '*0\r\n';
    if (what === 'cluster SLOTS') return `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n${bulk('127.0.0.1')}:${port}\r\n`;
    return what === 'cluster INFO' ? bulk('cluster_state:ok') : '+OK\r\n';
  };
  const serve = (socket: Socket): void => {
    sockets.push(socket.on('error', () => undefined));
    const { port } = server.address() as AddressInfo;
    let isKnown = login === undefined;
    let text = '';
    socket.on('data', (bytes) => {
      if (frozen.has(socket)) return;
      text += bytes;
      for (;;) {
        const parts = text.split('\r\n');
        const lines = 1 + 2 * Number(parts[0]?.slice(1));
        if (text === '' || parts.length <= lines) return;
        text = parts.slice(lines).join('\r\n');
        const words = parts.slice(1, lines).filter((_, i) => i % 2 === 1);
        isKnown ||= words.slice(1).join(' ') === login?.join(' ');
        socket.write(isKnown ? answer(socket, words, port) : '-NOAUTH Authentication required.\r\n');
      }
    });
  };
  const server = secured === undefined ? createServer(serve) : tls.createServer(secured, serve);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    /** The connection on which a key was put last. */
    setterOf: (key: string) => setters.get(key),
    /** Nothing is heard any more on the connections that are there. */
    freeze: () => {
      for (const one of sockets) frozen.add(one);
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

describe('a connection on which nothing is heard any more', { timeout: 120_000 }, () => {
  for (const [scheme, path] of [
    ['redis', ''],
    ['redis+sentinel', '/main'],
    ['redis+cluster', ''],
  ]) {
    it(`is given up for another one, and one of which nothing is asked is kept: ${scheme}`, async () => {
      await using server = await startFakeRedis();
      const url = `${scheme}://127.0.0.1:${server.port}${path}`;
      const [idle, asking] = [openRedis(url, () => undefined), openRedis(url, () => undefined)];
      const put = (store: KeyValue, key: string) => store.put('a', key, '1', 60_000).then(() => true);
      try {
        await waitFor('connected', () => put(idle, 'idle'));
        await waitFor('connected', () => put(asking, 'asking'));
        const before = server.setterOf('{a}:asking');
        server.freeze();
        await waitFor('connected anew', () => put(asking, 'asking'));
        assert.notEqual(server.setterOf('{a}:asking'), before);
        assert.equal(before?.closed, true);
        assert.equal(server.setterOf('{a}:idle')?.closed, false);
      } finally {
        await asking.close();
        await idle.close();
      }
    });
  }
});

describe('sentinels', { timeout: 120_000 }, () => {
  it('with TLS, and with a login of their own', async () => {
    await using folder = await tempFolder('redis-sentinels');
    const files = makeCertificate(folder.path);
    const secured = { key: readFileSync(files.key), cert: readFileSync(files.cert) };
    const before = tls.getCACertificates('default');
    tls.setDefaultCACertificates([...before, String(secured.cert)]);
    try {
      await using server = await startFakeRedis({ secured, login: ['maru', 'a,b'] });
      for (const { login, query } of [
        { query: '' },
        { login: ['c&d'], query: '?sentinel-password=c%26d' },
        { login: ['guard', 'e,f'], query: '?sentinel-username=guard&sentinel-password=e,f' },
      ]) {
        await using sentinel = await startFakeRedis({ secured, master: server.port, ...(login && { login }) });
        const url = `rediss+sentinel://maru:a,b@127.0.0.1:${sentinel.port}/main${query}`;
        const reasons: string[] = [];
        const store = openRedis(url, (_, reason) => reasons.push(reason));
        try {
          await waitFor(`connected to ${url}`, () => {
            if (!reasons.includes('connected')) throw new Error(reasons.join(';'));
            return true;
          });
          await store.put('a', 'x', '1', 60_000);
          assert.equal(store.name, `rediss+sentinel://127.0.0.1:${sentinel.port}/main`);
        } finally {
          await store.close();
        }
      }
    } finally {
      tls.setDefaultCACertificates(before);
    }
  });
});

/** Of 127.0.0.1, signed by itself. */
function makeCertificate(folder: string): { readonly key: string; readonly cert: string } {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...made, '-subj', '/CN=redis', '-addext', 'subjectAltName=IP:127.0.0.1'], {
    stdio: 'ignore',
  });
  return { key, cert };
}

describe('leases and answers in the Redis of a URL', { skip: skipWithout('redis'), timeout: 120_000 }, () => {
  const clusterFlags = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
  /** All slots are this one's. */
  const beCluster = async (port: number, isSecured = false): Promise<void> => {
    const client = new Redis({ port, host: '127.0.0.1', ...(isSecured && { tls: {} }) });
    await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await waitFor('the cluster is whole', async () =>
      (await client.cluster('INFO')).includes('cluster_state:ok') ? true : undefined,
    );
    client.disconnect();
  };
  const works = async (url: string): Promise<void> => {
    const states: string[] = [];
    const store = openRedis(url, (isReachable, reason) => states.push(`${isReachable} ${reason}`));
    const cache = openRedisCache(url, 'maru:c:results:', () => undefined);
    try {
      await waitFor(`connected to ${url}`, () => {
        if (!states.includes('true connected')) throw new Error(states.join(';'));
        return true;
      });
      await store.put('maru:c:members', 'x', '1', 60_000);
      await store.put('maru:c:members', 'y', '2', 60_000);
      await store.remove('maru:c:members', 'x');
      assert.deepEqual([...(await store.list('maru:c:members'))], [['y', '2']]);
      const names = Array.from({ length: 20 }, (_, i) => `answer-${i}`);
      await waitFor('kept', () => cache.put('first', new Uint8Array(1)).then(() => true));
      await Promise.all(names.map((name) => cache.put(name, Buffer.from(name))));
      const found = await cache.get([...names, 'none']);
      assert.deepEqual(found.map(String), [...names, 'undefined']);
    } finally {
      await store.close();
      await cache.close();
    }
  };

  it('a cluster', async () => {
    await using server = await startRedis((port) => ['--port', String(port), ...clusterFlags]);
    await beCluster(server.port);
    await works(`redis+cluster://127.0.0.1:${server.port}`);
  });

  it('sentinels, and the server that they name after the first is gone', async () => {
    await using first = await startRedis();
    await using second = await startRedis((port) => [
      '--port',
      String(port),
      '--replicaof',
      '127.0.0.1',
      String(first.port),
    ]);
    await using sentinel = await startRedis((port, folder) => {
      const lines = [
        `port ${port}`,
        `sentinel monitor main 127.0.0.1 ${first.port} 1`,
        ...['down-after-milliseconds main 500', 'failover-timeout main 2000'].map((line) => `sentinel ${line}`),
      ];
      writeFileSync(join(folder, 'sentinel.conf'), `${lines.join('\n')}\n`);
      return [join(folder, 'sentinel.conf'), '--sentinel'];
    });
    const url = `redis+sentinel://127.0.0.1:${sentinel.port}/main`;
    await works(url);
    const store = openRedis(url, () => undefined);
    try {
      const asked = new Redis({ port: sentinel.port });
      await waitFor('the sentinel knows the replica', async () =>
        JSON.stringify(await asked.call('SENTINEL', 'REPLICAS', 'main')).includes(`"${second.port}"`)
          ? true
          : undefined,
      );
      await waitFor('connected', () => store.put('a', 'x', '1', 60_000).then(() => true));
      await first.kill();
      await waitFor('the second takes over', () => store.put('a', 'y', '2', 60_000).then(() => true), {
        deadlineMs: 60_000,
      });
      const [, port] = (await asked.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')) as [string, string];
      assert.equal(port, String(second.port));
      asked.disconnect();
    } finally {
      await store.close();
    }
  });

  it('TLS, of one server, of a cluster, and of sentinels and what they name', async () => {
    await using folder = await tempFolder('redis-tls');
    const { key, cert } = makeCertificate(folder.path);
    const before = tls.getCACertificates('default');
    const secured = (port: number): string[] => [
      ...['--port', '0', '--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key],
      ...['--tls-ca-cert-file', cert, '--tls-auth-clients', 'no', '--tls-cluster', 'yes'],
    ];
    await using alone = await startRedis(secured);
    await using one = await startRedis((port) => [...secured(port), ...clusterFlags]);
    await using known = await startRedis((port) => [...secured(port), '--requirepass', 'a,b']);
    await using sentinel = await startRedis((port, folder) => {
      const lines = [
        ...[`port 0`, `tls-port ${port}`, `tls-cert-file ${cert}`, `tls-key-file ${key}`, `tls-ca-cert-file ${cert}`],
        ...['tls-auth-clients no', 'tls-replication yes', 'requirepass c&d'],
        ...[`sentinel monitor main 127.0.0.1 ${known.port} 1`, 'sentinel auth-pass main a,b'],
      ];
      writeFileSync(join(folder, 'sentinel.conf'), `${lines.join('\n')}\n`);
      return [join(folder, 'sentinel.conf'), '--sentinel'];
    });
    try {
      const unknown = openRedis(`rediss://127.0.0.1:${alone.port}`, () => undefined);
      await assert.rejects(unknown.list('a'), { kind: 'unavailable' });
      await unknown.close();
      tls.setDefaultCACertificates([...before, readFileSync(cert, 'utf8')]);
      await beCluster(one.port, true);
      await works(`rediss://127.0.0.1:${alone.port}`);
      await works(`rediss+cluster://127.0.0.1:${one.port}`);
      await works(`rediss+sentinel://:a,b@127.0.0.1:${sentinel.port}/main?sentinel-password=c%26d`);
    } finally {
      tls.setDefaultCACertificates(before);
    }
  });
});
