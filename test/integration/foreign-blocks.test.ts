/**
 * Blocks that a real Prometheus cut, in a bucket as Mimir lays it out, served in place: the answers are that Prometheus'. Once from a
 * folder, once from a real S3 server. What is foreign or damaged in the bucket is named and takes nothing else along.
 */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { compareAnswers } from '../support/compare-answers.ts';
import { skipWithout } from '../support/find-server.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/query-client.ts';
import { type Maru, startMaru } from '../support/start-maru.ts';
import { type PrometheusServer, startPrometheus } from '../support/start-prometheus.ts';
import { type ScrapeTarget, startScrapeTarget } from '../support/start-scrape-target.ts';
import { startVersitygw } from '../support/start-versitygw.ts';
import { type TempFolder, tempFolder } from '../support/temp-folder.ts';
import { agreedExpressions } from './agreed-expressions.ts';

const scrapeMs = 14_000;
const skip = skipWithout('prometheus', 'versitygw');
const quietArgs = ['--self-metrics.tenant=none'];

/** A tenant's folder of a bucket as Mimir writes it: the blocks, and an index of version 1 that knows nothing of ours. */
async function mimirTenant(tenantFolder: string, blocksFolder: string): Promise<string[]> {
  const ulids = (await readdir(blocksFolder)).filter((name) => name.length === 26);
  const blocks: object[] = [];
  for (const ulid of ulids) {
    await mkdir(join(tenantFolder, ulid), { recursive: true });
    for (const name of ['index', 'chunks', 'meta.json']) {
      await cp(join(blocksFolder, ulid, name), join(tenantFolder, ulid, name), { recursive: true });
    }
    const meta = JSON.parse(await readFile(join(blocksFolder, ulid, 'meta.json'), 'utf8'));
    blocks.push({ block_id: ulid, min_time: meta.minTime, max_time: meta.maxTime, uploaded_at: 1_700_000_000 });
  }
  const updated_at = Math.floor(Date.now() / 1000);
  const index = { version: 1, blocks, block_deletion_marks: [], updated_at };
  await writeFile(join(tenantFolder, 'bucket-index.json.gz'), gzipSync(JSON.stringify(index)));
  return ulids;
}

