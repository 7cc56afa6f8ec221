/**
 * The table of the ring where the bucket is away, as real processes: who knows an older one than the others hears of that with their replies
 * and gets it from them.
 */
import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { healed, ingesterOf, Ledger, relaunch } from '../support/cluster-ledger.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('the table of the ring', { timeout: 120_000 }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({
      zones: ['a'],
      partitions: 1,
      replicationFactor: 1,
      args: ['--self-metrics.tenant=none'],
    });
    await healed(cluster);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('a querier that starts with an older one while the bucket is away has the newest from the others', async () => {
    await using folder = await tempFolder('table');
    const ledger = new Ledger(cluster, 'behind');
    await ledger.mustWrite(3);
    const { querier } = cluster;
    const copy = join(querier.dataDir, 'ring-table.json');
    const older = join(folder.path, 'older.json');
    await copyFile(copy, older);
    // A start of an ingester is an epoch.
    await ingesterOf(cluster, 'a-0').kill();
    await relaunch(ingesterOf(cluster, 'a-0'));
    await healed(cluster);
    await querier.kill();
    await copyFile(older, copy);
    const away = `${cluster.bucket}-away`;
    await rename(cluster.bucket, away);
    try {
      querier.launch();
      await ledger.checkOnceAnswered();
    } finally {
      await rename(away, cluster.bucket);
    }
  });
});
