import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { Failure } from '../errors/failure.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { MemoryBucket } from '../object-store/memory.ts';
import { realDisk } from '../std/disk.ts';
import { countStart } from './incarnation.ts';
import { encodeTable, type RingTable } from './table.ts';
import { TableStore } from './table-store.ts';

const tableOf = (epoch: number, clusterId = 'c'): RingTable => ({
  version: 1,
  clusterId,
  epoch,
  replicationFactor: 1,
  partitions: [],
  gateways: [],
});
const next = (table: RingTable | undefined): RingTable => tableOf((table?.epoch ?? 0) + 1);

async function storeOf(bucket: Bucket, dataDir: string, wrong: string[] = [], nowMs = () => 0): Promise<TableStore> {
  const onWrong = (reason: string): void => void wrong.push(reason);
  return TableStore.open({ bucket, disk: realDisk, dataDir, clusterId: 'c', onWrong, nowMs });
}

/** A bucket that can go away. */
function fragile(bucket: Bucket): Bucket & { away: boolean } {
  const proxy = {
    away: false,
    name: bucket.name,
    get: (...args: Parameters<Bucket['get']>) => through(() => bucket.get(...args)),
    getRange: (...args: Parameters<Bucket['getRange']>) => through(() => bucket.getRange(...args)),
    stat: (...args: Parameters<Bucket['stat']>) => through(() => bucket.stat(...args)),
    put: (...args: Parameters<Bucket['put']>) => through(() => bucket.put(...args)),
    delete: (...args: Parameters<Bucket['delete']>) => through(() => bucket.delete(...args)),
    filePath: (key: string) => bucket.filePath(key),
    async *list(...args: Parameters<Bucket['list']>) {
      if (proxy.away) throw new Failure('unavailable', 'the bucket is away');
      yield* bucket.list(...args);
    },
  };
  const through = <T>(act: () => Promise<T>): Promise<T> =>
    proxy.away ? Promise.reject(new Failure('unavailable', 'the bucket is away')) : act();
  return proxy;
}

