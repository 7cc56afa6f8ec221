/**
 * Who does not belong to a cluster, and what it is told: real processes with wrong settings beside one that is right.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { push, pushBody, pushBytes } from '../support/push-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { runMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

describe('a process that does not start', { timeout: 60_000 }, () => {
  for (const { what, args, words } of [
    {
      what: 'listens off loopback without a secret',
      args: ['--target=ingester', '--cluster.instance=ingester-0', '--server.grpc-address=0.0.0.0'],
      words: /server\.grpc-address.*set cluster\.secret, or cluster\.tls/,
    },
    {
      what: 'is an ingester whose name has no number',
      args: ['--target=ingester', '--cluster.instance=ingester'],
      words: /cluster\.instance: "ingester" does not end in a number/,
    },
    {
      what: 'has half of the files of TLS',
      args: ['--target=distributor', '--cluster.tls.ca-file=/nowhere/ca.pem'],
      words: /cluster\.tls\.ca-file.*give all or none/,
    },
    {
      what: 'is an ingester for whom the log has no partition',
      args: [
        ...['--target=ingester', '--cluster.instance=ingester-2', '--server.grpc-port=0'],
        ...['--ingest.log=kafka', '--kafka.brokers=127.0.0.1:1', '--kafka.partitions=2'],
      ],
      words: /cluster\.instance: "ingester-2" would own partition 2.*kafka\.partitions=2/,
    },
    { what: 'has a target that is no room', args: ['--target=kitchen'], words: /there is no room "kitchen"/ },
    {
      what: 'runs alone, and has a room that others have',
      args: ['--target=all,query-frontend'],
      words: /--target: all is one process that runs alone .* beside no other/,
    },
    {
      what: 'names a room that it has already',
      args: ['--target=ingester,all'],
      words: /--target: all is one process that runs alone .* beside no other/,
    },
  ]) {
    it(what, async () => {
      await using folder = await tempFolder('refused');
      const child = runMaru([...args, `--data-dir=${folder.path}`, `--server.http-port=${await freePort()}`]);
      const { code } = await child.exited;
      assert.equal(code, 2, child.output());
      assert.match(child.output(), words);
    });
  }
});

describe('beside a cluster', { timeout: 120_000 }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({
      zones: ['a'],
      partitions: 1,
      replicationFactor: 1,
      env: { MARU_CLUSTER_SECRET: 'between us' },
    });
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  const intruder = async (target: string, instance: string, ...more: readonly string[]) => {
    const folder = await tempFolder('intruder');
    const port = await freePort();
    const child = runMaru(
      [
        ...cluster.flags(target, instance, 'a'),
        '--server.grpc-port=0',
        `--data-dir=${join(folder.path, 'data')}`,
        `--server.http-port=${port}`,
        ...more,
      ],
      { env: { MARU_CLUSTER_SECRET: 'between us' } },
    );
    return {
      child,
      url: `http://127.0.0.1:${port}`,
      [Symbol.asyncDispose]: async () => {
        child.signal('SIGKILL');
        await child.exited;
        await folder[Symbol.asyncDispose]();
      },
    };
  };

  it('a process of another cluster id does not start', async () => {
    await using other = await intruder('distributor', 'other', '--cluster.id=elsewhere');
    const { code } = await other.child.exited;
    assert.equal(code, 1);
    assert.match(other.child.output(), /of cluster "maru", this process of "elsewhere" \(cluster\.id\)/);
  });

  it('another replication factor is refused', async () => {
    await using other = await intruder('querier', 'other', '--cluster.replication-factor=3');
    const { code } = await other.child.exited;
    assert.equal(code, 1);
    assert.match(other.child.output(), /replication factor 1, cluster\.replication-factor is 3/);
  });

  it('one that would write into a log, or read as if there was one, that no ingester follows is refused', async () => {
    for (const target of ['distributor', 'querier']) {
      await using other = await intruder(target, 'other', '--ingest.log=kafka', '--kafka.brokers=127.0.0.1:1');
      const { code } = await other.child.exited;
      assert.equal(code, 1);
      assert.match(
        other.child.output(),
        /ingesters of the cluster have ingest\.log=local, this process has ingest\.log=kafka/,
      );
    }
  });

  it('a process with another secret reaches nobody, and both sides say why', async () => {
    await using other = await intruder('distributor', 'other', '--cluster.secret=guessed');
    await waitFor('it says why', () => (/another cluster\.secret/.test(other.child.output()) ? true : undefined));
    const answer = await waitFor('it answers', async () =>
      push(other.url, [{ labels: [['__name__', 'm']], samples: [{ t: Date.now(), v: 1 }] }], { protocol: 'v1' }),
    );
    assert.equal(answer.status, 503);
    assert.match(answer.text, /another cluster\.secret/);
    const good = await push(
      cluster.distributor.baseUrl,
      [{ labels: [['__name__', 'm']], samples: [{ t: Date.now(), v: 1 }] }],
      { protocol: 'v1' },
    );
    assert.equal(good.status, 204, good.text);
  });

  it('a second ingester of the same name with another disk ends, and the first goes on', async () => {
    await using second = await intruder('ingester', 'ingester-a-0');
    const { code } = await second.child.exited;
    assert.equal(code, 1);
    assert.match(second.child.output(), /another process called .*ingester-a-0.* answers at/);
    assert.equal((await fetch(`${cluster.distributor.baseUrl}/ready`)).status, 200);
  });
});

describe('a write that is larger than a message to an ingester may be', { timeout: 120_000 }, () => {
  it('is refused for good, and others are taken meanwhile', async () => {
    await using cluster = await startCluster({ zones: ['a'], partitions: 1, replicationFactor: 1 });
    const { baseUrl } = cluster.distributor;
    const long = Array.from({ length: 5 }, (_, i) => [`name_${i}`, String(i).padEnd(200, 'x')] as const);
    const series = Array.from({ length: 90_000 }, (_, i) => ({
      labels: [['__name__', 'large'], ['a', String(i)], ...long] as const,
      samples: [{ t: Date.now(), v: i }],
    }));
    const one = [{ labels: [['__name__', 'small'] as const], samples: [{ t: Date.now(), v: 1 }] }];
    const body = pushBody('v2', series);
    let isOver = false;
    const large = pushBytes(baseUrl, body, { protocol: 'v2' }).finally(() => {
      isOver = true;
    });
    const others: number[] = [];
    while (!isOver) others.push((await push(baseUrl, one, { protocol: 'v1' })).status);
    const { status, text } = await large;
    assert.equal(status, 413, text);
    assert.match(text, /send smaller requests/);
    assert.deepEqual(new Set(others), new Set([204]));
  });
});

describe('mutual TLS', { skip: hasOpenssl() ? false : 'there is no openssl here', timeout: 60_000 }, () => {
  it('processes with certificates of one authority speak; one without is not heard', async () => {
    await using folder = await tempFolder('tls');
    const path = (name: string): string => join(folder.path, name);
    const openssl = (...args: readonly string[]): void => {
      execFileSync('openssl', args, { stdio: 'ignore' });
    };
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=authority',
      '-keyout',
      path('ca.key'),
      '-out',
      path('ca.pem'),
    );
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=maru',
      '-addext',
      'subjectAltName=DNS:maru',
      '-keyout',
      path('key.pem'),
      '-out',
      path('csr.pem'),
    );
    openssl(
      'x509',
      '-req',
      '-in',
      path('csr.pem'),
      '-CA',
      path('ca.pem'),
      '-CAkey',
      path('ca.key'),
      '-CAcreateserial',
      '-days',
      '1',
      '-copy_extensions',
      'copy',
      '-out',
      path('cert.pem'),
    );
    const args = [
      `--cluster.tls.ca-file=${path('ca.pem')}`,
      `--cluster.tls.cert-file=${path('cert.pem')}`,
      `--cluster.tls.key-file=${path('key.pem')}`,
      '--cluster.tls.server-name=maru',
    ];
    await using cluster = await startCluster({ zones: ['a'], partitions: 1, replicationFactor: 1, args });
    const sample = [{ labels: [['__name__', 'm'] as const], samples: [{ t: Date.now(), v: 1 }] }];
    const good = await push(cluster.distributor.baseUrl, sample, { protocol: 'v1' });
    assert.equal(good.status, 204, good.text);
    const answer = await fetch(`${cluster.querier.queryUrl}/api/v1/query?query=m`);
    assert.match(await answer.text(), /"__name__":"m"/);
    const port = await freePort();
    const flags = cluster.flags('distributor', 'plain', 'a').filter((flag) => !flag.startsWith('--cluster.tls'));
    const child = runMaru([...flags, `--data-dir=${path('plain')}`, `--server.http-port=${port}`]);
    try {
      const refused = await waitFor('it answers', () => push(`http://127.0.0.1:${port}`, sample, { protocol: 'v1' }));
      assert.equal(refused.status, 503, refused.text);
    } finally {
      child.signal('SIGKILL');
      await child.exited;
    }
  });
});

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
