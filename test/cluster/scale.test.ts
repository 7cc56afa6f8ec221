/**
 * From three ingesters to six and back, as real processes, while known series are written and asked for all the time, over gRPC and through
 * Kafka: no write is refused, every answer has every acknowledged sample, also when the ingesters that left are gone with their disks.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { FilesystemBucket } from '../../libs/object-store/filesystem.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { healed, ingesterOf, Ledger } from '../support/cluster-ledger.ts';
import { drain, partitionStates } from '../support/drain-ingester.ts';
import { skipWithout } from '../support/find-server.ts';
import { freePort } from '../support/free-port.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type KafkaBroker, startKafka } from '../support/start-kafka.ts';
import { type Maru, startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { GiveUp, waitFor } from '../support/wait-until.ts';

const zones = ['a', 'b', 'c'];
const hourMs = 3_600_000;

/** An ingester of the partition that comes and goes. */
async function startSecond(cluster: Cluster, zone: string, folder: string): Promise<Maru> {
  return await startMaru({
    args: [...cluster.flags('ingester', `ingester-${zone}-1`, zone), `--server.grpc-port=${await freePort()}`],
    dataDir: join(folder, zone),
  });
}

const topic = 'maru-ingest';
const hasSeries = /^maru_ingester_series\{tenant="anonymous"\} [1-9]/m;

const modes = [
  { name: 'writes over gRPC', isLogged: false },
  { name: 'writes through Kafka', isLogged: true },
];

