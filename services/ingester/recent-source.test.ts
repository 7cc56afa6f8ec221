/** What an ingester answers while ranges move from its head to blocks under the question. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { seriesCountOf } from '../../libs/series/series-source.ts';
import { HeadSource } from '../../libs/tsdb/head/head-source.ts';
import { TenantHead } from '../../libs/tsdb/head/tenant-head.ts';
import { pushInParts } from '../../libs/tsdb/head/workloads.testing.ts';
import { LocalBlocks } from '../../libs/tsdb/local-blocks.ts';
import { FaultyDisk } from '../../libs/tsdb/wal/faulty-disk.testing.ts';
import { writeRange } from '../../libs/tsdb/write-range.ts';
import { recentSource } from './recent-source.ts';

const tenant = parseTenantId('a');
const { signal } = new AbortController();
const hourMs = 3_600_000;
const everything = { matchers: [], minT: 0, maxT: 1e12 };

/** A head with a sample of series 1 in the first two hours of 1970 and one of series 2 in the next two, and its blocks. */
class Room {
  readonly disk = new FaultyDisk();
  readonly head = new TenantHead({ exemplarsMax: 0 });
  readonly blocks = this.blocksAfterStart();

  constructor() {
    pushInParts(this.head, [{ series: 1, t: 1000, st: 0, hi: 0, lo: 1, h: null }], 1);
    pushInParts(this.head, [{ series: 2, t: 1000 + 2 * hourMs, st: 0, hi: 0, lo: 1, h: null }], 1);
  }

  blocksAfterStart(): LocalBlocks {
    return new LocalBlocks({
      disk: this.disk,
      directory: '/blocks',
      damagedDirectory: '/damaged',
      log: { error: () => undefined },
      nowMs: () => 10 * hourMs,
      withStartTimes: false,
      write: (feed, options, stop) => writeRange(feed, { disk: this.disk, ...options }, stop),
    });
  }

  async cut(range: number): Promise<void> {
    const generation = range + 1;
    const frozen = this.head.freeze(range, generation);
    assert.ok(frozen !== undefined);
    await this.blocks.write(tenant, this.head, frozen, signal);
    this.head.drop(generation);
  }
}

describe('recent samples', () => {
  it('are whole where a range leaves the head after the blocks were asked and before the head is', async () => {
    const room = new Room();
    await room.cut(0);
    const [first] = room.blocks.of(tenant);
    assert.ok(first !== undefined);
    // The second range is cut while the block of the first is being asked.
    let cuts = 0;
    const slow = {
      ...first,
      meta: first.meta,
      overlaps: () => true,
      source: {
        ...first.source,
        select: async (...asked: Parameters<typeof first.source.select>) => {
          if (cuts++ === 0) await room.cut(1);
          return first.source.select(...asked);
        },
      },
    } as unknown as typeof first;
    const missingFrom = () => undefined;
    const blocks = { missingFrom, of: () => room.blocks.of(tenant).map((block) => (block === first ? slow : block)) };
    const source = recentSource(tenant, new HeadSource(room.head), blocks);
    const found = await source.selectProjected?.(everything, ['__name__'], signal);
    assert.ok(found !== undefined);
    assert.equal(seriesCountOf(found.labels), 2);
  });

  it('are an error where a block was set aside that nobody else has, and only for its time', async () => {
    for (const [damage, isTimeKnown] of [
      ['index', true],
      ['meta.json', false],
      ['chunks/000001 cut off', true],
    ] as const) {
      const room = new Room();
      await room.cut(0);
      await room.cut(1);
      const [first] = room.blocks.of(tenant);
      assert.ok(first !== undefined);
      const [file, isCutOff] = damage.split(' ');
      const path = `${first.path}/${file}`;
      const content = room.disk.files.get(path);
      assert.ok(content !== undefined);
      await room.disk.remove(path);
      if (isCutOff !== undefined) room.disk.files.set(path, { ...content, bytes: content.bytes.subarray(0, 20) });
      // The start that finds it, and a later one.
      for (let start = 0; start < 2; start++) {
        const blocks = room.blocksAfterStart();
        await blocks.recover();
        assert.equal(blocks.damaged, 1);
        const source = recentSource(tenant, new HeadSource(room.head), blocks);
        const wanted = new RegExp(`block ${first.meta.ulid} of tenant a was damaged.*/damaged/a-${first.meta.ulid}`);
        await assert.rejects(source.select(everything, signal), wanted);
        await assert.rejects(async () => source.selectProjected?.(everything, [], signal), wanted);
        await assert.rejects(source.series({ selectors: [[]], minT: 0, maxT: 10, limit: 0 }, signal), wanted);
        const later = source.select({ matchers: [], minT: 2 * hourMs, maxT: 3 * hourMs }, signal);
        if (isTimeKnown) assert.equal(seriesCountOf((await later).labels), 1);
        else await assert.rejects(later, wanted);
        const other = recentSource(parseTenantId('b'), new HeadSource(new TenantHead({ exemplarsMax: 0 })), blocks);
        assert.equal(seriesCountOf((await other.select(everything, signal)).labels), 0);
      }
      await room.disk.removeTree(`/damaged/a-${first.meta.ulid}`);
      const blocks = room.blocksAfterStart();
      await blocks.recover();
      const source = recentSource(tenant, new HeadSource(room.head), blocks);
      assert.equal(seriesCountOf((await source.select(everything, signal)).labels), 1, 'somebody took it away');
    }
  });
});
