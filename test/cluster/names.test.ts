/**
 * Two processes with one name, as real processes: whoever is there keeps the place; a frozen one that wakes up and finds it taken ends, and
 * nothing that was acknowledged meanwhile was its own alone.
 */
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { healed, ingesterOf, Ledger } from '../support/cluster-ledger.ts';
import { freePort } from '../support/free-port.ts';
import { startCluster } from '../support/start-cluster.ts';
import { runMaru, startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('two with one name', { timeout: 120_000 }, () => {
  it('the place is not given away while its owner answers, and taken for good from one that is frozen', async () => {
    await using cluster = await startCluster({ zones: ['a', 'b', 'c'], partitions: 1, replicationFactor: 3 });
    await using folder = await tempFolder('names');
    await healed(cluster);
    const ledger = new Ledger(cluster, 'names');
    await ledger.mustWrite(5);
    const first = ingesterOf(cluster, 'a-0');
    const flags = cluster.flags('ingester', 'ingester-a-0', 'a');

    // A copy of its folder, as a volume that was restored beside the one in use: the same incarnation, one start more.
    const copy = join(folder.path, 'copy');
    first.signal('SIGSTOP');
    await cp(first.dataDir, copy, { recursive: true });
    await rm(join(copy, 'lock'), { force: true });
    first.signal('SIGCONT');
    await healed(cluster);
    const twin = runMaru([...flags, '--server.grpc-port=0', '--server.http-port=0', `--data-dir=${copy}`]);
    assert.equal((await twin.exited).code, 1, twin.output());
    assert.match(twin.output(), /another process called .*ingester-a-0.* answers at .* or a copy of this one/);
    await ledger.mustWrite(2);
    await ledger.check();

    first.signal('SIGSTOP');
    await using second = await startMaru({
      args: [...flags, `--server.grpc-port=${await freePort()}`],
      dataDir: join(folder.path, 'second'),
    });
    await ledger.writeUntilTaken();
    await ledger.check();
    first.signal('SIGCONT');
    assert.equal((await first.exited()).code, 1, first.log());
    assert.match(first.log(), /the place of ingester-a-0 in the ring was taken by a process at/);
    await ledger.mustWrite(5);
    await ledger.check();
    assert.ok(second.isRunning());
  });
});
