/**
 * Three ingesters in three zones hold every sample, as real processes: what happens when one or two of them are killed, frozen or
 * come back with an empty disk. Acknowledged means there, and an answer is complete or an error that names what is missing.
 */
import assert from 'node:assert/strict';
import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { healed, ingesterOf, Ledger, relaunch, steadySeries } from '../support/cluster-ledger.ts';
import { freePort } from '../support/free-port.ts';
import { push } from '../support/push-client.ts';
import { queryAt } from '../support/query-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

describe('three replicas in three zones', { timeout: 240_000 }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ zones: ['a', 'b', 'c'], partitions: 1, replicationFactor: 3 });
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('the ring shows its members', async () => {
    await healed(cluster);
    const html = await fetch(`${cluster.querier.baseUrl}/ingester/partition-ring`, {
      headers: { accept: 'text/html' },
    });
    assert.match(await html.text(), /ingester-b-0/);
    const ledger = new Ledger(cluster, 'plain');
    await ledger.mustWrite(3);
    await ledger.check();
  });

  for (const lost of ['a-0', 'b-0', 'c-0']) {
    it(`${lost} is killed: writes and reads go on; it comes back and another one is killed: nothing is missing`, async () => {
      await healed(cluster);
      const ledger = new Ledger(cluster, `killed_${lost.replace('-', '_')}`);
      await ledger.mustWrite(3);
      await ingesterOf(cluster, lost).kill();
      await ledger.mustWrite(5);
      await ledger.check();
      await relaunch(ingesterOf(cluster, lost));
      await ledger.mustWrite(2);
      await healed(cluster);
      await ledger.mustWrite(2);
      const other = lost === 'c-0' ? 'a-0' : 'c-0';
      await ingesterOf(cluster, other).kill();
      await ledger.check();
      // The owner that was away must have learned the series that were new meanwhile.
      await ledger.writeUntilTaken();
      await ledger.mustWrite(2);
      await ledger.check();
      await relaunch(ingesterOf(cluster, other));
    });
  }

  it('one is killed and another frozen while reads are under way: each of them is complete', async () => {
    await healed(cluster);
    const ledger = new Ledger(cluster, 'under_way');
    await ledger.mustWrite(10);
    const meanwhile = async (act: () => Promise<void>): Promise<void> => {
      let isOver = false;
      const reading = async (): Promise<void> => {
        while (!isOver) await ledger.check();
      };
      const acting = act().finally(() => {
        isOver = true;
      });
      await Promise.all([acting, reading(), reading(), reading()]);
    };
    await meanwhile(async () => {
      await ingesterOf(cluster, 'a-0').kill();
      await relaunch(ingesterOf(cluster, 'a-0'));
      await healed(cluster);
    });
    // A read that had one of the links that broke may wait for the one that is frozen: those of before are over.
    await meanwhile(async () => {
      await ledger.mustWrite();
      ingesterOf(cluster, 'c-0').signal('SIGSTOP');
      await ledger.mustWrite(3).finally(() => ingesterOf(cluster, 'c-0').signal('SIGCONT'));
    });
  });

  it('one is frozen: writes and reads go on; when it goes on nothing is missing, also without another one', async () => {
    await healed(cluster);
    const ledger = new Ledger(cluster, 'frozen');
    await ledger.mustWrite(3);
    const frozen = ingesterOf(cluster, 'a-0');
    frozen.signal('SIGSTOP');
    try {
      await ledger.mustWrite(10);
      await ledger.check();
    } finally {
      frozen.signal('SIGCONT');
    }
    await healed(cluster);
    await ledger.mustWrite(2);
    await ingesterOf(cluster, 'b-0').kill();
    await ledger.check();
    await ledger.writeUntilTaken();
    await ledger.check();
    await relaunch(ingesterOf(cluster, 'b-0'));
  });

  it('two are killed: 503 with Retry-After that names them; afterwards everything that was acknowledged is there', async () => {
    await healed(cluster);
    const ledger = new Ledger(cluster, 'two');
    await ledger.mustWrite(3);
    await ingesterOf(cluster, 'b-0').kill();
    await ingesterOf(cluster, 'c-0').kill();
    const answer = await ledger.write();
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.text, /partition 0: .*ingester-b-0/);
    assert.match(answer.text, /ingester-c-0/);
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]/);
    const read = await ledger.read();
    assert.equal(read.status, 503, read.text);
    assert.match(read.text, /partition 0: .*ingester-b-0/);
    await relaunch(ingesterOf(cluster, 'b-0'));
    await healed(cluster);
    await ledger.mustWrite(3);
    await ledger.check();
    await relaunch(ingesterOf(cluster, 'c-0'));
    await ledger.check();
  });

  it('one comes back with an empty disk: its answer about the time before never counts', async () => {
    await healed(cluster);
    const ledger = new Ledger(cluster, 'emptied');
    await ledger.mustWrite(5);
    const emptied = ingesterOf(cluster, 'a-0');
    await emptied.kill();
    await rm(emptied.dataDir, { recursive: true, force: true });
    await relaunch(emptied);
    await healed(cluster);
    await ledger.mustWrite(3);
    await ledger.check();
    await ingesterOf(cluster, 'b-0').kill();
    await waitFor('the read is refused', async () => ((await ledger.read()).status === 503 ? true : undefined));
    const read = await ledger.read();
    assert.match(read.text, /ingester-a-0 \(zone a\) lacks what came before/);
    // Writes need two owners, whatever they held before.
    await ledger.writeUntilTaken();
    const accepted = await fetch(`${cluster.querier.baseUrl}/ingester/accept-loss?partition=0`, { method: 'POST' });
    assert.equal(accepted.status, 200, await accepted.text());
    // What the one that is left has, and nothing was its neighbours' alone.
    await ledger.checkOnceAnswered();
    const wrong = await fetch(`${cluster.querier.baseUrl}/ingester/accept-loss?partition=x`, { method: 'POST' });
    assert.equal(wrong.status, 400);
    await relaunch(ingesterOf(cluster, 'b-0'));
    await healed(cluster);
    await ledger.check();
  });
});