describe('blocks that others cut', { skip, timeout: 240_000 }, () => {
  let folder: TempFolder;
  let target: ScrapeTarget;
  let prometheus: PrometheusServer;
  let snapshot: string;
  const times = { begin: 0, middle: 0, end: 0 };

  before(async () => {
    folder = await tempFolder('foreign-blocks');
    target = await startScrapeTarget();
    prometheus = await startPrometheus({
      version: 3,
      scrape: { self: '', target: target.address },
      flags: ['--web.enable-admin-api'],
    });
    times.begin = Math.floor(Date.now() / 1000) + 1;
    await sleep(scrapeMs);
    const answer = await fetch(`${prometheus.baseUrl}/api/v1/admin/tsdb/snapshot`, { method: 'POST' });
    const { data } = (await answer.json()) as { data: { name: string } };
    snapshot = join(prometheus.dataDir, 'snapshots', data.name);
    // The last second may be in the snapshot in part.
    times.end = Math.floor(Date.now() / 1000) - 2;
    times.middle = Math.floor((times.begin + times.end) / 2);
  });
  after(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await target?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const agree = async (maru: Maru): Promise<void> => {
    const failures: string[] = [];
    let asked = 0;
    for (const { query, agreement } of agreedExpressions(times.middle)) {
      // What lies after the snapshot is in one of the two only.
      if (/offset -|node_/.test(query)) continue;
      for (const [path, parameters] of [
        ['query', { query, time: times.middle + 0.4 }],
        ['query', { query, time: times.end }],
        ['query_range', { query, start: times.begin, end: times.end, step: '0.7' }],
      ] as const) {
        const expected = await ask({ baseUrl: prometheus.baseUrl }, path, parameters, 'POST');
        const actual = await ask({ baseUrl: maru.queryUrl }, path, parameters, 'POST');
        const differences = compareAnswers(expected, actual, agreement);
        asked++;
        if (differences.length > 0) failures.push(`${path} ${query}: ${differences.slice(0, 2).join('; ')}`);
      }
    }
    assert.deepEqual(failures, []);
    assert.ok(asked > 150, `${asked} asked`);
  };

  it('are answered as that Prometheus answers, from a folder', async () => {
    const data = join(folder.path, 'maru');
    const [ulid] = await mimirTenant(join(data, 'bucket/anonymous'), snapshot);
    assert.ok(ulid !== undefined);
    await using maru = await startMaru({ dataDir: data, args: quietArgs });
    await agree(maru);
    const counted = await fetch(`${maru.queryUrl}/api/v1/query?query=up&time=${times.end}&stats=all`);
    const { data: answered } = (await counted.json()) as { data: { stats: { blocks: Record<string, number> } } };
    const { blocks, requests, cachedBytes } = answered.stats.blocks;
    assert.deepEqual([blocks, requests, (cachedBytes ?? 0) > 0], [1, 0, true]);
    const shown = (await (await fetch(`${maru.baseUrl}/store-gateway/tenant/anonymous/blocks`)).json()) as {
      blocks: { ulid: string; state: string }[];
    };
    assert.deepEqual(
      shown.blocks.map((block) => [block.ulid, block.state]),
      [[ulid, 'open']],
    );
    const listed = (await (await fetch(`${maru.queryUrl}/api/v1/status/tsdb/blocks`)).json()) as {
      data: { blocks: { ulid: string }[] };
    };
    assert.deepEqual(
      listed.data.blocks.map((block) => block.ulid),
      [ulid],
    );
  });

  it('and from S3, beside tenants, blocks and objects that are none', async () => {
    await using server = await startVersitygw();
    const [ulid = ''] = await mimirTenant(join(server.folder, 'anonymous'), snapshot);
    const metaBytes = await readFile(join(snapshot, ulid, 'meta.json'));
    const meta = JSON.parse(metaBytes.toString()) as { readonly minTime: number };
    const strangers: [string, string | Buffer][] = [
      ['README.txt', 'hello'],
      ['..%2f/bucket-index.json.gz', 'x'],
      ['anonymous/debug/metas/x.json', '{}'],
      ['anonymous/01ARYZ6S41TSV4RRFFQ69G5FAV/meta.json', '{"version":9}'],
      ['anonymous/01ARYZ6S41TSV4RRFFQ69G5FAW/index', ''],
      ['broken-index/bucket-index.json.gz', 'no gzip'],
      ['bomb/bucket-index.json.gz', gzipSync(Buffer.alloc(300 << 20))],
      [`same-name/${ulid}/meta.json`, metaBytes],
      [`same-name/${ulid}/index`, ''],
    ];
    for (const [key, body] of strangers) {
      await mkdir(join(server.folder, key, '..'), { recursive: true });
      await writeFile(join(server.folder, key), body);
    }
    const block = { block_id: ulid, min_time: 0, max_time: 9e12, uploaded_at: 1 };
    const index = {
      version: 2,
      blocks: [block, { block_id: '../../anonymous' }],
      updated_at: Math.floor(Date.now() / 1000),
    };
    await writeFile(join(server.folder, 'same-name/bucket-index.json.gz'), gzipSync(JSON.stringify(index)));
    await using maru = await startMaru({
      args: [
        ...quietArgs,
        // A compactor would soon write new indexes in place of the broken ones.
        '--target=distributor,ingester,store-gateway,querier',
        '--cluster.instance=ingester-0',
        '--cluster.replication-factor=1',
        `--server.grpc-port=${await freePort()}`,
        '--tenancy.missing-header=anonymous',
        '--bucket.backend=s3',
        `--bucket.s3.endpoint=${server.endpoint}`,
        `--bucket.s3.bucket-name=${server.bucket}`,
      ],
      env: {
        AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
      },
    });
    await agree(maru);
    for (const tenant of ['broken-index', 'bomb', 'same-name']) {
      // Whether or not the index was brought up to meta.json meanwhile: a time of the block.
      const old = { query: 'up', time: tenant === 'same-name' ? meta.minTime / 1000 + 1 : 1_000_000_000 };
      const answer = await ask({ baseUrl: maru.queryUrl, tenant }, 'query', old, 'POST');
      assert.equal(answer.status, 'error', `${tenant}: ${JSON.stringify(answer)}`);
      assert.match(String(answer.error), new RegExp(tenant));
    }
    assert.ok(maru.isRunning());
    assert.match(maru.log(), /..\/..\/anonymous.* is no ULID/);
    const metrics = await (await fetch(`${maru.baseUrl}/metrics`)).text();
    assert.match(metrics, /maru_store_gateway_quarantined_blocks\{tenant="same-name"\} 1/);
    await agree(maru);
  });
});
