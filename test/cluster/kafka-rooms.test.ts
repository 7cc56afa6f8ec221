/**
 * What each room of a cluster behind a real Kafka says of itself while the log cannot be used: only who writes needs it. Reads go on
 * with a warning, also through processes that start meanwhile.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { skipWithout } from '../support/find-server.ts';
import { push } from '../support/push-client.ts';
import { ask, type QueryData } from '../support/query-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type KafkaBroker, startKafka } from '../support/start-kafka.ts';
import type { Maru } from '../support/start-maru.ts';
import { waitFor } from '../support/wait-until.ts';

describe('rooms while the log cannot be used', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  let broker: KafkaBroker;
  let cluster: Cluster;
  before(async () => {
    broker = await startKafka();
    cluster = await startCluster({
      zones: ['a'],
      partitions: 1,
      replicationFactor: 1,
      frontends: 1,
      storeGateways: 1,
      compactors: 1,
      args: [
        ...['--ingest.log=kafka', `--kafka.brokers=${broker.address}`, '--kafka.partitions=1', '--kafka.timeout=2s'],
        '--self-metrics.tenant=none',
      ],
    });
    const labels = [['__name__', 'm']] as const;
    const series = [{ labels, samples: [{ t: Date.now(), v: 1 }] }];
    const { status, text } = await push(cluster.distributor.baseUrl, series, { protocol: 'v2' });
    assert.equal(status, 204, text);
    await readable();
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
  });

  const answer = async () => {
    const {
      status,
      data,
      warnings = [],
    } = await ask({ baseUrl: cluster.frontend?.queryUrl ?? '' }, 'query', {
      query: 'm',
    });
    return { status, warnings, count: (data as QueryData | undefined)?.result.length };
  };
  /** A querier that has just come may not have been found by the frontend yet. */
  const readable = () =>
    waitFor('it is answered', async () => {
      const found = await answer();
      return found.status === 'success' && found.count === 1 ? found : undefined;
    });
  const readyOf = async (maru: Maru | undefined): Promise<string> => {
    const response = await fetch(`${maru?.baseUrl}/ready`);
    return `${response.status} ${await response.text()}`;
  };
  const restart = async (...processes: readonly (Maru | undefined)[]): Promise<void> => {
    for (const maru of processes) {
      await maru?.kill();
      maru?.launch();
    }
  };
  const withoutLog = () => [cluster.frontend, cluster.storeGateways[0], cluster.compactors[0]];

  /** Those that only read, or do not even that, are started again, and are ready. */
  const goOn = async (words: RegExp): Promise<void> => {
    await restart(cluster.querier, ...withoutLog());
    for (const maru of [cluster.querier, ...withoutLog()]) await maru?.ready();
    for (const maru of withoutLog()) assert.equal(await readyOf(maru), '200 ready\n');
    assert.match(await readyOf(cluster.querier), words);
    const { warnings } = await readable();
    assert.match(warnings.join(), /what was written last may be missing/);
  };

  it('no broker answers', async () => {
    await broker.kill();
    await goOn(/^200 ready\nkafka: Kafka: /);
    await restart(cluster.distributor);
    const reason = await waitFor('the distributor says why', async () => {
      const text = await readyOf(cluster.distributor).catch(() => '');
      return text.includes('kafka: ') ? text : undefined;
    });
    assert.match(reason, /^503 /);
    await broker.launch();
    await cluster.distributor.ready();
  });

  it('somebody has made the topic forget sooner', async () => {
    const admin = new Kafka({ clientId: 'admin', brokers: [broker.address], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const settings = {
      'retention.ms': '3600000',
      'retention.bytes': '-1',
      'min.insync.replicas': '1',
      'unclean.leader.election.enable': 'false',
      'cleanup.policy': 'delete',
    };
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: 'maru-ingest', configEntries }] });
    await admin.disconnect();
    await goOn(/^200 ready\nkafka: topic maru-ingest has retention\.ms=3600000/);
    await restart(cluster.distributor);
    const reason = await waitFor('the distributor says why', async () => {
      const text = await readyOf(cluster.distributor).catch(() => '');
      return text.includes('retention.ms') ? text : undefined;
    });
    assert.match(reason, /^503 (?:.*\n)*kafka: topic maru-ingest has retention\.ms=3600000/);
  });
});
