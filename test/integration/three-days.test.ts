/**
 * The same three days of bodies, ending now, for Maru on a real S3 server and for a real Prometheus: Maru is killed again and
 * again while it cuts, ships and merges, and in the end its head holds the last hours only, promtool accepts every block,
 * and both answer alike. MARU_DAYS_STEP=15 writes a scrape every 15 seconds instead of once a minute, by hand.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { isUlid } from '../../libs/tsdb/block/ulid.ts';
import { compareAnswers } from '../support/compare-answers.ts';
import { serverPath, skipWithout } from '../support/find-server.ts';
import { mixedQueries, mixedScrape } from '../support/mixed-scrape.ts';
import { push } from '../support/push-client.ts';
import { ask } from '../support/query-client.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { type Maru, startMaru } from '../support/start-maru.ts';
import { startPrometheus } from '../support/start-prometheus.ts';
import { startVersitygw } from '../support/start-versitygw.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const run = promisify(execFile);
const hourMs = 3_600_000;
const stepMs = Number(process.env['MARU_DAYS_STEP'] ?? 60) * 1000;
const scrapesPerBody = 60;
const killsWhileWriting = 3;

async function metric(maru: Maru, name: string): Promise<number> {
  const text = await (await fetch(`${maru.baseUrl}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:{[^}]*})? (.*)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

async function killAndReturn(maru: Maru): Promise<void> {
  await maru.kill();
  maru.launch();
  await maru.ready();
}

describe('three days', { skip: skipWithout('prometheus', 'promtool', 'versitygw'), timeout: 900_000 }, () => {
  it('end in blocks that answer as a real Prometheus does, whatever was killed', async (t) => {
    await using folder = await tempFolder('three-days');
    await using server = await startVersitygw();
    await using prometheus = await startPrometheus({ version: 3, scrape: {} });
    await using maru = await startMaru({
      args: [
        '--self-metrics.tenant=none',
        '--limits.past-grace-period=0',
        '--head.cut-delay=1h',
        '--head.idle-delay=1s',
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
    const end = Math.floor(Date.now() / stepMs) * stepMs;
    const scrapes = Math.floor((72 * hourMs) / stepMs);
    const begin = end - scrapes * stepMs;
    const bodies: SentSeries[][] = [];
    for (let i = 0; i <= scrapes; i++) {
      if (i % scrapesPerBody === 0) bodies.push([]);
      bodies.at(-1)?.push(...mixedScrape(begin + i * stepMs, i, 0));
    }
    for (const [number, body] of bodies.entries()) {
      for (const [baseUrl, path] of [
        [maru.baseUrl, '/api/v1/push'],
        [prometheus.baseUrl, '/api/v1/write'],
      ] as const) {
        const answer = await push(baseUrl, body, { protocol: 'v2', path });
        assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
      }
      if (number % Math.ceil(bodies.length / (killsWhileWriting + 1)) === 5) await killAndReturn(maru);
    }
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
    const inBucket = async () => {
      const names = (await readdir(bucket).catch(() => [])).filter(isUlid);
      const files = await Promise.all(names.map((name) => readdir(join(bucket, name)).catch((): string[] => [])));
      return names.filter((_, i) => files[i]?.includes('meta.json'));
    };
    await waitFor('a block has been shipped', async () => (await inBucket()).length > 0 || undefined, {
      deadlineMs: 120_000,
    });
    await killAndReturn(maru);
    await waitFor(
      'blocks are being merged',
      async () =>
        (/compactor/.test(maru.log()) && (await metric(maru, 'maru_compactor_blocks_marked_total')) > 0) || undefined,
      { deadlineMs: 60_000 },
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

    const failures: string[] = [];
    for (const query of mixedQueries) {
      for (const [from, to, step] of [
        [begin, end, '3607'],
        [end - 12 * hourMs, end, '601'],
      ] as const) {
        const parameters = { query, start: from / 1000, end: to / 1000, step };
        const expected = await ask({ baseUrl: prometheus.baseUrl }, 'query_range', parameters);
        const actual = await ask({ baseUrl: maru.queryUrl }, 'query_range', parameters);
        assert.equal(expected.status, 'success', expected.error);
        for (const difference of compareAnswers(expected, actual, 'close')) failures.push(`${query}: ${difference}`);
      }
    }
    assert.deepEqual(failures, []);

    await maru.stop();
    const blocks = join(folder.path, 'blocks');
    await mkdir(join(blocks, 'wal'), { recursive: true });
    const names = await inBucket();
    for (const name of names) await cp(join(bucket, name), join(blocks, name), { recursive: true });
    await run(serverPath('promtool'), ['tsdb', 'list', blocks]);
    for (const name of names) await run(serverPath('promtool'), ['tsdb', 'analyze', blocks, name]);
    t.diagnostic(`${names.length} blocks in the bucket, ${scrapes} scrapes`);
  });
});
