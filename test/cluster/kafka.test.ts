/**
 * Writes through a real Kafka, as real processes: what is acknowledged is seen by the next read and stays, whoever is killed
 * meanwhile, and a log that does not go on is named and never skipped.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import protobuf from 'protobufjs';
import { skipWithout } from '../support/find-server.ts';
import { freePort } from '../support/free-port.ts';
import { push } from '../support/push-client.ts';
import { type KafkaBroker, startKafka } from '../support/start-kafka.ts';
import { type Maru, runMaru, startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const topic = 'maru-ingest';

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly warnings: readonly string[];
  /** `series time value` of every sample. */
  readonly samples: readonly string[];
}

/** Writes numbered samples, remembers those that were acknowledged, and asks for all of them. */
class Ledger {
  readonly acknowledged = new Set<string>();
  readonly #name: string;
  readonly #writeUrl: string;
  readonly #queryUrl: string;
  readonly #beginMs = Math.floor(Date.now() / 1000) * 1000 - 600_000;
  #writes = 0;

  constructor(name: string, writeUrl: string, queryUrl: string) {
    this.#name = name;
    this.#writeUrl = writeUrl;
    this.#queryUrl = queryUrl;
  }

  async write(
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; text: string; retryAfter: string | null }> {
    const number = this.#writes++;
    const t = this.#beginMs + number * 1000;
    const names = [...Array.from({ length: 5 }, (_, i) => `steady-${i}`), `new-${number}`];
    const series = names.map((one) => ({
      labels: [
        ['__name__', this.#name],
        ['series', one],
      ] as const,
      samples: [{ t, v: number }],
    }));
    const { status, text, headers: answered } = await push(this.#writeUrl, series, { protocol: 'v2', headers });
    if (status === 204) for (const one of names) this.acknowledged.add(`${one} ${t} ${number}`);
    return { status, text, retryAfter: answered.get('retry-after') };
  }

  async mustWrite(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { status, text } = await this.write();
      assert.equal(status, 204, text);
    }
  }

  async read(headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const seconds = this.#writes + 60;
    const form = new URLSearchParams({
      query: `${this.#name}[${seconds}s]`,
      time: String(this.#beginMs / 1000 + seconds - 30),
    });
    const response = await fetch(`${this.#queryUrl}/api/v1/query?${form}`, { headers });
    const text = await response.text();
    const { data, warnings = [] } = JSON.parse(text) as {
      data?: { result: { metric: Record<string, string>; values: [number, string][] }[] };
      warnings?: string[];
    };
    const samples = (data?.result ?? []).flatMap(({ metric, values }) =>
      values.map(([t, v]) => `${metric['series']} ${Math.round(t * 1000)} ${v}`),
    );
    return { status: response.status, text, warnings, samples };
  }

  /** Everything that was acknowledged is there, once, and nothing is warned of. */
  async check(): Promise<void> {
    const wanted = [...this.acknowledged];
    const { status, samples, warnings, text } = await this.read();
    assert.equal(status, 200, text.slice(0, 500));
    assert.deepEqual(warnings, []);
    const found = new Set(samples);
    assert.equal(found.size, samples.length, 'a sample was answered twice');
    assert.deepEqual(wanted.filter((one) => !found.has(one)).slice(0, 5), []);
  }
}

async function notReady(baseUrl: string, pattern: RegExp): Promise<void> {
  await waitFor(`/ready says ${pattern}`, async () => {
    const response = await fetch(`${baseUrl}/ready`);
    const text = await response.text();
    return response.status === 503 && pattern.test(text) ? true : undefined;
  });
}

const metricOf = async (maru: Maru, name: string): Promise<number> => {
  const text = await (await fetch(`${maru.baseUrl}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
};

const clientOf = (broker: KafkaBroker): Kafka =>
  new Kafka({ clientId: 'test', brokers: [broker.address], logLevel: logLevel.NOTHING });

describe('one process behind Kafka', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  let broker: KafkaBroker;
  let maru: Maru;
  const ledgerOf = (name: string): Ledger => new Ledger(name, maru.baseUrl, maru.queryUrl);
  before(async () => {
    broker = await startKafka();
    maru = await startMaru({
      args: [
        '--ingest.log=kafka',
        `--kafka.brokers=${broker.address}`,
        '--kafka.partitions=1',
        '--self-metrics.tenant=none',
      ],
    });
  });
  after(async () => {
    await maru?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
  });

  it('a read that begins after an acknowledgement sees it', async () => {
    const ledger = ledgerOf('seen');
    for (let i = 0; i < 20; i++) {
      await ledger.mustWrite(1);
      await ledger.check();
    }
  });

  it('another client reads its records: remote_write 2.0 in the envelope of proto/log.proto', async () => {
    const ledger = ledgerOf('by_another');
    await ledger.mustWrite(2);
    const proto = join(import.meta.dirname, '../../proto');
    const envelope = protobuf.parse(readFileSync(join(proto, 'log.proto'), 'utf8')).root.lookupType('LogRecord');
    const request = protobuf
      .parse(readFileSync(join(proto, 'remote-write-2.proto'), 'utf8'))
      .root.lookupType('Request');
    const consumer = clientOf(broker).consumer({ groupId: 'by-another' });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const found = new Set<string>();
    const all = Promise.withResolvers<void>();
    await consumer.run({
      eachMessage: async ({ message }) => {
        assert.equal(message.key?.toString(), 'anonymous');
        assert.equal(message.headers?.['maru']?.toString(), 'maru');
        const record = envelope.toObject(envelope.decode(message.value ?? new Uint8Array(0)), { longs: Number }) as {
          version: number;
          tenant: string;
          receiveTimeMs: number;
          request: Uint8Array;
        };
        assert.equal(record.version, 1);
        assert.equal(record.tenant, 'anonymous');
        assert.ok(Math.abs(record.receiveTimeMs - Date.now()) < 600_000);
        const { symbols, timeseries } = request.toObject(request.decode(record.request), { longs: Number }) as {
          symbols: string[];
          timeseries: { labelsRefs: number[]; samples?: { value: number; timestamp: number }[] }[];
        };
        assert.equal(symbols[0], '');
        for (const { labelsRefs, samples = [] } of timeseries) {
          const texts = labelsRefs.map((ref) => symbols[ref] ?? '');
          if (texts[1] !== 'by_another') continue;
          for (const { value = 0, timestamp } of samples) found.add(`${texts[3]} ${timestamp} ${value}`);
        }
        if (found.size === ledger.acknowledged.size) all.resolve();
      },
    });
    await all.promise;
    await consumer.disconnect();
    assert.deepEqual([...found].sort(), [...ledger.acknowledged].sort());
  });

  it('kill -9: nothing is missing and nothing is there twice', async () => {
    const ledger = ledgerOf('killed');
    for (let round = 0; round < 3; round++) {
      await ledger.mustWrite(5);
      await maru.kill();
      maru.launch();
      await maru.ready();
      await ledger.check();
    }
  });

  it('the broker is away: writes are refused, reads warn; it is back: no hole', async () => {
    const ledger = ledgerOf('away');
    await ledger.mustWrite(5);
    // What was read once is not missing later.
    await ledger.check();
    await broker.kill();
    const refused = await ledger.write();
    assert.equal(refused.status, 503, refused.text);
    assert.notEqual(refused.retryAfter, null);
    const { status, warnings, samples, text } = await ledger.read();
    assert.equal(status, 200, text);
    assert.equal(warnings.length, 1, text);
    assert.match(warnings[0] ?? '', /what was written last may be missing/);
    assert.equal(samples.length, ledger.acknowledged.size);
    assert.equal((await ledger.read({ 'X-Read-Consistency': 'strong' })).status, 503);
    const eventual = await ledger.read({ 'X-Read-Consistency': 'eventual' });
    assert.deepEqual([eventual.status, eventual.warnings], [200, []]);
    assert.equal((await ledger.read({ 'X-Read-Consistency': 'maybe' })).status, 400);
    const ready = async () => {
      const response = await fetch(`${maru.baseUrl}/ready`);
      return `${response.status} ${await response.text()}`;
    };
    await waitFor('it is told', async () => {
      assert.match(await ready(), /^200 ready\nkafka: Kafka: .*\ningester: the ingester cannot read the log: /);
      return true;
    });
    assert.ok((await metricOf(maru, 'maru_ingester_log_unread_seconds')) > 0);
    await broker.launch();
    await waitFor('a write is taken', async () => ((await ledger.write()).status === 204 ? true : undefined));
    await waitFor('all is well', async () => ((await ready()) === '200 ready\n' ? true : undefined));
    await waitFor('all is applied', async () =>
      (await metricOf(maru, 'maru_ingester_log_lag_records')) === 0 ? true : undefined,
    );
    await ledger.mustWrite(3);
    await ledger.check();
  });

  it('foreign records are skipped and counted; one of ours that does not decode fails its tenant alone', async () => {
    const ledger = ledgerOf('beside');
    await ledger.mustWrite(1);
    const producer = clientOf(broker).producer();
    await producer.connect();
    const before = await metricOf(maru, 'maru_ingester_log_foreign_records_total');
    await producer.send({
      topic,
      messages: [
        { key: 'x', value: 'not ours' },
        { key: 'anonymous', value: 'of another cluster', headers: { maru: 'another' } },
        { key: 'broken', value: 'ours, and no record', headers: { maru: 'maru' } },
      ],
    });
    await producer.disconnect();
    await ledger.mustWrite(1);
    await ledger.check();
    assert.equal((await metricOf(maru, 'maru_ingester_log_foreign_records_total')) - before, 2);
    const broken = await ledger.read({ 'X-Scope-OrgID': 'broken' });
    assert.equal(broken.status, 503);
    assert.match(broken.text, /does not decode.*\.record/);
    await maru.kill();
    maru.launch();
    await maru.ready();
    assert.equal((await ledger.read({ 'X-Scope-OrgID': 'broken' })).status, 503, 'also after a restart');
    await ledger.check();
  });

  it('another number of partitions is named', async () => {
    await using folder = await tempFolder('partitions');
    const port = await freePort();
    const process = runMaru([
      ...['--ingest.log=kafka', `--kafka.brokers=${broker.address}`, '--kafka.partitions=2'],
      ...[`--data-dir=${folder.path}`, `--server.http-port=${port}`],
    ]);
    await notReady(`http://127.0.0.1:${port}`, /has 1 partitions, kafka.partitions is 2/);
    process.signal('SIGKILL');
    await process.exited;
  });

  it('what retention took before it was read is named', async () => {
    const ledger = ledgerOf('taken');
    await ledger.mustWrite(2);
    await maru.kill();
    const admin = clientOf(broker).admin();
    await admin.connect();
    const [{ high } = { high: '0' }] = await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: high }] });
    await admin.disconnect();
    maru.launch();
    await notReady(maru.baseUrl, /begins at offset \d+: the records from \d+ on were deleted/);
    const { status, text } = await ledger.read();
    assert.equal(status, 503, text);
  });

  it('a topic that was made anew is named', async () => {
    const admin = clientOf(broker).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [topic] });
    await waitFor('the topic is gone', async () => ((await admin.listTopics()).includes(topic) ? undefined : true));
    await notReady(maru.baseUrl, /is not there any more/);
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    await admin.disconnect();
    await notReady(maru.baseUrl, /was made anew.*stop every process that uses it, remove .*, and start them again/);
    assert.equal((await ledgerOf('anew').write()).status, 503);
  });
});

