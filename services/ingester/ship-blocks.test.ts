/** From the local disk to the bucket: retries, and when a local block may go. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type BucketIndex, emptyBucketIndex, type IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { nextTurn } from '../../libs/std/steps.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { makeUlid, type Ulid } from '../../libs/tsdb/block/ulid.ts';
import { TenantHead } from '../../libs/tsdb/head/tenant-head.ts';
import { pushInParts } from '../../libs/tsdb/head/workloads.testing.ts';
import { LocalBlocks } from '../../libs/tsdb/local-blocks.ts';
import { FaultyDisk } from '../../libs/tsdb/wal/faulty-disk.testing.ts';
import { writeRange } from '../../libs/tsdb/write-range.ts';
import { drainOfNow } from './drain.ts';
import { BlockShipper } from './ship-blocks.ts';

const tenant = parseTenantId('a');
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

class Room {
  nowMs = 10 * hourMs;
  steadyMs = 0;
  index: BucketIndex = emptyBucketIndex;
  /** Told of each index that is read, each time another. */
  onIndex: (index: BucketIndex) => void = () => undefined;
  uploads: Ulid[] = [];
  uploading = 0;
  uploadingMost = 0;
  failing = false;
  isTenantDeleted = false;
  readonly deleted: Ulid[] = [];
  /** What the bucket lacks of a block that was uploaded. */
  lackingBytes = 0;
  /** Of the record that brought the samples; -1 without such a log. */
  logOffset = -1;
  readonly disk = new FaultyDisk();
  blocks = this.#newBlocks();
  shipper = this.#newShipper();

  /** As after the start of a new process. */
  async start(): Promise<void> {
    this.blocks = this.#newBlocks();
    await this.blocks.recover();
    this.shipper = this.#newShipper();
  }

  #newBlocks(): LocalBlocks {
    return new LocalBlocks({
      disk: this.disk,
      directory: '/blocks',
      damagedDirectory: '/damaged',
      log: silent,
      nowMs: () => this.nowMs,
      withStartTimes: false,
      write: (feed, options, stop) => writeRange(feed, { disk: this.disk, ...options }, stop),
    });
  }

  #newShipper(): BlockShipper {
    return new BlockShipper({
      blocks: this.blocks,
      readIndex: async () => {
        if (this.failing) throw new Failure('unavailable', 'the bucket is away');
        const index = { ...this.index, blocks: [...this.index.blocks] };
        this.onIndex(index);
        return index;
      },
      isTenantDeleted: async () => this.isTenantDeleted,
      upload: async ({ meta }) => {
        this.uploadingMost = Math.max(this.uploadingMost, ++this.uploading);
        await nextTurn();
        this.uploading--;
        if (this.uploads.includes(meta.ulid) && this.lackingBytes === 0) return { bytes: 0 };
        this.uploads.push(meta.ulid);
        const bytes = this.lackingBytes || 1000;
        this.lackingBytes = 0;
        return { bytes };
      },
      onDeleted: ({ meta }) => {
        assert.equal(this.blocks.of(tenant).length, 0, 'whoever looks from now on finds nothing of it');
        this.deleted.push(meta.ulid);
      },
      nowMs: () => this.nowMs,
      steadyMs: () => this.steadyMs,
      settleMs: 20 * minuteMs,
      recentMs: 3 * hourMs,
      log: silent,
    });
  }

  /** Cuts the first two hours of 1970. */
  async cut(): Promise<Ulid> {
    const head = new TenantHead({ exemplarsMax: 0 });
    head.logOffset = this.logOffset;
    pushInParts(head, [{ series: 1, t: 1000, st: 0, hi: 0, lo: 1, h: null }], 1);
    const range = head.freeze(0, 7);
    assert.ok(range !== undefined);
    return (await this.blocks.write(tenant, head, range, new AbortController().signal)) as Ulid;
  }

  indexed(ulid: Ulid, sources: readonly Ulid[]): void {
    const details = { sources } as unknown as IndexedBlock['details'];
    this.index = { ...emptyBucketIndex, blocks: [{ ulid, details } as IndexedBlock] };
  }

  async after(ms: number): Promise<number> {
    this.nowMs += ms;
    this.steadyMs += ms;
    await this.shipper.shipDue();
    return this.blocks.of(tenant).length;
  }
}

