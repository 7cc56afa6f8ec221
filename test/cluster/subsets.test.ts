/**
 * A tenant is spread over one partition, over all, and over one again, as real processes: what it had before is read all the time, wherever
 * it went then.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { healed, Ledger } from '../support/cluster-ledger.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type TempFolder, tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

describe('the partitions that a tenant is spread over', { timeout: 120_000 }, () => {
  let cluster: Cluster;
  let folder: TempFolder;
  const spreadOver = (size: number): Promise<void> =>
    writeFile(
      join(folder.path, 'runtime.yaml'),
      `overrides:\n  anonymous:\n    ingestion_partitions_tenant_shard_size: ${size}\n`,
    );
  /** Series in each ingester. */
  const held = (): Promise<number[]> =>
    Promise.all(
      [...cluster.ingesters.values()].map(async ({ baseUrl }) => {
        const text = await (await fetch(`${baseUrl}/metrics`)).text();
        return Number(/^maru_ingester_series\{tenant="anonymous"\} (\d+)/m.exec(text)?.[1] ?? 0);
      }),
    );
  before(async () => {
    folder = await tempFolder('runtime');
    await spreadOver(1);
    cluster = await startCluster({
      zones: ['a'],
      partitions: 3,
      replicationFactor: 1,
      args: [
        '--self-metrics.tenant=none',
        // What one partition holds when the tenant is spread over more is more than a third of it.
        '--limits.max-global-series-per-user=60',
        `--runtime-config.file=${join(folder.path, 'runtime.yaml')}`,
        '--runtime-config.reload-period=50ms',
      ],
    });
    await healed(cluster);
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  it('become more and fewer, and nothing is missing', async () => {
    const ledger = new Ledger(cluster, 'spread');
    await ledger.mustWrite(5);
    await ledger.check();
    assert.equal((await held()).filter((count) => count > 0).length, 1);
    await spreadOver(3);
    await waitFor('all partitions have some', async () => {
      await ledger.mustWrite();
      return (await held()).every((count) => count > 0) ? true : undefined;
    });
    await ledger.check();
    await spreadOver(1);
    await waitFor('only one of them takes what is new', async () => {
      const before = await held();
      await ledger.mustWrite(10);
      const after = await held();
      return after.filter((count, i) => count > (before[i] ?? 0)).length === 1 ? true : undefined;
    });
    await ledger.check();
  });
});
