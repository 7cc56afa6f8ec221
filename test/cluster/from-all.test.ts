/**
 * The way from one process to a cluster, as docs/cluster.md says it: drain, copy the bucket folder to a real S3 server, start. Every sample that
 * was acknowledged is there after it, and who forgets to drain is stopped.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { S3Bucket } from '../../libs/object-store/s3.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { openFileReader } from '../../libs/std/range-reader.ts';
import { healed, Ledger } from '../support/cluster-ledger.ts';
import { skipWithout } from '../support/find-server.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type Maru, runMaru, startMaru } from '../support/start-maru.ts';
import { type S3Server, startVersitygw } from '../support/start-versitygw.ts';
import { waitFor } from '../support/wait-until.ts';

const hourMs = 3_600_000;

/** As any S3 client copies a folder. */
async function copyFolder(folder: string, { endpoint, bucket, credentials }: S3Server): Promise<number> {
  const s3 = new S3Bucket({
    bucket,
    prefix: '',
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
    encryption: 'none',
    kmsKeyId: '',
    attemptsMax: 3,
    timeoutMs: 10_000,
    connectionsMax: 8,
    onRetry: () => undefined,
  });
  let count = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const key = relative(folder, path);
    if (!entry.isFile() || key.startsWith('~staging')) continue;
    await using reader = await openFileReader(realDisk, path);
    await s3.put(key, { path, bytes: reader.size }, { signal: AbortSignal.timeout(10_000) });
    count++;
  }
  return count;
}

async function drainState(maru: Maru, method: 'GET' | 'POST'): Promise<string> {
  const response = await fetch(`${maru.baseUrl}/ingester/drain`, { method });
  const { state } = (await response.json()) as { state: string };
  assert.equal(response.status, state === 'draining' ? 202 : 200);
  return state;
}

describe('from one process to a cluster', { skip: skipWithout('versitygw'), timeout: 180_000 }, () => {
  it('drain, copy, start: every sample is there', async () => {
    const common = [
      '--query.bucket-index-refresh=500ms',
      '--compactor.cleanup-interval=1s',
      '--self-metrics.tenant=none',
    ];
    await using s3 = await startVersitygw();
    await using maru = await startMaru({ args: [...common, '--ingester.ship-interval=1s'] });
    const alone = { distributor: maru, querier: maru };
    const ledgers = [new Ledger(alone, 'old', 11 * hourMs), new Ledger(alone, 'fresh')];
    for (const ledger of ledgers) await ledger.mustWrite(30);
    await maru.kill();
    const undrained = runMaru([
      '--target=ingester',
      '--cluster.instance=ingester-0',
      `--data-dir=${maru.dataDir}`,
      '--server.http-port=0',
      '--server.grpc-port=0',
    ]);
    assert.equal((await undrained.exited).code, 1, undrained.output());
    assert.match(undrained.output(), /holds samples that the other 2 owners .* drain it/);
    maru.launch();
    await maru.ready();
    for (const ledger of ledgers) {
      await ledger.mustWrite(5);
      await ledger.check();
    }

    await drainState(maru, 'POST');
    const refused = await ledgers[0]?.write();
    assert.equal(refused?.status, 503);
    assert.match(refused?.text ?? '', /draining/);
    await waitFor('drained', async () => ((await drainState(maru, 'GET')) === 'drained' ? true : undefined), {
      deadlineMs: 60_000,
    });
    for (const ledger of ledgers) await ledger.check();
    await maru.stop();
    assert.ok((await copyFolder(join(maru.dataDir, 'bucket'), s3)) > 5);

    await using cluster: Cluster = await startCluster({
      zones: ['a', 'b', 'c'],
      partitions: 1,
      replicationFactor: 3,
      storeGateways: 2,
      compactors: 1,
      args: common,
      s3,
    });
    await healed(cluster);
    for (const ledger of ledgers) {
      ledger.moveTo(cluster);
      // Until the querier has heard that store-gateways are there, it says so in an error.
      await ledger.checkOnceAnswered();
      await ledger.mustWrite(5);
      await ledger.check();
    }
  });
});