describe('shipping blocks', () => {
  it('several small ones are on their way together, large ones alone', async () => {
    const room = new Room();
    const ulids: Ulid[] = [];
    for (let i = 0; i < 20; i++) {
      room.nowMs++;
      ulids.push(await room.cut());
    }
    await room.after(0);
    assert.deepEqual(room.uploads.toSorted(), ulids.toSorted());
    assert.equal(room.uploadingMost, 8);
    room.uploads.length = 0;
    room.uploadingMost = 0;
    await room.start();
    for (const block of room.blocks.all()) Object.assign(block, { bytes: 100 << 20 });
    await room.after(0);
    assert.deepEqual([room.uploads.length, room.uploadingMost], [20, 1]);
  });

  it('keeps a block until it has stood in the index for as long as anybody may not know of it', async () => {
    const room = new Room();
    const ulid = await room.cut();
    assert.equal(room.shipper.unshipped, 1);
    assert.equal(await room.after(0), 1);
    assert.deepEqual(room.uploads, [ulid]);
    assert.equal(room.shipper.unshipped, 0);
    assert.equal(await room.after(24 * hourMs), 1, 'no compactor, no index: it stays');
    room.indexed(ulid, [ulid]);
    assert.equal(await room.after(2 * minuteMs), 1);
    assert.equal(await room.after(19 * minuteMs), 1);
    assert.equal(await room.after(minuteMs), 0);
    assert.deepEqual(room.uploads, [ulid]);
  });

  it('holds the floor of the log at what some reader may not have heard of, over restarts, and at its begin while a block is missing', async () => {
    const room = new Room();
    assert.equal(room.shipper.loggedFrom(), undefined);
    room.logOffset = 41;
    const ulid = await room.cut();
    assert.equal(room.shipper.loggedFrom(), 41);
    await room.after(0);
    assert.deepEqual(room.uploads, [ulid]);
    assert.equal(room.shipper.loggedFrom(), 41, 'an upload is no entry');
    await room.start();
    assert.equal(room.shipper.loggedFrom(), 41);
    await room.after(0);
    room.indexed(ulid, [ulid]);
    assert.equal(await room.after(2 * minuteMs), 1);
    assert.equal(await room.after(19 * minuteMs), 1);
    assert.equal(room.shipper.loggedFrom(), 41, 'a reader may go by an older index');
    await room.after(minuteMs);
    assert.equal(room.shipper.loggedFrom(), undefined);
    room.logOffset = 50;
    const damaged = await room.cut();
    assert.equal(room.shipper.loggedFrom(), 50);
    await room.disk.remove(`/blocks/a/${damaged}/index`);
    await room.start();
    assert.equal(room.shipper.loggedFrom(), 0);
  });

  it('takes a merge for the block itself, and ships again what nobody names any more', async () => {
    const room = new Room();
    const ulid = await room.cut();
    await room.after(0);
    room.indexed('01JDKQ00000000000000000001' as Ulid, [ulid]);
    await room.after(2 * minuteMs);
    room.index = emptyBucketIndex;
    room.lackingBytes = 1000;
    assert.equal(await room.after(hourMs), 1);
    await room.after(0);
    assert.deepEqual(room.uploads, [ulid, ulid]);
    room.indexed('01JDKQ00000000000000000001' as Ulid, [ulid]);
    await room.after(2 * minuteMs);
    assert.equal(await room.after(hourMs), 0);
  });

  it('keeps of an index what it says of the blocks that are here: there is one for each tenant that writes', async () => {
    const room = new Room();
    const ulid = await room.cut();
    const others = Array.from({ length: 100 }, (_, i) => ({ ulid: makeUlid(i, new Uint8Array(10)) }) as IndexedBlock);
    const read: WeakRef<readonly IndexedBlock[]>[] = [];
    room.onIndex = ({ blocks }) => read.push(new WeakRef(blocks));
    room.index = { ...emptyBucketIndex, blocks: others };
    await room.after(0);
    await room.after(2 * minuteMs);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 10 && read.some((blocks) => blocks.deref() !== undefined); i++) {
      await nextTurn();
      collect();
    }
    assert.deepEqual(
      read.map((blocks) => blocks.deref()?.length),
      [undefined, undefined],
    );
    room.indexed(ulid, [ulid]);
    await room.after(2 * minuteMs);
    assert.equal(await room.after(20 * minuteMs), 0);
  });

  it('waits as long, however the clock is set', async () => {
    for (const setByMs of [-5 * hourMs, 5 * hourMs]) {
      const room = new Room();
      const ulid = await room.cut();
      room.failing = true;
      await room.after(0);
      room.failing = false;
      room.nowMs += setByMs;
      await room.after(10_000);
      assert.deepEqual(room.uploads, [ulid]);
      room.indexed(ulid, [ulid]);
      await room.after(2 * minuteMs);
      room.nowMs += setByMs;
      assert.equal(await room.after(19 * minuteMs), 1);
      // A block that is young by the clock stays in any case.
      room.nowMs = 10 * hourMs;
      assert.equal(await room.after(minuteMs), 0);
    }
  });

  it('sends again what the bucket lacks of a block, before its own leaves', async () => {
    for (const isMarked of [false, true]) {
      const room = new Room();
      const ulid = await room.cut();
      await room.after(0);
      room.indexed(ulid, [ulid]);
      // What is marked stands in others, or nobody wants it.
      if (isMarked) room.index = { ...room.index, deletionMarks: [{ ulid, markedAtMs: 0 }] };
      await room.after(2 * minuteMs);
      room.lackingBytes = 7;
      assert.equal(await room.after(20 * minuteMs), isMarked ? 0 : 1);
      assert.deepEqual(room.uploads, isMarked ? [ulid] : [ulid, ulid]);
      if (isMarked) continue;
      await room.after(2 * minuteMs);
      assert.equal(await room.after(19 * minuteMs), 1, 'readers may have found it damaged: they hear of it anew');
      assert.equal(await room.after(minuteMs), 0);
      assert.deepEqual(room.uploads, [ulid, ulid]);
    }
  });

  it('looks whether a block is still there that an index does not name which was written later', async () => {
    const room = new Room();
    const ulid = await room.cut();
    await room.after(0);
    room.lackingBytes = 7;
    room.index = { ...emptyBucketIndex, updatedAtMs: room.nowMs - 1 };
    await room.after(2 * minuteMs);
    assert.deepEqual(room.uploads, [ulid]);
    room.index = { ...emptyBucketIndex, updatedAtMs: room.nowMs };
    await room.after(2 * minuteMs);
    assert.deepEqual(room.uploads, [ulid, ulid]);
    await room.after(2 * minuteMs);
    assert.deepEqual(room.uploads, [ulid, ulid], 'not again for the same index');
  });

  it('does not bring back what is in the index when the process starts', async () => {
    const room = new Room();
    const ulid = await room.cut();
    room.indexed('01JDKQ00000000000000000001' as Ulid, [ulid]);
    await room.after(0);
    assert.deepEqual(room.uploads, []);
    assert.equal(room.shipper.unshipped, 0);
  });

  it("neither keeps nor brings back what is a deleted tenant's", async () => {
    const shippedBefore = { never: 0, 'but not indexed': 1, 'and indexed': 1 };
    for (const [shipped, uploads] of Object.entries(shippedBefore)) {
      const room = new Room();
      const ulid = await room.cut();
      if (uploads > 0) await room.after(0);
      if (shipped === 'and indexed') {
        room.indexed(ulid, [ulid]);
        await room.after(2 * minuteMs);
      }
      room.isTenantDeleted = true;
      room.index = emptyBucketIndex;
      await room.after(hourMs);
      assert.equal(await room.after(0), 0, `shipped ${shipped}`);
      assert.equal(room.uploads.length, uploads, `shipped ${shipped}`);
      assert.deepEqual(room.deleted, [ulid], `kept answers are no longer right, shipped ${shipped}`);
      assert.equal(room.shipper.unsafe(true), undefined);
    }
  });

  it('waits longer after every failure, and goes on when the bucket is back', async () => {
    const room = new Room();
    await room.cut();
    room.failing = true;
    for (let second = 0; second < 120; second++) await room.after(1000);
    assert.ok(room.shipper.counters.failures >= 4 && room.shipper.counters.failures <= 6);
    room.failing = false;
    await room.after(300_000);
    assert.equal(room.uploads.length, 1);
  });

  it('who goes on taking writes waits for what was there, not for what is cut since', async (t) => {
    const room = new Room();
    const first = await room.cut();
    await room.after(0);
    let late = 0;
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const drain = drainOfNow({
      cutAll: async () => true,
      held: () => [...room.blocks.all()].map(({ meta }) => meta.ulid),
      ship: async () => {
        const all = [...room.blocks.all()].map(({ meta }) => ({ ulid: meta.ulid }) as IndexedBlock);
        room.index = { ...emptyBucketIndex, blocks: all };
        await room.after(2 * minuteMs);
        room.nowMs++;
        await room.cut();
        late++;
      },
      unsafe: (only) => room.shipper.unsafe(true, only),
      log: createLogger({ level: 'error', format: 'json' }),
    });
    void drain.run();
    for (let i = 0; i < 10_000 && late < 30 && drain.state.state !== 'drained'; i++) {
      await nextTurn();
      t.mock.timers.tick(1_000);
    }
    assert.equal(drain.state.state, 'drained', `${late} late blocks later`);
    assert.ok(late >= 10, 'readers that go by an older index have heard of it');
    assert.equal(
      room.blocks.of(tenant).some(({ meta }) => meta.ulid === first),
      false,
      'what was there is safe',
    );
    await drain.stop();
  });

  it('does not miss a damaged block that the bucket has', async () => {
    const room = new Room();
    const ulid = await room.cut();
    await room.disk.remove(`/blocks/a/${ulid}/index`);
    await room.start();
    await room.after(0);
    assert.equal(room.blocks.missingFrom(tenant, 0, hourMs)?.ulid, ulid);
    room.indexed(makeUlid(1, new Uint8Array(10)), [ulid]);
    await room.after(2 * minuteMs);
    await room.after(19 * minuteMs);
    assert.equal(room.blocks.missingFrom(tenant, 0, hourMs)?.ulid, ulid, 'a reader may not have heard of it yet');
    await room.after(minuteMs);
    assert.equal(room.blocks.missingFrom(tenant, 0, hourMs), undefined);
    await room.start();
    assert.equal(room.blocks.missingFrom(tenant, 0, hourMs), undefined, 'nor after the next start');
  });

  it('a block that is found damaged goes as soon as readers must have heard of that of the bucket', async () => {
    for (const isShipped of [true, false]) {
      const room = new Room();
      room.nowMs = hourMs;
      const ulid = await room.cut();
      if (isShipped) {
        await room.after(0);
        room.indexed(ulid, [ulid]);
        await room.after(2 * minuteMs);
      }
      const [block] = room.blocks.of(tenant);
      // What it lacks is not sent from a damaged one.
      room.lackingBytes = 7;
      const path = `/blocks/a/${ulid}/chunks/000001`;
      const file = await room.disk.open(path, 'write');
      await file.write(Uint8Array.of(255, 255, 255, 255), 10);
      const ask = async () => {
        const { signal } = new AbortController();
        const query = { matchers: [], minT: 0, maxT: hourMs };
        for await (const _ of (await block.source.select(query, signal)).chunks(signal));
      };
      await assert.rejects(ask(), (error: Failure) => error.kind === 'internal' && error.message.includes(ulid));
      assert.equal(room.blocks.damaged, 1);
      assert.equal(await room.after(19 * minuteMs), 1);
      // Samples of the last hours, which others would keep on the local disk.
      assert.equal(await room.after(minuteMs), isShipped ? 0 : 1);
      assert.equal(room.blocks.damaged, isShipped ? 0 : 1);
      assert.deepEqual(room.uploads, isShipped ? [ulid] : [], 'nothing damaged is brought to the bucket');
    }
  });
});
