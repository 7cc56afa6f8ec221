/**
 * A process among others while the bucket does not answer at all: what it knows of the others stays true, and a write into the log counts.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import fastify from 'fastify';
import { readConfig } from '../../libs/config/read-config.ts';
import type { BucketObject } from '../../libs/object-store/bucket.ts';
import { MemoryBucket } from '../../libs/object-store/memory.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { Metrics } from '../../libs/telemetry/metrics.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { waitFor } from '../../test/support/wait-until.ts';
import { clusterKeys } from './config.ts';
import { Cluster, type ClusterDeps } from './service.ts';

const tablePeriodMs = 20;

/** Answers, until it does not answer any more. */
class SilentBucket extends MemoryBucket {
  isSilent = false;
  asked = 0;

  override async get(...asked: Parameters<MemoryBucket['get']>): Promise<BucketObject> {
    if (!this.isSilent) return super.get(...asked);
    this.asked++;
    return new Promise(() => undefined);
  }
}

const noRooms: ClusterDeps['rooms'] = {
  ingester: false,
  distributor: false,
  querier: false,
  queryFrontend: false,
  storeGateway: false,
  compactor: false,
};

function clusterOf(
  bucket: SilentBucket,
  folder: string,
  instance: string,
  rooms: Partial<ClusterDeps['rooms']>,
): Cluster {
  const args = [
    `--cluster.instance=${instance}`,
    '--cluster.zone=a',
    '--cluster.replication-factor=1',
    `--cluster.table-period=${tablePeriodMs}ms`,
  ];
  const { cluster } = readConfig({ cluster: clusterKeys }, { args, env: {} }, '');
  return new Cluster(cluster, {
    app: fastify(),
    log: createLogger({ level: 'error', format: 'json' }).child({}, { level: 'silent' }),
    metrics: new Metrics('0'),
    bucket,
    dataDir: join(folder, instance),
    redisUrl: '',
    grpc: { address: '127.0.0.1', port: 0 },
    rooms: { ...noRooms, ...rooms },
    creationGraceMs: () => 0,
    followsLog: true,
    nowMs: Date.now,
    onFatal: (error) => assert.fail(String(error)),
  });
}

it('a bucket that does not answer holds up neither the look at the ingesters nor a write into the log', async () => {
  await using folder = await tempFolder('cluster-room');
  const bucket = new SilentBucket();
  const ingester = clusterOf(bucket, folder.path, 'ingester-0', { ingester: true });
  const distributor = clusterOf(bucket, folder.path, 'distributor', { distributor: true });
  try {
    await ingester.start();
    await ingester.join({ hasHole: false, hasSamples: false, logPosition: 0 }, () => undefined);
    await distributor.start();
    const owner = await waitFor('the partition is active', () => {
      const partition = distributor.table?.partitions[0];
      return partition?.state === 'active' ? partition.owners[0] : undefined;
    });
    const peer = distributor.peers?.of(owner);
    assert.ok(peer !== undefined);

    bucket.isSilent = true;
    await waitFor('the bucket is asked, and does not answer', () => (bucket.asked > 0 ? true : undefined));
    const silentFromMs = performance.now();
    // Longer than what the bucket has said about the partition is good for.
    await waitFor('the ingester is asked again and again', () =>
      peer.heardAtMs > silentFromMs + 10 * tablePeriodMs ? true : undefined,
    );
    assert.equal(await distributor.isRead(0), true);
  } finally {
    await distributor.stop();
    await ingester.stop();
  }
});
