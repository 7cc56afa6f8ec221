/**
 * The same three days of bodies, ending now, for Maru on a real S3 server and for a real Prometheus, while another Prometheus scrapes
 * and forwards: Maru is killed again and again while it cuts, ships and merges, and in the end its head holds the last hours only,
 * promtool accepts every block, and all answer alike. MARU_TEST_DAYS=full, by hand, writes a scrape every 15 seconds of 2,040 series more,
 * forwards for ten minutes, and compares the size of the blocks with those of Prometheus when both have merged all they will.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { isUlid } from '../../libs/tsdb/block/ulid.ts';
import { historyBody } from '../../load-tests/history-body.ts';
import { cpuSeconds, residentBytes } from '../../load-tests/measure-process.ts';
import { compareAnswers } from '../support/compare-answers.ts';
import { serverPath, skipWithout } from '../support/find-server.ts';
import { mixedQueries, mixedScrape } from '../support/mixed-scrape.ts';
import { pushBody, pushBytes } from '../support/push-client.ts';
import { ask } from '../support/query-client.ts';
import { type Maru, startMaru } from '../support/start-maru.ts';
import { startPrometheus } from '../support/start-prometheus.ts';
import { startVersitygw } from '../support/start-versitygw.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const run = promisify(execFile);
const hourMs = 3_600_000;
const isFull = process.env['MARU_TEST_DAYS'] === 'full';
const stepMs = isFull ? 15_000 : 60_000;
/** Of history-recipe.ts, 34 a pod, besides those of every kind. */
const historySeries = isFull ? 2_040 : 34;
const forwardMs = isFull ? 600_000 : 10_000;
const scrapesPerBody = 60;
const seriesPerBody = 340;
const killsWhileWriting = 3;
/** Prometheus looks for something to merge once a minute. */
const settledMs = 130_000;

const historyQueries: readonly string[] = [
  'container_memory_working_set_bytes{container="cart"}',
  'sum by (code) (rate(http_requests_total[5m]))',
  'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))',
  'histogram_quantile(0.9, sum by (namespace) (rate(rpc_duration_seconds[5m])))',
  'max by (container) (max_over_time(process_resident_memory_bytes[1h]))',
  'count({job="kubelet"})',
];

const historyNames: readonly string[] = [
  'container_cpu_seconds_total',
  'http_request_duration_seconds_bucket',
  'process_resident_memory_bytes',
  'rpc_duration_seconds',
];

