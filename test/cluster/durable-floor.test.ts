/**
 * What is older than the durable floor of a partition is in blocks: it is answered although no ingester is there, as real processes. What is
 * younger is an error then, never an answer that leaves it out.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { FilesystemBucket } from '../../libs/object-store/filesystem.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { healed, ingesterOf, Ledger, relaunch } from '../support/cluster-ledger.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const hourMs = 3_600_000;
const tenant = parseTenantId('anonymous');

describe('without any ingester', { timeout: 120_000 }, () => {
  const oldMs = Math.floor(Date.now() / hourMs) * hourMs - 26 * hourMs;
  let cluster: Cluster;
  const read = async (form: Record<string, string>): Promise<{ status: number; text: string }> => {
    const response = await fetch(`${cluster.querier.queryUrl}/api/v1/query?${new URLSearchParams(form)}`);
    return { status: response.status, text: await response.text() };
  };
  before(async () => {
    cluster = await startCluster({
      zones: ['a'],
      partitions: 2,
      replicationFactor: 1,
      storeGateways: 1,
      compactors: 1,
      args: ['--compactor.cleanup-interval=500ms', '--query.bucket-index-refresh=500ms', '--self-metrics.tenant=none'],
    });
    await healed(cluster);
    await using folder = await tempFolder('old');
    const ulid = makeUlid(oldMs, randomBytes(10));
    const series = [{ labels: Labels.from([['__name__', 'old']]), samples: [{ t: oldMs, v: 7 }] }];
    await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series });
    const bucket = new FilesystemBucket(cluster.bucket);
    await uploadBlock(bucket, tenant, ulid, join(folder.path, ulid), AbortSignal.timeout(10_000));
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('yesterday is answered, the last hours are an error that names who is missing', async () => {
    const ledger = new Ledger(cluster, 'recent');
    await ledger.mustWrite(3);
    const yesterday = { query: 'old', time: String(oldMs / 1000) };
    await waitFor('the block is known', async () => ((await read(yesterday)).text.includes('"7"') ? true : undefined));
    const ingesters = ['a-0', 'a-1'].map((name) => ingesterOf(cluster, name));
    await Promise.all(ingesters.map((one) => one.kill()));
    const old = await read(yesterday);
    assert.equal(old.status, 200, old.text);
    assert.ok(old.text.includes('"7"') && !old.text.includes('warnings'), old.text);
    const recent = await ledger.read();
    assert.equal(recent.status, 503, recent.text);
    assert.match(recent.text, /partition [01]: .*ingester-a-[01]/);
    // The span of this one begins with what is in blocks and ends with what is not.
    assert.equal((await read({ query: 'count_over_time(old[27h])' })).status, 503);
    for (const one of ingesters) await relaunch(one);
    await ledger.checkOnceAnswered();
  });
});
