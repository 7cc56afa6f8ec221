/**
 * Leases in a real Redis that goes away and comes back empty: nothing rests on it, as real processes.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { healed, ingesterOf, Ledger } from '../support/cluster-ledger.ts';
import { skipWithout } from '../support/find-server.ts';
import { freePort } from '../support/free-port.ts';
import { push } from '../support/push-client.ts';
import { queryAt } from '../support/query-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { startMaru } from '../support/start-maru.ts';
import { type RedisServer, startRedis } from '../support/start-redis.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const leaseMs = 600;

/** Whether each ingester holds a lease, as a process sees it: by zone. */
async function leases(baseUrl: string): Promise<string> {
  const page = (await (await fetch(`${baseUrl}/ingester/partition-ring`)).json()) as {
    partitions: { owners: { zone: string; holdsLease: boolean | null }[] }[];
  };
  return page.partitions.flatMap(({ owners }) => owners.map((owner) => `${owner.zone} ${owner.holdsLease}`)).join(', ');
}

const waitForLeases = (cluster: Cluster, wanted: string): Promise<true> =>
  waitFor(`leases are ${wanted}`, async () =>
    (await leases(cluster.querier.baseUrl)) === wanted && (await leases(cluster.distributor.baseUrl)) === wanted
      ? true
      : undefined,
  );

describe('leases of a cluster', { skip: skipWithout('redis'), timeout: 240_000 }, () => {
  let redis: RedisServer;
  let cluster: Cluster;
  before(async () => {
    redis = await startRedis();
    const args = [`--redis.url=${redis.url}`, `--cluster.lease-duration=${leaseMs}ms`];
    cluster = await startCluster({ zones: ['a', 'b', 'c'], partitions: 1, replicationFactor: 3, args });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });

  it('say who is alive; without Redis everything goes on, also a process that starts meanwhile', async () => {
    const now = Math.floor(Date.now() / 1000);
    let written = 0;
    const write = async (baseUrl: string): Promise<void> => {
      const t = (now - 600 + written) * 1000;
      const sample = [{ labels: [['__name__', 'leased'] as const], samples: [{ t, v: written }] }];
      const { status, text } = await push(baseUrl, sample, { protocol: 'v1' });
      assert.equal(status, 204, text);
      written++;
    };
    const check = async (queryUrl: string): Promise<void> => {
      const { result } = await queryAt({ baseUrl: queryUrl }, 'leased[20m]', now + 60);
      assert.equal(result[0]?.values?.length, written);
    };
    await waitForLeases(cluster, 'a true, b true, c true');
    await write(cluster.distributor.baseUrl);

    await cluster.ingesters.get('b-0')?.kill();
    await waitForLeases(cluster, 'a true, b false, c true');
    await write(cluster.distributor.baseUrl);
    await check(cluster.querier.queryUrl);
    cluster.ingesters.get('b-0')?.launch();
    await cluster.ingesters.get('b-0')?.ready();
    await waitForLeases(cluster, 'a true, b true, c true');

    await redis.kill();
    await waitForLeases(cluster, 'a null, b null, c null');
    await write(cluster.distributor.baseUrl);
    await check(cluster.querier.queryUrl);
    await using folder = await tempFolder('late');
    await using late = await startMaru({
      args: [...cluster.flags('distributor,querier', 'late', 'a'), `--server.grpc-port=${await freePort()}`],
      dataDir: join(folder.path, 'data'),
    });
    await write(late.baseUrl);
    await check(late.queryUrl);
    await check(cluster.querier.queryUrl);

    await redis.launch();
    await waitForLeases(cluster, 'a true, b true, c true');
    await write(late.baseUrl);
    await check(cluster.querier.queryUrl);
  });

  it('of a frozen process run out and come back with it; twenty of their lengths without Redis change nothing', async () => {
    const ledger = new Ledger(cluster, 'away');
    await waitForLeases(cluster, 'a true, b true, c true');
    await ledger.mustWrite(3);

    const frozen = ingesterOf(cluster, 'b-0');
    frozen.signal('SIGSTOP');
    await waitForLeases(cluster, 'a true, b false, c true');
    await ledger.mustWrite(3);
    await ledger.check();
    frozen.signal('SIGCONT');
    await waitForLeases(cluster, 'a true, b true, c true');
    await healed(cluster);
    await ledger.mustWrite(2);
    await ledger.check();

    await redis.kill();
    const untilMs = performance.now() + 20 * leaseMs;
    while (performance.now() < untilMs) {
      await ledger.mustWrite();
      await ledger.check();
      await sleep(leaseMs / 4);
    }
    assert.equal(await leases(cluster.querier.baseUrl), 'a null, b null, c null');
    // It comes back without any lease: nobody is taken for dead.
    await redis.launch();
    while ((await leases(cluster.querier.baseUrl)) !== 'a true, b true, c true') {
      assert.doesNotMatch(await leases(cluster.querier.baseUrl), /false/);
      await ledger.mustWrite();
      await ledger.check();
    }
  });
});
