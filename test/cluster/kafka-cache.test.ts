/**
 * Kept answers behind a real Kafka: they are used, and never when anything was accepted since that changes them, also what no
 * ingester had applied yet; while the log is away nothing is served from what was kept.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { healed } from '../support/cluster-ledger.ts';
import { skipWithout } from '../support/find-server.ts';
import { push } from '../support/push-client.ts';
import { ask, type QueryData } from '../support/query-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type KafkaBroker, startKafka } from '../support/start-kafka.ts';
import { waitFor } from '../support/wait-until.ts';

const dayMs = 86_400_000;

describe('kept answers behind Kafka', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  let broker: KafkaBroker;
  let cluster: Cluster;
  const nowMs = Date.now();
  before(async () => {
    broker = await startKafka();
    cluster = await startCluster({
      zones: ['a'],
      partitions: 2,
      replicationFactor: 1,
      frontends: 1,
      args: [
        ...['--ingest.log=kafka', `--kafka.brokers=${broker.address}`, '--kafka.partitions=2'],
        '--limits.past-grace-period=0',
      ],
    });
    for (let i = 0; i < 6; i++) {
      const samples = Array.from({ length: 200 }, (_, k) => ({ t: nowMs - 2 * dayMs + k * 600_000, v: k * i }));
      await write(i, samples);
    }
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
  });

  const write = async (i: number, samples: readonly { t: number; v: number }[]): Promise<void> => {
    const labels = [
      ['__name__', 'm'],
      ['i', String(i)],
    ] as const;
    const { status, text } = await push(cluster.distributor.baseUrl, [{ labels, samples }], { protocol: 'v2' });
    assert.equal(status, 204, text);
  };
  const cells = async (outcome: string): Promise<number> => {
    const text = await (await fetch(`${cluster.frontend?.baseUrl}/metrics`)).text();
    const name = `maru_query_frontend_cache_cells_total\\{outcome="${outcome}"\\}`;
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  };
  const params = { query: 'sum by (i) (m)', start: nowMs / 1000 - 2 * 86_400, end: nowMs / 1000 - 43_200, step: 300 };
  const asked = async () => ask({ baseUrl: cluster.frontend?.queryUrl ?? '' }, 'query_range', params);
  /** The frontend's answer is that of a querier, which keeps nothing. */
  const agree = async (): Promise<void> => {
    const plain = await ask({ baseUrl: cluster.querier.queryUrl }, 'query_range', params);
    assert.ok((plain.data as QueryData).result.length === 6, JSON.stringify(plain).slice(0, 300));
    assert.deepEqual(await asked(), plain);
  };

  it('are used, until something late is written into their time', async () => {
    await agree();
    const hits = await cells('hit');
    await agree();
    assert.ok((await cells('hit')) > hits, 'the second answer comes from what was kept');
    for (let round = 0; round < 20; round++) {
      const stale = await cells('stale');
      await write(round % 6, [{ t: nowMs - dayMs - round * 60_000, v: 1e6 + round }]);
      await agree();
      assert.ok((await cells('stale')) > stale, 'what was kept had changed');
    }
  });

  it('are not used after a restart of the ingesters that had answered', async () => {
    await agree();
    const restarted = [...cluster.ingesters.values()];
    await Promise.all(restarted.map((maru) => maru.kill()));
    for (const maru of restarted) maru.launch();
    await write(1, [{ t: nowMs - dayMs, v: 5e6 }]);
    await Promise.all(restarted.map((maru) => maru.ready()));
    await healed(cluster);
    const [hits, stale] = [await cells('hit'), await cells('stale')];
    await agree();
    assert.equal(await cells('hit'), hits);
    assert.ok((await cells('stale')) > stale, 'nobody knows what was written before');
  });

  it('are not used while nobody knows where the log ends, and nothing is kept meanwhile', async () => {
    await agree();
    await agree();
    await broker.kill();
    const hits = await cells('hit');
    const { status, warnings = [] } = await asked();
    assert.equal(status, 'success');
    assert.match(warnings.join(), /what was written last may be missing/);
    assert.equal(await cells('hit'), hits);
    await broker.launch();
    await waitFor('a write is taken', async () => {
      const labels = [['__name__', 'other']] as const;
      const samples = [{ t: nowMs, v: 1 }];
      return (await push(cluster.distributor.baseUrl, [{ labels, samples }], { protocol: 'v2' })).status === 204
        ? true
        : undefined;
    });
    await write(3, [{ t: nowMs - dayMs, v: 7e6 }]);
    await agree();
  });
});
