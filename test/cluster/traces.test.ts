/**
 * One push and one query are each one trace through all processes of a cluster: every span has the one as its parent that asked for
 * it, over gRPC, through the log and with the work that queriers take, and log lines name tenant and trace. What is not sampled leaves none.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { FilesystemBucket } from '../../libs/object-store/filesystem.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { skipWithout } from '../support/find-server.ts';
import { push } from '../support/push-client.ts';
import { type Cluster, type ClusterOptions, startCluster } from '../support/start-cluster.ts';
import { type KafkaBroker, startKafka } from '../support/start-kafka.ts';
import type { Maru } from '../support/start-maru.ts';
import { startTraceCollector, type TraceCollector } from '../support/start-trace-collector.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const hourMs = 3_600_000;
const tenant = parseTenantId('team-a');
const sender = '00f067aa0ba902b7';

/** Every edge of a trace: `service span < service span`. */
function edgesOf({ spans }: TraceCollector, trace: string): string[] {
  const own = spans.filter((span) => span.trace === trace);
  const names = new Map(own.map(({ id, service, name }) => [id, `${service} ${name}`]));
  names.set(sender, 'sender');
  return [
    ...new Set(own.map(({ id, parent }) => `${names.get(id)} < ${names.get(parent) ?? `unknown ${parent}`}`)),
  ].sort();
}

/** Waits until a trace has these edges and no other: spans come in the order in which processes send them. */
async function hasEdges(collector: TraceCollector, trace: string, wanted: readonly string[]): Promise<void> {
  const expected = [...wanted].sort();
  const isThere = () => (isDeepStrictEqual(edgesOf(collector, trace), expected) ? true : undefined);
  await waitFor('the spans of a trace', isThere).catch(() => undefined);
  assert.deepEqual(edgesOf(collector, trace), expected);
}

const headersOf = (trace: string, flags: string) => ({
  traceparent: `00-${trace}-${sender}-${flags}`,
  'x-scope-orgid': tenant,
  // An answer that is kept is asked of nobody.
  'cache-control': 'no-store',
});

async function write(maru: Maru, trace: string, flags = '01'): Promise<void> {
  const labels: [string, string][] = [['__name__', 'm']];
  const series = [{ labels, samples: [{ t: Date.now(), v: 1 }] }];
  const { status, text } = await push(maru.baseUrl, series, { protocol: 'v2', headers: headersOf(trace, flags) });
  assert.equal(status, 204, text);
}

async function read(
  maru: Maru,
  trace: string,
  path: string,
  form: Record<string, string>,
  flags = '01',
): Promise<string> {
  const response = await fetch(`${maru.queryUrl}/api/v1/${path}`, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: headersOf(trace, flags),
  });
  return `${response.status} ${await response.text()}`;
}

/** A block of two hours of yesterday. */
async function uploadOne(bucketFolder: string): Promise<void> {
  await using folder = await tempFolder('cut');
  const minTime = Math.floor(Date.now() / (24 * hourMs)) * 24 * hourMs - 24 * hourMs;
  const ulid = makeUlid(minTime, randomBytes(10));
  const series = [{ labels: Labels.from([['__name__', 'm']]), samples: [{ t: minTime, v: 1 }] }];
  const extras = { minTime, maxTime: minTime + 2 * hourMs };
  await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series, extras });
  const bucket = new FilesystemBucket(bucketFolder);
  await uploadBlock(bucket, tenant, ulid, join(folder.path, ulid), new AbortController().signal);
}

const allOfIt = { query: 'sum(count_over_time(m[3d]))' };

async function startTraced(collector: TraceCollector, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  return await startCluster({
    zones: ['a', 'b'],
    partitions: 1,
    replicationFactor: 2,
    frontends: 1,
    storeGateways: 1,
    compactors: 1,
    ...options,
    args: [
      '--store-gateway.sync-interval=500ms',
      '--compactor.cleanup-interval=500ms',
      '--query.bucket-index-refresh=500ms',
      '--log.level=debug',
      ...(options.args ?? []),
    ],
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '50' },
  });
}

