/**
 * A real Kafka that has lost what it had acknowledged, and an ingester that has lost its disk: what is missing is named and nothing is
 * skipped, and what is in blocks already is not asked of the log again.
 */
import assert from 'node:assert/strict';
import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Kafka, logLevel } from 'kafkajs';
import { readConfig } from '../../libs/config/read-config.ts';
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { kafkaKeys } from '../../libs/kafka/config.ts';
import { connectionOf } from '../../libs/kafka/connect.ts';
import { LogOffsets } from '../../libs/kafka/end-offsets.ts';
import { LogCut, type ReadLogOptions, readLog } from '../../libs/kafka/read-log.ts';
import { KafkaTopic, type TopicView } from '../../libs/kafka/topic.ts';
import { canonicalizeLabels } from '../../libs/model/canonical-labels.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { dialGrpc } from '../../libs/rpc/grpc-pipe.ts';
import { IngesterClient } from '../../libs/rpc/ingester-client.ts';
import { PeerLink } from '../../libs/rpc/peer-link.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import { encodePushRows, PushScratch } from '../../libs/wire/peer/push-message.ts';
import { Ledger } from '../support/cluster-ledger.ts';
import { skipWithout } from '../support/find-server.ts';
import { freePort } from '../support/free-port.ts';
import { push } from '../support/push-client.ts';
import { type KafkaBroker, startKafka } from '../support/start-kafka.ts';
import { type Maru, startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const topic = 'maru-ingest';

const startBehind = (broker: KafkaBroker, ...args: readonly string[]): Promise<Maru> =>
  startMaru({
    args: [
      '--ingest.log=kafka',
      `--kafka.brokers=${broker.address}`,
      '--kafka.partitions=1',
      '--self-metrics.tenant=none',
      ...args,
    ],
  });

const ledgerOf = (maru: Maru, name: string, ageMs?: number): Ledger =>
  new Ledger({ distributor: maru, querier: maru }, name, ageMs);

const metricOf = async (maru: Maru, name: string): Promise<number> => {
  const text = await (await fetch(`${maru.baseUrl}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
};

/** What /ready says once it says that. */
function notReady(maru: Maru, pattern: RegExp): Promise<string> {
  return waitFor(`/ready says ${pattern}`, async () => {
    const response = await fetch(`${maru.baseUrl}/ready`);
    const text = await response.text();
    return response.status === 503 && pattern.test(text) ? text : undefined;
  });
}

/** Client of another maker. */
const clientOf = (broker: KafkaBroker): Kafka =>
  new Kafka({ clientId: 'test', brokers: [broker.address], logLevel: logLevel.NOTHING });

/** As after a power cut: the broker is killed, and the end of what it had not synced is gone. */
async function cutShort(broker: KafkaBroker, bytes: number): Promise<void> {
  await broker.kill();
  await truncate(join(broker.dataFolder, `${topic}-0`, '00000000000000000000.log'), bytes);
  await broker.launch();
}

describe('a log that was cut short', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  it('while its reader was away: named where it ends before what was read, and reads are errors', async () => {
    await using broker = await startKafka();
    await using maru = await startBehind(broker);
    const ledger = ledgerOf(maru, 'cut');
    await ledger.mustWrite(8);
    await ledger.check();
    await maru.stop();
    await cutShort(broker, 2_000);
    maru.launch();
    await notReady(maru, /was cut short: it ends at offset \d, and was read up to 8 before/);
    assert.equal((await ledger.read()).status, 503);
    assert.equal(await metricOf(maru, 'maru_ingester_log_follows'), 0);
  });

  it('while it was read, and has other records now: they are not taken for those that were lost, until somebody accepts that', async () => {
    await using broker = await startKafka();
    await using maru = await startBehind(broker);
    const ledger = ledgerOf(maru, 'other');
    await ledger.mustWrite(8);
    await ledger.check();
    maru.signal('SIGSTOP');
    await cutShort(broker, 2_000);
    const producer = clientOf(broker).producer();
    await producer.connect();
    await producer.send({ topic, messages: Array.from({ length: 20 }, (_, i) => ({ key: 'x', value: `other ${i}` })) });
    await producer.disconnect();
    const foreign = 'maru_ingester_log_foreign_records_total';
    maru.signal('SIGCONT');
    const reason = /was cut short: it was read up to 8.* remove the folder (\S+) and start again/;
    await notReady(maru, reason);
    assert.equal(await metricOf(maru, foreign), 0, 'nothing behind the cut was read');
    assert.equal((await ledger.read()).status, 503);
    await maru.kill();
    maru.launch();
    const text = await notReady(maru, reason);
    await maru.kill();
    await rm(reason.exec(text)?.[1] ?? '', { recursive: true });
    maru.launch();
    await maru.ready();
    const after = ledgerOf(maru, 'after');
    await after.mustWrite(2);
    await after.check();
  });
});

describe('an ingester that lost its disk', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  it('replays from the floor in the bucket, also where the log begins there', async () => {
    await using broker = await startKafka();
    await using bucket = await tempFolder('kafka-floor');
    await using maru = await startBehind(
      broker,
      `--bucket.filesystem.directory=${bucket.path}`,
      '--head.idle-delay=1s',
      '--ingester.ship-interval=1s',
      '--compactor.cleanup-interval=1s',
      '--query.bucket-index-max-age=3s',
      '--query.bucket-index-refresh=1s',
      '--query.timeout=10s',
    );
    const old = ledgerOf(maru, 'old', 6 * 3_600_000);
    await old.mustWrite(4);
    // The block is cut and brought to the bucket, the index that names it is looked into once a minute, and readers must have heard of it.
    await waitFor(
      'the floor is behind what is in blocks',
      async () => ((await metricOf(maru, 'maru_ingester_log_floor')) === 4 ? true : undefined),
      { deadlineMs: 150_000 },
    );
    const young = ledgerOf(maru, 'young');
    await young.mustWrite(3);
    for (const isLogShorter of [false, true]) {
      await maru.kill();
      await rm(maru.dataDir, { recursive: true });
      if (isLogShorter) {
        const admin = clientOf(broker).admin();
        await admin.connect();
        // Without it the client does not know who leads.
        await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] });
        await admin.disconnect();
      }
      maru.launch();
      await maru.ready();
      assert.equal(await metricOf(maru, 'maru_ingester_log_records_total'), 3, 'what is in blocks is not read again');
      await young.check();
      await old.checkOnceAnswered();
    }
  });
});

describe('the reader of a log', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  /** Reads what a topic holds, with what is laid over the topic and its offsets. @returns the offsets of what came */
  async function read(
    broker: KafkaBroker,
    from: number,
    until: (offset: number) => boolean,
    over: (topic: KafkaTopic, offsets: LogOffsets) => Pick<ReadLogOptions, 'topic' | 'offsets'>,
  ): Promise<number[]> {
    const args = [`--kafka.brokers=${broker.address}`, '--kafka.partitions=1'];
    const { kafka: config } = readConfig({ kafka: kafkaKeys }, { args, env: {} }, '');
    const connection = connectionOf(config, 'reader');
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const noted = { knownId: async () => undefined, noteId: async (id: string) => id, noteName: '' };
    const watched = new KafkaTopic({ config, connection, ...noted, log });
    const ends = new LogOffsets(connection, watched);
    const stop = new AbortController();
    const offsets: number[] = [];
    try {
      await watched.start();
      await readLog({
        ...{ connection, ...over(watched, ends), partition: 0, offset: from, leaderEpoch: -1, signal: stop.signal },
        apply: ({ offset }) => {
          offsets.push(offset);
          if (until(offset)) stop.abort();
        },
        onPosition: () => undefined,
        onAway: () => undefined,
      });
    } finally {
      await ends.stop();
      await watched.stop();
    }
    return offsets;
  }
  const fill = async (broker: KafkaBroker, count: number): Promise<void> => {
    const producer = clientOf(broker).producer();
    await producer.connect();
    await producer.send({ topic, messages: Array.from({ length: count }, (_, i) => ({ key: 'x', value: `${i}` })) });
    await producer.disconnect();
  };

  it('waits where a setting of the topic is wrong, and goes on when it is mended', async () => {
    await using broker = await startKafka();
    const wrongUntilMs = performance.now() + 3_000;
    const isWrong = (): boolean => performance.now() < wrongUntilMs;
    const fault = 'topic maru-ingest has unclean.leader.election.enable=true';
    const found = await read(
      broker,
      0,
      (offset) => offset === 2,
      (watched, offsets) => {
        const check = (): TopicView => {
          if (isWrong()) throw new Failure('unavailable', fault);
          return watched.check();
        };
        void fill(broker, 3);
        const wrong = {
          ...{ name: topic, look: () => watched.look(), check },
          get fault() {
            return isWrong() ? fault : undefined;
          },
          get problem() {
            return isWrong() ? fault : undefined;
          },
          loss: undefined,
        };
        return { topic: wrong, offsets };
      },
    );
    assert.deepEqual(found, [0, 1, 2]);
  });

  it('asks again where the brokers do not say why an offset is not there', async () => {
    await using broker = await startKafka();
    let asked = 0;
    const reading = read(
      broker,
      5,
      () => false,
      (watched, offsets) => ({
        topic: watched,
        offsets: {
          bounds: (partition) =>
            asked++ < 2 ? Promise.reject(new Failure('unavailable', 'away')) : offsets.bounds(partition),
        },
      }),
    );
    await assert.rejects(
      reading,
      (error) => error instanceof LogCut && /ends at offset 0, and was read up to 5/.test(error.message),
    );
    assert.equal(asked, 3);
  });

  it('passes what ends a transaction of somebody else', async () => {
    await using broker = await startKafka({
      properties: ['transaction.state.log.replication.factor=1', 'transaction.state.log.min.isr=1'],
    });
    await using maru = await startBehind(broker);
    const ledger = ledgerOf(maru, 'beside');
    await ledger.mustWrite(2);
    const producer = clientOf(broker).producer({ transactionalId: 'other', idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ key: 'x', value: 'not ours' }] });
    await transaction.commit();
    await producer.disconnect();
    const strong = { headers: { 'X-Read-Consistency': 'strong' } };
    const answer = await fetch(`${maru.queryUrl}/api/v1/query?query=beside`, strong);
    assert.equal(answer.status, 200, await answer.text());
    await ledger.check();
    await maru.kill();
    maru.launch();
    await maru.ready();
    await ledger.check();
  });
});

describe('the topic of a cluster', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  const look = async (broker: KafkaBroker, name: string, ...more: readonly string[]): Promise<string | undefined> => {
    const args = [`--kafka.brokers=${broker.address}`, '--kafka.partitions=1', `--kafka.topic=${name}`, ...more];
    const { kafka: config } = readConfig({ kafka: kafkaKeys }, { args, env: {} }, '');
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const noted = { knownId: async () => undefined, noteId: async (id: string) => id, noteName: '' };
    const watched = new KafkaTopic({ config, connection: connectionOf(config, 'looker'), ...noted, log });
    await watched.start();
    await watched.stop();
    return watched.problem;
  };

  it('is made so that it keeps what it must, whatever the brokers do by themselves; another one is named', async () => {
    const properties = ['log.retention.bytes=1000000', 'log.retention.ms=1000', 'unclean.leader.election.enable=true'];
    await using broker = await startKafka({ properties: [...properties, 'log.cleanup.policy=compact'] });
    assert.equal(await look(broker, topic), undefined);
    const right = { 'retention.ms': '604800000', 'retention.bytes': '-1', 'cleanup.policy': 'delete' };
    const safe = { 'min.insync.replicas': '1', 'unclean.leader.election.enable': 'false' };
    const admin = clientOf(broker).admin();
    await admin.connect();
    for (const [name, value] of [
      ['retention.ms', '604799999'],
      ['retention.bytes', '1000000'],
      ['cleanup.policy', 'compact'],
      ['min.insync.replicas', '1'],
      ['unclean.leader.election.enable', 'true'],
    ] as const) {
      const settings = Object.entries({ ...right, ...safe, [name]: value });
      const configEntries = settings.map(([name, value]) => ({ name, value }));
      const wrong = `wrong-${name}`;
      await admin.createTopics({ topics: [{ topic: wrong, numPartitions: 1, configEntries }] });
      const problem = await look(broker, wrong, ...(name.startsWith('min') ? ['--kafka.min-insync-replicas=2'] : []));
      assert.ok(problem?.includes(`topic ${wrong} has ${name}=${value}`), `${name}: ${problem}`);
    }
    await admin.disconnect();
  });
});

describe('an ingester that is called as its host', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  it('follows the partition that it owns', async () => {
    await using broker = await startKafka();
    await using bucket = await tempFolder('kafka-host');
    const preload = pathToFileURL(join(import.meta.dirname, '../support/host-name.preload.ts')).href;
    await using maru = await startMaru({
      args: [
        ...['--target=distributor,ingester,querier', '--server.grpc-port=0', '--cluster.replication-factor=1'],
        ...['--ingest.log=kafka', `--kafka.brokers=${broker.address}`, '--kafka.partitions=2'],
        ...['--tenancy.missing-header=anonymous', '--self-metrics.tenant=none'],
        `--bucket.filesystem.directory=${bucket.path}`,
      ],
      env: {
        MARU_TEST_HOSTNAME: 'ingester-a-1',
        NODE_OPTIONS: `--import=${preload}`,
        MARU_CLUSTER_ADVERTISE_HOST: '127.0.0.1',
      },
    });
    const ledger = ledgerOf(maru, 'host');
    await ledger.mustWrite(2);
    await ledger.check();
  });
});

describe('an ingester that follows the log', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  it('takes no write from anywhere else: it would be in memory alone', async () => {
    await using broker = await startKafka();
    const port = await freePort();
    await using maru = await startBehind(
      broker,
      ...['--target=distributor,ingester,querier', '--cluster.instance=ingester-0', '--cluster.replication-factor=1'],
      ...[`--server.grpc-port=${port}`, '--tenancy.missing-header=anonymous'],
    );
    const { open, stop } = dialGrpc(`127.0.0.1:${port}`, undefined);
    const link = new PeerLink({
      identity: { clusterId: 'maru', instance: 'distributor-of-ingesters', zone: 'default', secret: '' },
      name: 'the ingester',
      open,
      tableEpoch: () => 0,
      onTableEpoch: () => undefined,
      onState: () => undefined,
      random: Math.random,
    });
    try {
      const labels = new ByteSink(64);
      canonicalizeLabels(Labels.from([['__name__', 'aside']]), labels);
      const batch: WriteBatch = {
        ...{ tenant: parseTenantId('anonymous'), receiveTimeMs: Date.now(), seriesCount: 1, refs: new Uint32Array(1) },
        ...{ labelBytes: labels.bytes, labelsBegin: new Uint32Array(1), labelsEnd: Uint32Array.of(labels.length) },
        ...{ sampleBegin: Uint32Array.of(0, 1), sampleT: Float64Array.of(Date.now()), sampleV: Float64Array.of(1) },
        ...{ sampleST: null, histograms: [], exemplars: [], metadata: [] },
      };
      const rows = new ByteSink(64);
      encodePushRows(batch, { rows: new Uint32Array(1), count: 1 }, [], new PushScratch(), rows);
      await assert.rejects(new IngesterClient(link, link).push([rows.written()], 5_000), {
        kind: 'unavailable',
        message: 'this ingester takes writes from the log alone (ingest.log=kafka)',
      });
    } finally {
      link.stop();
      stop();
    }
    const ledger = ledgerOf(maru, 'log');
    await ledger.mustWrite(1);
    await ledger.check();
  });
});

describe('a broker that takes small records', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  it('gets a large write in several, and a sample that no record may hold is refused', async () => {
    await using broker = await startKafka({ properties: ['message.max.bytes=20000'] });
    await using maru = await startBehind(broker);
    const t = Date.now() - 60_000;
    const names = Array.from({ length: 1_000 }, (_, i) => `of a series with a rather long name, number ${i}`);
    const series = names.map((name, i) => ({
      labels: [
        ['__name__', 'large'],
        ['name', name],
      ] as const,
      samples: [{ t, v: i }],
    }));
    const { status, text } = await push(maru.baseUrl, series, { protocol: 'v2' });
    assert.equal(status, 204, text);
    const records = await metricOf(maru, 'maru_log_written_records_total');
    assert.ok(records > 3, `${records} records`);
    const form = new URLSearchParams({ query: 'large', time: String(t / 1000) });
    const answer = (await (await fetch(`${maru.queryUrl}/api/v1/query?${form}`)).json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    const found = new Map(answer.data.result.map(({ metric, value }) => [metric['name'], Number(value[1])]));
    assert.deepEqual(found, new Map(names.map((name, i) => [name, i])));
    const huge = [{ labels: [['__name__', 'huge'], ...labelsOf(25)] as const, samples: [{ t, v: 1 }] }];
    const refused = await push(maru.baseUrl, huge, { protocol: 'v2' });
    assert.equal(refused.status, 413, refused.text);
    assert.match(refused.text, /larger than a record of the log may be/);
    assert.equal(await metricOf(maru, 'maru_log_written_records_total'), records, 'nothing of it was written');
  });
});

/** Labels with values of 1,000 characters. */
const labelsOf = (count: number): (readonly [string, string])[] =>
  Array.from({ length: count }, (_, i) => [`label_${String(i).padStart(3, '0')}`, String(i).padEnd(1_000, 'x')]);