describe('one process behind two brokers', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  it('the one that leads is frozen: the other one is written to and read from; it is back and leads again: no hole', async () => {
    const properties = [
      ...['broker.session.timeout.ms=3000', 'broker.heartbeat.interval.ms=500'],
      ...['leader.imbalance.check.interval.seconds=1', 'leader.imbalance.per.broker.percentage=0'],
    ];
    await using first = await startKafka({ properties });
    const joins = { controllerPort: first.controllerPort, id: 2 };
    await using second = await startKafka({ properties, joins });
    const admin = clientOf(first).admin();
    await using end = new AsyncDisposableStack();
    end.defer(() => admin.disconnect());
    await admin.connect();
    const settings = {
      ...{ 'retention.ms': String(7 * 86_400_000), 'retention.bytes': '-1', 'cleanup.policy': 'delete' },
      ...{ 'min.insync.replicas': '1', 'unclean.leader.election.enable': 'false' },
    };
    await waitFor('the second one has joined', async () =>
      (await admin.describeCluster()).brokers.length === 2 ? true : undefined,
    );
    await admin.createTopics({
      topics: [
        {
          ...{ topic, replicaAssignment: [{ partition: 0, replicas: [2, 1] }] },
          configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
        },
      ],
    });
    const leads = async (id: number): Promise<true | undefined> => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]?.partitions[0]?.leader === id ? true : undefined;
    };
    await waitFor('the second one leads', () => leads(2));
    await using maru = await startMaru({
      args: [
        ...['--ingest.log=kafka', '--kafka.partitions=1', '--kafka.timeout=5s', '--self-metrics.tenant=none'],
        `--kafka.brokers=${second.address},${first.address}`,
      ],
    });
    const ledger = new Ledger('two', maru.baseUrl, maru.queryUrl);
    const goesOn = async () => {
      await waitFor('a write is taken', async () => ((await ledger.write()).status === 204 ? true : undefined));
      await waitFor('it is read', async () => ((await ledger.read()).warnings.length === 0 ? true : undefined));
      await ledger.mustWrite(3);
      await ledger.check();
    };
    await goesOn();
    second.signal('SIGSTOP');
    try {
      await goesOn();
    } finally {
      second.signal('SIGCONT');
    }
    await waitFor('the second one leads again', () => leads(2));
    await goesOn();
  });
});