describe('a disk that was set back', { timeout: 120_000 }, () => {
  it('is believed about what comes later only, although nothing on it says so', async () => {
    await using cluster = await startCluster({ zones: ['a', 'b', 'c'], partitions: 1, replicationFactor: 3 });
    await healed(cluster);
    const ledger = new Ledger(cluster, 'set_back');
    await ledger.mustWrite(5);
    const older = ingesterOf(cluster, 'a-0');
    // As a snapshot of the volume is taken: while it runs.
    older.signal('SIGSTOP');
    await cp(older.dataDir, `${older.dataDir}-copy`, { recursive: true });
    older.signal('SIGCONT');
    await healed(cluster);
    await ledger.mustWrite(5);
    const mark = join(cluster.bucket, '~maru/disks/a/ingester-a-0.json');
    const position = async (): Promise<number> =>
      (JSON.parse(await readFile(mark, 'utf8')) as { position: number }).position;
    const written = Number(
      /^maru_ingester_wal_records_total (\d+)/m.exec(await (await fetch(`${older.baseUrl}/metrics`)).text())?.[1],
    );
    await waitFor('the bucket knows how far it is', async () => ((await position()) >= written ? true : undefined));
    await older.kill();
    await rm(older.dataDir, { recursive: true, force: true });
    await rename(`${older.dataDir}-copy`, older.dataDir);
    await rm(join(older.dataDir, 'lock'), { force: true });
    await relaunch(older);
    assert.match(older.log(), /an older copy of what it was/);
    await healed(cluster);
    await ledger.check();
    await ledger.mustWrite(2);
    await ingesterOf(cluster, 'b-0').kill();
    const read = await waitFor('the read is refused', async () => {
      const answer = await ledger.read();
      return answer.status === 503 ? answer : undefined;
    });
    assert.match(read.text, /ingester-a-0 \(zone a\) lacks what came before/);
    await relaunch(ingesterOf(cluster, 'b-0'));
    await healed(cluster);
    await ledger.check();
  });
});

describe('a disk that was lost', { timeout: 180_000 }, () => {
  it('is as good as before when the others have brought to the bucket what it had', async () => {
    await using cluster = await startCluster({
      zones: ['a', 'b', 'c'],
      partitions: 1,
      replicationFactor: 3,
      storeGateways: 1,
      compactors: 1,
      args: [
        '--query.bucket-index-max-age=10s',
        '--query.bucket-index-refresh=500ms',
        '--query.timeout=10s',
        '--ingester.ship-interval=1s',
        '--compactor.cleanup-interval=1s',
        '--self-metrics.tenant=none',
      ],
    });
    await healed(cluster);
    const ledger = new Ledger(cluster, 'lost', 5 * 3_600_000);
    await ledger.mustWrite(10);
    const lost = ingesterOf(cluster, 'a-0');
    await lost.kill();
    await rm(lost.dataDir, { recursive: true, force: true });
    // What it never had either.
    await ledger.mustWrite(3);
    await relaunch(lost);
    await healed(cluster);
    await ledger.mustWrite(3);
    const lacks = async (): Promise<boolean> => {
      const page = (await (await fetch(`${cluster.querier.baseUrl}/ingester/partition-ring`)).json()) as {
        partitions: { owners: { completeFrom: string | null }[] }[];
      };
      return page.partitions.some(({ owners }) => owners.some(({ completeFrom }) => completeFrom !== null));
    };
    assert.equal(await lacks(), true);
    await waitFor('it is whole', async () => ((await lacks()) ? undefined : true), { deadlineMs: 120_000 });
    await ingesterOf(cluster, 'b-0').kill();
    await ledger.writeUntilTaken();
    await ledger.check();
  });
});