for (const { name, isLogged } of modes) {
  const skip = isLogged ? skipWithout('kafka') : false;
  describe(`a cluster that grows and shrinks, ${name}`, { timeout: 300_000, skip }, () => {
    let broker: KafkaBroker | undefined;
    let cluster: Cluster;
    before(async () => {
      broker = isLogged ? await startKafka() : undefined;
      cluster = await startCluster({
        zones,
        partitions: 1,
        replicationFactor: 3,
        storeGateways: 1,
        compactors: 1,
        args: [
          '--query.bucket-index-max-age=10s',
          '--query.bucket-index-refresh=500ms',
          '--query.timeout=15s',
          '--ingester.ship-interval=1s',
          '--compactor.cleanup-interval=1s',
          '--compactor.first-level-compaction-wait-period=0s',
          '--compactor.compaction-interval=3s',
          '--self-metrics.tenant=none',
          ...(broker === undefined
            ? []
            : ['--ingest.log=kafka', `--kafka.brokers=${broker.address}`, '--kafka.partitions=2']),
        ],
      });
      await healed(cluster);
    });
    after(async () => {
      await cluster?.[Symbol.asyncDispose]();
      await broker?.[Symbol.asyncDispose]();
    });

    it('from three ingesters to six and back, with one of those that leave killed meanwhile', async () => {
      await using folder = await tempFolder('grown');
      // Longer ago than ingesters alone are asked for: blocks must be known for every answer.
      const ledger = new Ledger(cluster, 'scaled', 5 * hourMs);
      await ledger.mustWrite(3);
      // The compactor is stopped below, and where there is no index at all a block of some age is an error: there is one from another day.
      const ulid = makeUlid(Date.now() - 25 * hourMs, randomBytes(10));
      const from = Date.now() - 26 * hourMs;
      const old = [{ labels: Labels.from([['__name__', 'old']]), samples: [{ t: from, v: 1 }] }];
      await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series: old });
      await uploadBlock(
        new FilesystemBucket(cluster.bucket),
        parseTenantId('anonymous'),
        ulid,
        join(folder.path, ulid),
        AbortSignal.timeout(10_000),
      );
      await waitFor('the first index', async () => {
        const [compactor] = cluster.compactors;
        const text = await (await fetch(`${compactor?.baseUrl}/metrics`)).text();
        return /^maru_compactor_blocks\{tenant="anonymous"\} [1-9]/m.test(text) ? true : undefined;
      });
      let isOver = false;
      const counts = { reads: 0, writes: 0 };
      const reading = (async () => {
        while (!isOver) {
          await ledger.check();
          counts.reads++;
          await sleep(50);
        }
      })();
      const writing = (async () => {
        while (!isOver) {
          await ledger.mustWrite();
          counts.writes++;
          await sleep(50);
        }
      })();
      const joined: Maru[] = [];
      const scaling = (async () => {
        try {
          joined.push(...(await Promise.all(zones.map((zone) => startSecond(cluster, zone, folder.path)))));
          const [first, second] = joined as [Maru, Maru, Maru];
          await waitFor('the second partition is active', async () =>
            (await partitionStates(cluster.querier)) === '0 active, 1 active' ? true : undefined,
          );
          await waitFor('it has series', async () =>
            hasSeries.test(await (await fetch(`${first.baseUrl}/metrics`)).text()) ? true : undefined,
          );
          const before = counts.reads;
          await waitFor('reads of both', () => (counts.reads > before + 2 ? true : undefined));

          // Without a compactor no index names what is shipped: until one does nobody may leave.
          const [compactor] = cluster.compactors;
          compactor?.signal('SIGSTOP');
          assert.deepEqual(await drain(first, 'GET'), { status: 200, state: 'none', waitsFor: null });
          const begun = await drain(first, 'POST');
          assert.equal(begun.state, 'draining', JSON.stringify(begun));
          assert.equal(begun.status, 202);
          await waitFor('its other owners leave as well', async () =>
            (await drain(second, 'GET')).state === 'draining' ? true : undefined,
          );
          for (const one of joined) {
            await waitFor('it waits for the index', async () => {
              const { state, waitsFor } = await drain(one, 'GET');
              if (state === 'drained') throw new GiveUp('drained, and no index names its blocks');
              return /index does not name/.test(waitsFor ?? '') ? true : undefined;
            });
          }
          await second.kill();
          const alone = counts.reads;
          await waitFor('reads meanwhile', () => (counts.reads > alone + 2 ? true : undefined));
          compactor?.signal('SIGCONT');
          second.launch();
          for (const one of joined) {
            await waitFor('drained', async () => ((await drain(one, 'GET')).state === 'drained' ? true : undefined), {
              deadlineMs: 150_000,
              everyMs: 250,
            });
          }
          assert.equal(await partitionStates(cluster.querier), '0 active');
          for (const { baseUrl } of joined) {
            const ready = await fetch(`${baseUrl}/ready`);
            assert.equal(ready.status, 503);
            assert.match(await ready.text(), /has left the ring/);
          }
          for (const one of joined) await one.stop();
          await rm(folder.path, { recursive: true, force: true });
          const [reads, writes] = [counts.reads, counts.writes];
          await waitFor('reads and writes after it', () =>
            counts.reads > reads + 2 && counts.writes > writes + 5 ? true : undefined,
          );
        } finally {
          isOver = true;
          for (const one of joined) await one.kill();
        }
      })();
      await Promise.all([scaling, reading, writing]);
      await ledger.check();
      assert.ok(ledger.acknowledged.size > 500, `${ledger.acknowledged.size} samples`);
    });

    it('the last partition does not leave', async () => {
      const answer = await drain(ingesterOf(cluster, 'a-0'), 'POST');
      assert.equal(answer.status, 400);
      assert.match(answer.error ?? '', /partition 0 is the only active one/);
      assert.equal((await drain(ingesterOf(cluster, 'a-0'), 'GET')).state, 'none');
      await new Ledger(cluster, 'after').mustWrite(2);
    });

    it('a partition that comes again takes writes, whatever came too late for it was deleted meanwhile', {
      skip: isLogged ? false : 'there is no log',
    }, async () => {
      assert.ok(broker !== undefined);
      // It was refused when the partition had left: nobody has read it, and retention takes it.
      const kafka = new Kafka({ clientId: 'test', brokers: [broker.address], logLevel: logLevel.NOTHING });
      const [producer, admin] = [kafka.producer(), kafka.admin()];
      await Promise.all([producer.connect(), admin.connect()]);
      await producer.send({ topic, messages: [{ partition: 1, key: 'late', value: 'x', headers: { maru: 'maru' } }] });
      const offsets = await admin.fetchTopicOffsets(topic);
      const end = offsets.find(({ partition }) => partition === 1)?.high ?? '0';
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: end }] });
      await Promise.all([producer.disconnect(), admin.disconnect()]);
      await using folder = await tempFolder('again');
      const ledger = new Ledger(cluster, 'again');
      await ledger.mustWrite(3);
      const joined = await Promise.all(zones.map((zone) => startSecond(cluster, zone, folder.path)));
      try {
        await waitFor('the second partition is active', async () =>
          (await partitionStates(cluster.querier)) === '0 active, 1 active' ? true : undefined,
        );
        await ledger.mustWrite(20);
        await ledger.check();
        const [first] = joined;
        assert.match(await (await fetch(`${first?.baseUrl}/metrics`)).text(), hasSeries);
      } finally {
        for (const one of joined) await one.kill();
      }
    });
  });
}