describe('a Kafka that asks who one is', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  it('SCRAM over TLS: the right password writes and reads, a wrong one is named', async () => {
    await using folder = await tempFolder('kafka-tls');
    const at = (name: string): string => join(folder.path, name);
    execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-keyout',
          at('key.pem'),
          '-out',
          at('cert.pem'),
          '-days',
          '2',
        ],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
      ],
      { stdio: 'ignore' },
    );
    writeFileSync(at('both.pem'), readFileSync(at('key.pem'), 'utf8') + readFileSync(at('cert.pem'), 'utf8'));
    const port = await freePort();
    const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
    const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_maru="secret";';
    await using broker = await startKafka({
      secure: {
        port,
        protocol: 'SASL_SSL',
        properties: [
          'ssl.keystore.type=PEM',
          `ssl.keystore.location=${at('both.pem')}`,
          'sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN',
          `listener.name.secure.scram-sha-512.sasl.jaas.config=${scram}`,
          `listener.name.secure.scram-sha-256.sasl.jaas.config=${scram}`,
          `listener.name.secure.plain.sasl.jaas.config=${plain}`,
        ],
        credentials: ['SCRAM-SHA-512=[name=maru,password=secret]', 'SCRAM-SHA-256=[name=maru,password=secret]'],
      },
    });
    assert.ok(broker.pid() > 0);
    const args = [
      ...[
        '--ingest.log=kafka',
        `--kafka.brokers=127.0.0.1:${port}`,
        '--kafka.partitions=1',
        '--self-metrics.tenant=none',
      ],
      ...['--kafka.tls.enabled=true', `--kafka.tls.ca-file=${at('cert.pem')}`, '--kafka.sasl.username=maru'],
    ];
    for (const mechanism of ['scram-sha-512', 'scram-sha-256', 'plain']) {
      await using bucket = await tempFolder('kafka-bucket');
      const env = { MARU_KAFKA_SASL_PASSWORD: 'secret' };
      const topicArg = `--kafka.topic=maru-${mechanism}`;
      await using maru = await startMaru({
        args: [
          ...args,
          topicArg,
          `--kafka.sasl.mechanism=${mechanism}`,
          `--bucket.filesystem.directory=${bucket.path}`,
        ],
        env,
      });
      const ledger = new Ledger('secure', maru.baseUrl, maru.queryUrl);
      await ledger.mustWrite(2);
      await ledger.check();
    }
    const httpPort = await freePort();
    const wrong = runMaru(
      [...args, '--kafka.sasl.mechanism=scram-sha-512', `--data-dir=${at('data')}`, `--server.http-port=${httpPort}`],
      { env: { MARU_KAFKA_SASL_PASSWORD: 'wrong' } },
    );
    await notReady(`http://127.0.0.1:${httpPort}`, /[Aa]uthentication/);
    wrong.signal('SIGKILL');
    await wrong.exited;
  });
});