describe('traces of a cluster', { timeout: 240_000 }, () => {
  let collector: TraceCollector;
  let cluster: Cluster;
  let frontend: Maru;
  before(async () => {
    collector = await startTraceCollector();
    cluster = await startTraced(collector);
    assert.ok(cluster.frontend !== undefined);
    frontend = cluster.frontend;
    await uploadOne(cluster.bucket);
    const unsampled = '0'.repeat(31);
    await write(cluster.distributor, `${unsampled}1`, '00');
    await waitFor('an answer from ingesters and the bucket', async () =>
      (await read(frontend, `${unsampled}2`, 'query', allOfIt, '00')).includes('"2"') ? true : undefined,
    );
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await collector?.[Symbol.asyncDispose]();
  });

  for (const trace of ['a'.repeat(32), 'b'.repeat(32)]) {
    it('a push', async () => {
      await write(cluster.distributor, trace);
      await hasEdges(collector, trace, [
        'maru-distributor POST /api/v1/push < sender',
        'maru-distributor ingester.push < maru-distributor POST /api/v1/push',
        'maru-ingester ingester.push < maru-distributor ingester.push',
      ]);
      await waitFor('one of each owner', () => {
        const stored = collector.spans.filter((span) => span.trace === trace && span.service === 'maru-ingester');
        return stored.length === 2 ? true : undefined;
      });
    });
  }

  for (const { name, trace, more } of [
    { name: 'a query', trace: 'c'.repeat(32), more: '' },
    // Of a long text the worker asks for what it reads, and its messages are of no request.
    { name: 'a query whose worker asks', trace: 'd'.repeat(32), more: `# ${'x'.repeat(1000)}` },
  ]) {
    it(name, async () => {
      assert.match(await read(frontend, trace, 'query', { query: `${allOfIt.query}${more}` }), /^200 /);
      await hasEdges(collector, trace, [
        'maru-query-frontend POST /prometheus/api/v1/query < sender',
        'maru-querier querier.call < maru-query-frontend POST /prometheus/api/v1/query',
        'maru-querier querier.query < maru-querier querier.call',
        'maru-ingester ingester.select < maru-querier querier.query',
        'maru-store-gateway store_gateway.select < maru-querier querier.query',
      ]);
    });
  }

  it('a query in parts', async () => {
    const trace = 'e'.repeat(32);
    const end = Math.floor(Date.now() / 1000);
    const form = { query: 'sum(m)', start: `${end - 3 * 24 * 3600}`, end: `${end}`, step: '300' };
    assert.match(await read(frontend, trace, 'query_range', form), /^200 /);
    await hasEdges(collector, trace, [
      'maru-query-frontend POST /prometheus/api/v1/query_range < sender',
      'maru-querier querier.part < maru-query-frontend POST /prometheus/api/v1/query_range',
      'maru-ingester ingester.select < maru-querier querier.part',
      'maru-ingester ingester.write_marks < maru-querier querier.part',
      'maru-store-gateway store_gateway.select < maru-querier querier.part',
    ]);
  });

  it('a query that fails: lines of the log name its tenant and its trace', async () => {
    const trace = 'f'.repeat(32);
    assert.match(await read(frontend, trace, 'query', { query: 'sum(' }), /^400 /);
    for (const maru of [frontend, cluster.querier]) {
      const line = await waitFor('a line', () =>
        maru
          .log()
          .split('\n')
          .find((one) => one.includes(trace)),
      );
      const { tenant: named, trace_id: traced, msg } = JSON.parse(line);
      assert.deepEqual({ named, traced, msg }, { named: tenant, traced: trace, msg: 'a query failed' });
    }
  });

  for (const { what, trace, lines } of [
    {
      what: 'a push',
      trace: 'a'.repeat(32),
      lines: [
        { in: 'distributor', msg: 'a request was answered', names: { route: '/api/v1/push', status: 204 } },
        { in: 'ingester', msg: 'a call was answered', names: { method: 'ingester.push' } },
      ],
    },
    {
      what: 'a query',
      trace: 'd'.repeat(32),
      lines: [
        { in: 'frontend', msg: 'a request was answered', names: { route: '/prometheus/api/v1/query', status: 200 } },
        { in: 'ingester', msg: 'a call was answered', names: { method: 'ingester.select' } },
        { in: 'gateway', msg: 'a call was answered', names: { method: 'store_gateway.select' } },
      ],
    },
  ]) {
    it(`lines of every process that had a part in ${what} name its tenant and its trace`, async () => {
      const processes: Record<string, readonly Maru[]> = {
        distributor: [cluster.distributor],
        ingester: [...cluster.ingesters.values()],
        frontend: [frontend],
        gateway: cluster.storeGateways,
      };
      for (const { in: where, msg, names } of lines) {
        const line = await waitFor(`a line of the ${where}`, () =>
          (processes[where] ?? [])
            .flatMap((maru) => maru.log().split('\n'))
            .find((one) => one.includes(trace) && one.includes(msg)),
        );
        const wanted = { tenant, trace_id: trace, msg, ...names };
        const found = JSON.parse(line);
        assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((name) => [name, found[name]])), wanted);
      }
    });
  }

  it('neither what was not sampled nor what nobody asked for made a span', () => {
    const known = new Set([...'abcdef'].map((letter) => letter.repeat(32)));
    assert.deepEqual(
      collector.spans.filter(({ trace }) => !known.has(trace)),
      [],
    );
  });
});

describe('traces through Kafka', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  let collector: TraceCollector;
  let broker: KafkaBroker;
  let cluster: Cluster;
  before(async () => {
    [collector, broker] = await Promise.all([startTraceCollector(), startKafka()]);
    cluster = await startTraced(collector, {
      storeGateways: 0,
      compactors: 0,
      args: ['--ingest.log=kafka', `--kafka.brokers=${broker.address}`, '--kafka.partitions=1'],
    });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
    await collector?.[Symbol.asyncDispose]();
  });

  it('a push is applied in its trace by every ingester, and a query waits for that in its own', async () => {
    const [pushed, asked] = ['1'.repeat(32), '2'.repeat(32)];
    await write(cluster.distributor, pushed);
    await hasEdges(collector, pushed, [
      'maru-distributor POST /api/v1/push < sender',
      'maru-distributor ingester.push < maru-distributor POST /api/v1/push',
      'maru-ingester ingester.apply < maru-distributor ingester.push',
    ]);
    await waitFor('both owners', () =>
      collector.spans.filter(({ name }) => name === 'ingester.apply').length === 2 ? true : undefined,
    );
    assert.ok(cluster.frontend !== undefined);
    assert.match(await read(cluster.frontend, asked, 'query', allOfIt), /^200 /);
    await hasEdges(collector, asked, [
      'maru-query-frontend POST /prometheus/api/v1/query < sender',
      'maru-querier querier.call < maru-query-frontend POST /prometheus/api/v1/query',
      'maru-querier querier.query < maru-querier querier.call',
      'maru-ingester ingester.applied < maru-querier querier.query',
      'maru-ingester ingester.select < maru-querier querier.query',
    ]);
  });
});