describe('the table in the bucket', () => {
  it('who publishes at the same time wins different epochs, and everybody comes to know the last', async () => {
    await using folder = await tempFolder('ring');
    const bucket = new MemoryBucket();
    const stores = await Promise.all(
      Array.from({ length: 5 }, (_, i) => storeOf(bucket, join(folder.path, String(i)))),
    );
    const tables = await Promise.all(stores.map((store) => store.publish(next)));
    assert.deepEqual(tables.map((table) => table?.epoch).toSorted(), [1, 2, 3, 4, 5]);
    for (const store of stores) {
      await store.refresh();
      assert.equal(store.current?.epoch, 5);
    }
    assert.equal((await storeOf(bucket, join(folder.path, 'late'))).current?.epoch, 5);
  });

  it('takes tables from many at once, and has the newest on its disk', async () => {
    await using folder = await tempFolder('ring');
    const bucket = fragile(new MemoryBucket());
    const store = await storeOf(bucket, folder.path);
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.takeFromPeer(encodeTable(tableOf(i + 1)))));
    assert.equal(store.current?.epoch, 20);
    bucket.away = true;
    assert.equal((await storeOf(bucket, folder.path)).current?.epoch, 20);
  });

  it('goes by the copy on its disk while the bucket is away, and then learns what it missed', async () => {
    await using folder = await tempFolder('ring');
    const bucket = fragile(new MemoryBucket());
    const store = await storeOf(bucket, folder.path);
    await store.publish(next);
    bucket.away = true;
    const wrong: string[] = [];
    const again = await storeOf(bucket, folder.path, wrong);
    assert.equal(again.current?.epoch, 1);
    assert.match(wrong.join(), /bucket is away/);
    await assert.rejects(again.publish(next), /bucket is away/);
    bucket.away = false;
    await store.publish(next);
    const heard: number[] = [];
    again.onChange(({ epoch }) => heard.push(epoch));
    await again.refresh();
    assert.deepEqual(heard, [2]);
  });

  it('never goes back: an emptied bucket is told and not adopted', async () => {
    await using folder = await tempFolder('ring');
    const store = await storeOf(new MemoryBucket(), folder.path);
    for (let i = 0; i < 3; i++) await store.publish(next);
    const wrong: string[] = [];
    const again = await storeOf(new MemoryBucket(), folder.path, wrong);
    assert.equal(again.current?.epoch, 3);
    assert.match(wrong.join(), /has no table of the ring, but epoch 3 is known/);
  });

  it("does not take another cluster's table", async () => {
    await using folder = await tempFolder('ring');
    const bucket = new MemoryBucket();
    const other = await TableStore.open({
      bucket,
      disk: realDisk,
      dataDir: join(folder.path, 'other'),
      clusterId: 'other',
      onWrong: () => undefined,
      nowMs: () => 0,
    });
    await other.publish(() => tableOf(1, 'other'));
    await assert.rejects(storeOf(bucket, join(folder.path, 'own')), /of cluster "other", this process of "c"/);
    // With a table of its own it goes on, and says so.
    const ownFolder = join(folder.path, 'known');
    await (await storeOf(new MemoryBucket(), ownFolder)).publish(next);
    const wrong: string[] = [];
    const store = await storeOf(bucket, ownFolder, wrong);
    assert.equal(store.current?.clusterId, 'c');
    assert.match(wrong.join(), /of cluster "other"/);
    await other.publish((table) => tableOf((table?.epoch ?? 0) + 1, 'other'));
    await assert.rejects(store.publish(next), /of cluster "other"/);
  });

  it('old tables are deleted; who is far behind finds the newest one, and never writes an epoch a second time', async () => {
    await using folder = await tempFolder('ring');
    let nowMs = 1_000_000;
    const bucket = new MemoryBucket(() => nowMs);
    const store = await storeOf(bucket, join(folder.path, 'own'));
    const frozen = await storeOf(bucket, join(folder.path, 'frozen'));
    const waking = await storeOf(bucket, join(folder.path, 'waking'));
    let ownNowMs = 0;
    const stopped = await storeOf(bucket, join(folder.path, 'stopped'), [], () => ownNowMs);
    for (let i = 0; i < 150; i++) {
      await store.publish(next);
      if (i === 0) for (const one of [frozen, waking, stopped]) await one.refresh();
    }
    const epochs = async (): Promise<string[]> => {
      const keys: string[] = [];
      for await (const entry of bucket.list('~maru/ring/', {
        delimiter: false,
        signal: new AbortController().signal,
      })) {
        if (entry.kind === 'object') keys.push(entry.key);
      }
      return keys;
    };
    assert.equal((await epochs()).length, 150, 'none of them is old');
    nowMs += 25 * 3_600_000;
    await store.publish(next);
    await store.publish(next);
    const kept = await epochs();
    assert.ok(kept.length <= 103, String(kept.length));
    assert.match(kept.at(-1) ?? '', /152\.json$/);
    // Nobody has told it of a newer one: it finds none, and goes on with what it knows.
    await frozen.refresh();
    assert.equal(frozen.current?.epoch, 1);
    await frozen.refresh(152);
    assert.equal(frozen.current?.epoch, 152);
    assert.equal((await waking.publish(next))?.epoch, 153);
    // That it has not looked for two hours its own clock tells.
    ownNowMs += 2 * 3_600_000;
    await stopped.refresh();
    assert.equal(stopped.current?.epoch, 153);
  });

  it('knows since when it cannot be sure that its table is the newest: since it asked, not since it was answered', async () => {
    await using folder = await tempFolder('ring');
    let nowMs = 10;
    const inner = new MemoryBucket();
    const bucket = fragile(inner);
    const { get } = bucket;
    const store = await storeOf(bucket, folder.path, [], () => nowMs);
    assert.equal(store.newestAtMs, 10);
    await store.publish(next);
    bucket.get = async (...args) => {
      // The process is stopped between the answer and its arrival.
      const answer = get(...args);
      await answer.catch(() => undefined);
      nowMs += 1_000;
      return await answer;
    };
    nowMs = 20;
    await store.refresh();
    assert.equal(store.newestAtMs, 20);
    await (await storeOf(inner, join(folder.path, 'other'))).publish(next);
    nowMs = 5_000;
    await store.refresh();
    assert.equal(store.current?.epoch, 2);
    assert.equal(store.newestAtMs, 6_000, 'there was one newer, and none after it');
    bucket.away = true;
    nowMs = 9_000;
    await assert.rejects(store.refresh());
    assert.equal(store.newestAtMs, 6_000);
  });

  it('a change that changes nothing is not published', async () => {
    await using folder = await tempFolder('ring');
    const store = await storeOf(new MemoryBucket(), folder.path);
    const table = await store.publish(next);
    assert.equal(await store.publish((current) => current), table);
    assert.equal(await store.publish(() => undefined), table);
  });
});

describe('the incarnation of a data folder', () => {
  it('stays, and counts starts; a folder without it is another one', async () => {
    await using folder = await tempFolder('ring');
    const first = await countStart(realDisk, folder.path);
    const second = await countStart(realDisk, folder.path);
    assert.deepEqual(second, { id: first.id, starts: 2 });
    const other = await countStart(realDisk, join(folder.path, 'other'));
    assert.equal(other.starts, 1);
    assert.notEqual(other.id, first.id);
  });
});
