/**
 * Several compactors that share tenants and jobs by leases in a real Redis, as real processes: no piece of work is done twice, and when one
 * is killed the others take its share. While Redis is away the last known ones go on.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { FilesystemBucket } from '../../libs/object-store/filesystem.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { skipWithout } from '../support/find-server.ts';
import { startCluster } from '../support/start-cluster.ts';
import type { Maru } from '../support/start-maru.ts';
import { startRedis } from '../support/start-redis.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const hourMs = 3_600_000;
const tenants = Array.from({ length: 12 }, (_, i) => parseTenantId(`team-${i}`));

/** Samples of a metric, by their labels. */
async function metrics(maru: Maru, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${maru.baseUrl}/metrics`)).text();
  const found = new Map<string, number>();
  for (const [, labels = '', value] of text.matchAll(new RegExp(`^${name}(?:\\{([^}]*)\\})? (.*)$`, 'gm'))) {
    found.set(labels, Number(value));
  }
  return found;
}

const mergesOf = async (maru: Maru): Promise<number> =>
  (await metrics(maru, 'maru_compactor_jobs_total')).get('outcome="success"') ?? 0;

describe('several compactors', { skip: skipWithout('redis'), timeout: 180_000 }, () => {
  it('share the work, and take over what another one had', async () => {
    await using redis = await startRedis();
    await using cluster = await startCluster({
      zones: ['a'],
      partitions: 1,
      replicationFactor: 1,
      compactors: 3,
      args: [
        `--redis.url=${redis.url}`,
        '--cluster.lease-duration=1500ms',
        '--compactor.cleanup-interval=500ms',
        '--compactor.compaction-interval=500ms',
        '--compactor.first-level-compaction-wait-period=0s',
        '--self-metrics.tenant=none',
      ],
    });
    await using folder = await tempFolder('cut');
    const bucket = new FilesystemBucket(cluster.bucket);
    const { signal } = new AbortController();
    const from = (Math.floor(Date.now() / (24 * hourMs)) - 3) * 24 * hourMs;
    /** Two blocks of each tenant that are one job. */
    const upload = async (range: number): Promise<void> => {
      for (const tenant of tenants) {
        for (let i = 0; i < 2; i++) {
          const minTime = from + range * 2 * hourMs;
          const labels = Labels.from([
            ['__name__', 'm'],
            ['i', `${i}`],
          ]);
          const samples = Array.from({ length: 10 }, (_, j) => ({ t: minTime + j * 1000, v: j }));
          const ulid = makeUlid(minTime, randomBytes(10));
          const extras = { minTime, maxTime: minTime + 2 * hourMs };
          await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series: [{ labels, samples }], extras });
          await uploadBlock(bucket, tenant, ulid, join(folder.path, ulid), signal);
        }
      }
    };
    const running = (): Maru[] => cluster.compactors.filter((maru) => maru.isRunning());
    const merges = async (): Promise<number[]> => Promise.all(running().map(mergesOf));
    const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
    const waitForMerges = (count: number): Promise<true> =>
      waitFor(`${count} merges`, async () => (sum(await merges()) >= count ? true : undefined), { deadlineMs: 60_000 });

    await upload(0);
    await waitForMerges(tenants.length);
    const shares = await merges();
    assert.equal(sum(shares), tenants.length, `${shares}`);
    assert.ok(shares.filter((count) => count > 0).length >= 2, `${shares}`);
    const cleaned = await Promise.all(running().map((maru) => metrics(maru, 'maru_compactor_blocks')));
    const names = cleaned.flatMap((found) => [...found.keys()]);
    assert.deepEqual(names.toSorted(), tenants.map((tenant) => `tenant="${tenant}"`).toSorted());

    const [first, second, third] = cluster.compactors;
    await first?.kill();
    await waitFor('the others look after all tenants', async () => {
      const found = await Promise.all(running().map((maru) => metrics(maru, 'maru_compactor_blocks')));
      return found.flatMap((one) => [...one.keys()]).length === tenants.length ? true : undefined;
    });
    const before = sum(await merges());
    await upload(20);
    await waitForMerges(before + tenants.length);
    assert.equal(sum(await merges()), before + tenants.length);

    await redis.kill();
    const beforeAway = sum(await merges());
    await upload(30);
    await waitForMerges(beforeAway + tenants.length);
    assert.equal(sum(await merges()), beforeAway + tenants.length);
    await redis.launch();
    first?.launch();
    await first?.ready();
    for (const maru of [second, third]) assert.ok(maru?.isRunning());
  });
});