describe('several partitions without replicas', { timeout: 120_000 }, () => {
  it('spreads the series, answers with all of them, and names the one that is away', async () => {
    await using cluster = await startCluster({ zones: ['a'], partitions: 3, replicationFactor: 1 });
    const ledger = new Ledger(cluster, 'spread');
    await healed(cluster);
    await ledger.mustWrite(5);
    await ledger.check();
    const counts = await Promise.all(
      [...cluster.ingesters.values()].map(async ({ baseUrl }) =>
        Number(
          /^maru_ingester_series\{tenant="anonymous"\} (\d+)/m.exec(
            await (await fetch(`${baseUrl}/metrics`)).text(),
          )?.[1] ?? 0,
        ),
      ),
    );
    assert.equal(
      counts.reduce((a, b) => a + b, 0),
      steadySeries + 5,
    );
    assert.ok(
      counts.every((count) => count > 0),
      `series of each: ${counts}`,
    );
    await ingesterOf(cluster, 'a-1').kill();
    const answer = await ledger.write();
    assert.equal(answer.status, 503);
    assert.match(answer.text, /partition 1: .*ingester-a-1/);
    assert.equal((await ledger.read()).status, 503);
    await relaunch(ingesterOf(cluster, 'a-1'));
    await healed(cluster);
    await ledger.writeUntilTaken();
    await ledger.check();
  });
});

describe('a limit of a tenant', { timeout: 60_000 }, () => {
  it('is divided among the partitions that share its series', async () => {
    const args = ['--limits.max-global-series-per-user=60'];
    await using cluster = await startCluster({ zones: ['a'], partitions: 3, replicationFactor: 1, args });
    await healed(cluster);
    const t = Date.now();
    const series = Array.from({ length: 400 }, (_, i) => ({
      labels: [
        ['__name__', 'limited'],
        ['i', `${i}`],
      ] as const,
      samples: [{ t, v: i }],
    }));
    const { status, text } = await push(cluster.distributor.baseUrl, series, { protocol: 'v1' });
    assert.equal(status, 400, text);
    assert.match(text, /per-user series limit of 60 exceeded/);
    const { result } = await queryAt({ baseUrl: cluster.querier.queryUrl }, 'count(limited)', t / 1000);
    assert.equal(result[0]?.value?.[1], '60');
  });
});

describe('an ingester that comes back with an empty disk', { timeout: 120_000 }, () => {
  it('is not believed about samples that some tenant may send ahead of their time', async () => {
    await using folder = await tempFolder('ahead');
    const overrides = join(folder.path, 'overrides.yaml');
    await writeFile(overrides, 'overrides:\n  ahead:\n    creation_grace_period: 1d\n');
    await using cluster = await startCluster({
      ...{ zones: ['a'], partitions: 1, replicationFactor: 1 },
      args: [`--runtime-config.file=${overrides}`],
    });
    const ingester = ingesterOf(cluster, 'a-0');
    await ingester.kill();
    await rm(ingester.dataDir, { recursive: true });
    await relaunch(ingester);
    const page = (await (await fetch(`${ingester.baseUrl}/ingester/partition-ring`)).json()) as {
      partitions: { owners: { completeFrom: string }[] }[];
    };
    const completeFrom = Date.parse(page.partitions[0]?.owners[0]?.completeFrom ?? '');
    assert.ok(completeFrom > Date.now() + 86_400_000, `complete from ${new Date(completeFrom).toISOString()}`);
  });
});

describe('a cluster that grows', { timeout: 120_000 }, () => {
  it('a second partition joins under load: every read is complete, and it takes its share', async () => {
    await using cluster = await startCluster({ zones: ['a'], partitions: 1, replicationFactor: 1 });
    await using folder = await tempFolder('grown');
    const ledger = new Ledger(cluster, 'grown');
    await healed(cluster);
    await ledger.mustWrite(3);
    let isOver = false;
    const reading = (async () => {
      while (!isOver) await ledger.check();
    })();
    const writing = (async () => {
      while (!isOver) await ledger.mustWrite();
    })();
    try {
      await using second = await startMaru({
        args: [...cluster.flags('ingester', 'ingester-a-1', 'a'), `--server.grpc-port=${await freePort()}`],
        dataDir: join(folder.path, 'data'),
      });
      await waitFor('the second partition is active', async () => {
        const page = (await (await fetch(`${second.baseUrl}/ingester/partition-ring`)).json()) as {
          partitions: { state: string }[];
        };
        return page.partitions.length === 2 && page.partitions.every(({ state }) => state === 'active')
          ? true
          : undefined;
      });
      await waitFor('it has series', async () =>
        /^maru_ingester_series\{tenant="anonymous"\} [1-9]/m.test(
          await (await fetch(`${second.baseUrl}/metrics`)).text(),
        )
          ? true
          : undefined,
      );
      isOver = true;
      await Promise.all([reading, writing]);
      await ledger.check();
    } finally {
      isOver = true;
    }
  });
});