async function metric(maru: Maru, name: string): Promise<number> {
  const text = await (await fetch(`${maru.baseUrl}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:{[^}]*})? (.*)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

async function killAndReturn(maru: Maru): Promise<void> {
  await maru.kill();
  maru.launch();
  await maru.ready();
}

/** What whole blocks take on disk: index and chunks. */
async function sizeOf(folder: string, names: readonly string[]): Promise<{ bytes: number; samples: number }> {
  const size = { bytes: 0, samples: 0 };
  for (const name of names) {
    const meta = JSON.parse(await readFile(join(folder, name, 'meta.json'), 'utf8')) as {
      readonly stats: { readonly numSamples: number };
    };
    size.samples += meta.stats.numSamples;
    const files = ['index', ...(await readdir(join(folder, name, 'chunks'))).map((segment) => `chunks/${segment}`)];
    for (const file of files) size.bytes += (await stat(join(folder, name, file))).size;
  }
  return size;
}

/** Blocks of a folder that are whole. */
async function blocksOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).filter(isUlid);
  const files = await Promise.all(names.map((name) => readdir(join(folder, name)).catch((): string[] => [])));
  return names.filter((_, i) => files[i]?.includes('meta.json'));
}

describe('three days', { skip: skipWithout('prometheus', 'promtool', 'versitygw'), timeout: 3_600_000 }, () => {
  it('end in blocks that answer as a real Prometheus does, whatever was killed', async (t) => {
    await using folder = await tempFolder('three-days');
    await using server = await startVersitygw();
    await using prometheus = await startPrometheus({ version: 3, scrape: {} });
    await using maru = await startMaru({
      args: [
        '--self-metrics.tenant=none',
        '--limits.past-grace-period=0',
        '--head.cut-delay=1h',
        `--head.idle-delay=${isFull ? '10s' : '1s'}`,
        '--ingester.ship-interval=1s',
        '--query.bucket-index-refresh=1s',
        '--compactor.compaction-interval=2s',
        '--compactor.cleanup-interval=2s',
        '--compactor.first-level-compaction-wait-period=0s',
        '--bucket.backend=s3',
        `--bucket.s3.endpoint=${server.endpoint}`,
        `--bucket.s3.bucket-name=${server.bucket}`,
      ],
      env: {
        AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      },
    });
    await using forwarder = await startPrometheus({
      version: 3,
      scrape: { self: '' },
      remoteWrite: { url: `${maru.baseUrl}/api/v1/push`, protocol: 'v2' },
    });
    const forwardsUntilMs = Date.now() + forwardMs;
    const end = Math.floor(Date.now() / stepMs) * stepMs;
    const scrapes = Math.floor((72 * hourMs) / stepMs);
    const begin = end - scrapes * stepMs;
    const bodies = Math.ceil((scrapes + 1) / scrapesPerBody);
    const cpuOf = { maru: 0, prometheus: 0 };
    const send = async (body: Uint8Array): Promise<void> => {
      const answers = await Promise.all([
        pushBytes(maru.baseUrl, body, { protocol: 'v2' }),
        pushBytes(prometheus.baseUrl, body, { protocol: 'v2', path: '/api/v1/write' }),
      ]);
      for (const { status, text } of answers) assert.ok(status < 300, `${status} ${text}`);
    };
    for (let number = 0; number < bodies; number++) {
      const firstScrape = number * scrapesPerBody;
      const count = Math.min(scrapesPerBody, scrapes + 1 - firstScrape);
      const mixed = Array.from({ length: count }, (_, i) =>
        mixedScrape(begin + (firstScrape + i) * stepMs, firstScrape + i, 0),
      );
      await send(pushBody('v2', mixed.flat()));
      for (let firstSeries = 0; firstSeries < historySeries; firstSeries += seriesPerBody) {
        const part = { firstSeries, seriesCount: Math.min(seriesPerBody, historySeries - firstSeries) };
        const times = { firstScrape, scrapes: count, beginMs: begin, intervalMs: stepMs };
        await send(historyBody('v2', { ...part, ...times }));
      }
      if (number % Math.ceil(bodies / (killsWhileWriting + 1)) === 5) {
        cpuOf.maru += cpuSeconds(maru.pid());
        await killAndReturn(maru);
      }
    }
    cpuOf.maru += cpuSeconds(maru.pid());
    cpuOf.prometheus = cpuSeconds(prometheus.pid());
    // Cut, ship, merge: killed in the middle of each.
    const floor = end - 3 * hourMs;
    await waitFor(
      'a range has been cut',
      async () => (await metric(maru, 'maru_ingester_local_blocks')) > 0 || undefined,
      {
        deadlineMs: 120_000,
      },
    );
    await killAndReturn(maru);
    const bucket = join(server.folder, 'anonymous');
    const inBucket = () => blocksOf(bucket);
    await waitFor('a block has been shipped', async () => (await inBucket()).length > 0 || undefined, {
      deadlineMs: 120_000,
    });
    await killAndReturn(maru);
    const countOf = (words: string) => maru.log().split(words).length - 1;
    await waitFor(
      'blocks are being merged',
      async () => countOf('a merge begins') > countOf('a merge is done') || undefined,
      { deadlineMs: 60_000, everyMs: 5 },
    ).catch(() => t.diagnostic('no merge was seen to kill in'));
    await killAndReturn(maru);
    await waitFor(
      'the head holds the last hours only, and all that it let go of is in the bucket',
      async () => {
        const status = (await ask({ baseUrl: maru.queryUrl }, 'status/tsdb')).data as {
          readonly headStats: { readonly minTime: number };
        };
        const unshipped = await metric(maru, 'maru_ingester_unshipped_blocks');
        return (status.headStats.minTime >= floor - 2 * hourMs && unshipped === 0) || undefined;
      },
      { deadlineMs: 240_000, everyMs: 500 },
    );

    const isMerged = async (): Promise<true | undefined> => {
      const { planned_jobs: jobs } = (await (
        await fetch(`${maru.baseUrl}/compactor/tenant/anonymous/planned_jobs`)
      ).json()) as { readonly planned_jobs: readonly unknown[] };
      return jobs.length === 0 || undefined;
    };
    await waitFor('all is merged', isMerged, { deadlineMs: 900_000, everyMs: 1000 });

    const failures: string[] = [];
    const compare = async (path: string, parameters: Readonly<Record<string, string | number>>): Promise<void> => {
      const expected = await ask({ baseUrl: prometheus.baseUrl }, path, parameters, 'POST');
      const actual = await ask({ baseUrl: maru.queryUrl }, path, parameters, 'POST');
      assert.equal(expected.status, 'success', expected.error);
      for (const difference of compareAnswers(expected, actual, 'close'))
        failures.push(`${parameters['query']}: ${difference}`);
    };
    for (const query of [...mixedQueries, ...historyQueries]) {
      for (const [from, to, step] of [
        [begin, end, '3607'],
        [end - 12 * hourMs, end, '601'],
      ] as const) {
        await compare('query_range', { query, start: from / 1000, end: to / 1000, step });
      }
    }
    // Every sample of every day, of some.
    for (let day = 0; day < 3; day++) {
      const time = (end - day * 24 * hourMs) / 1000;
      for (const name of historyNames) {
        await compare('query', { query: `count_over_time(${name}[1d])`, time });
        await compare('query', { query: `sum_over_time(${name}[1d])`, time });
      }
    }
    assert.deepEqual(failures, []);

    await new Promise((resolve) => setTimeout(resolve, Math.max(0, forwardsUntilMs - Date.now())));
    const forwarded = { query: `{job="self"}[${Math.ceil(forwardMs / 1000)}s]`, time: Date.now() / 1000 - 1 };
    await waitFor(
      'all that was forwarded is there',
      async () => {
        const expected = await ask({ baseUrl: forwarder.baseUrl }, 'query', forwarded);
        const actual = await ask({ baseUrl: maru.queryUrl }, 'query', forwarded);
        const differences = compareAnswers(expected, actual, 'bits');
        if (differences.length > 0) throw new Error(differences.join('\n'));
        return true;
      },
      { deadlineMs: 60_000, everyMs: 2000 },
    );

    const resident = residentBytes(maru.pid());
    await maru.stop();
    const blocks = join(folder.path, 'blocks');
    await mkdir(join(blocks, 'wal'), { recursive: true });
    const names = await inBucket();
    for (const name of names) await cp(join(bucket, name), join(blocks, name), { recursive: true });
    await run(serverPath('promtool'), ['tsdb', 'list', blocks]);
    for (const name of names) await run(serverPath('promtool'), ['tsdb', 'analyze', blocks, name]);
    t.diagnostic(`${names.length} blocks in the bucket, ${scrapes} scrapes of ${historySeries} series and some`);
    if (!isFull) return;

    const marks = await readdir(join(bucket, 'markers')).catch((): string[] => []);
    const standing = names.filter((name) => !marks.includes(`${name}-deletion-mark.json`));
    let before: readonly string[] = [];
    let changedAtMs = Date.now();
    await waitFor(
      'Prometheus has merged all it will',
      async () => {
        const now = await blocksOf(prometheus.dataDir);
        if (now.join() !== before.join()) changedAtMs = Date.now();
        before = now;
        return Date.now() - changedAtMs > settledMs || undefined;
      },
      { deadlineMs: 900_000, everyMs: 5000 },
    );
    const sizes = {
      maru: await sizeOf(bucket, standing),
      prometheus: await sizeOf(prometheus.dataDir, before),
    };
    t.diagnostic(
      JSON.stringify({
        blocks: { maru: standing.length, prometheus: before.length },
        sizes,
        cpuOf,
        resident,
      }),
    );
    const perSample = ({ bytes, samples }: { bytes: number; samples: number }) => bytes / samples;
    const ratio = perSample(sizes.maru) / perSample(sizes.prometheus);
    assert.ok(ratio <= 1, `${perSample(sizes.maru)} bytes a sample, Prometheus ${perSample(sizes.prometheus)}`);
  });
});
