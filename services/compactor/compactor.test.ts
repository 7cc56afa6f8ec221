/** The compactor on a bucket in memory: what it merges, what it deletes, and that a stop at any operation changes no answer. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { downloadBlock } from '../../libs/blocks/download-block.ts';
import { blockKey, tenantDeletionMarkKey } from '../../libs/blocks/paths.ts';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { limitKeys } from '../../libs/limits/limits.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { type Bucket, ObjectDenied } from '../../libs/object-store/bucket.ts';
import { MemoryBucket } from '../../libs/object-store/memory.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { nextTurn } from '../../libs/std/steps.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { readTestBlock, type TestSeries, ulidOf, writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { openBlockFolder } from '../../libs/tsdb/block/read-block.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import { type TempFolder, tempFolder } from '../../test/support/temp-folder.ts';
import { Compactor, type CompactorDeps } from './compactor.ts';
import { compactorKeys } from './config.ts';

const hour = 3_600_000;
const begin = Math.floor(1_750_000_000_000 / (24 * hour)) * 24 * hour;
const tenant = parseTenantId('team-a');
const { signal } = new AbortController();
const defaults = Object.fromEntries(Object.entries(compactorKeys).map(([name, key]) => [name, key.defaultValue])) as {
  [K in keyof typeof compactorKeys]: (typeof compactorKeys)[K]['defaultValue'];
};
const limitDefaults = Object.fromEntries(Object.entries(limitKeys).map(([name, key]) => [name, key.defaultValue])) as {
  [K in keyof typeof limitKeys]: (typeof limitKeys)[K]['defaultValue'];
};

let folder: TempFolder;
before(async () => {
  folder = await tempFolder('compactor');
});
after(() => folder[Symbol.asyncDispose]());

let rooms = 0;

/** A house with a clock of its own. */
class Room {
  nowMs = begin + 100 * hour;
  readonly bucket = new MemoryBucket(() => this.nowMs);
  readonly prng = new Prng(++rooms);
  readonly directory = join(folder.path, `${rooms}`);
  retentionMs = 0;
  shards = 0;

  compactor(bucket: Bucket = this.bucket, change: Partial<CompactorDeps> = {}): Compactor {
    return new Compactor(defaults, {
      bucket,
      limits: {
        of: () => ({
          ...limitDefaults,
          compactorBlocksRetentionPeriod: this.retentionMs,
          compactorSplitAndMergeShards: this.shards,
        }),
      },
      log: createLogger({ level: 'error', format: 'json' }).child({}, { level: 'silent' }),
      nowMs: () => this.nowMs,
      newUlid: () => ulidOf(this.prng, this.nowMs),
      directory: join(this.directory, 'compactor'),
      freeBytes: async () => Number.POSITIVE_INFINITY,
      rangesMs: [2 * hour, 12 * hour, 24 * hour],
      isOwn: () => true,
      ...change,
    });
  }

  /** One with a folder of its own, as on another machine. */
  compactorElsewhere(isOwn: (key: string) => boolean): Compactor {
    const { prng, directory } = new Room();
    const newUlid = () => ulidOf(prng, this.nowMs);
    return this.compactor(this.bucket, { newUlid, directory: join(directory, 'compactor'), isOwn });
  }

  /** A block of two hours, uploaded. Several of the same range overlap. */
  async upload(range: number, seriesCount = 3): Promise<Ulid> {
    const ulid = ulidOf(this.prng, this.nowMs);
    const from = begin + range * 2 * hour;
    const series: TestSeries[] = Array.from({ length: seriesCount }, (_, i) => ({
      labels: Labels.from([
        ['__name__', 'm'],
        ['i', `${i}`],
      ]),
      samples: Array.from({ length: 1 + this.prng.below(200) }, (_, j) => ({ t: from + j * 15_000, v: j % 7 })),
    }));
    const directory = join(this.directory, 'cut');
    const extras = { minTime: from, maxTime: from + 2 * hour };
    await writeTestBlock({ disk: realDisk, directory, ulid, series, extras });
    await uploadBlock(this.bucket, tenant, ulid, join(directory, ulid), signal);
    return ulid;
  }

  async index() {
    const stored = await readBucketIndex(this.bucket, tenant, signal);
    assert.ok(stored !== undefined);
    return stored.index;
  }

  /** All timestamps of all series in the blocks that the index names, as a reader would merge them. */
  async content(): Promise<Map<string, Set<string>>> {
    const found = new Map<string, Set<string>>();
    for (const { ulid } of (await this.index()).blocks) {
      const directory = join(this.directory, 'read', ulid);
      await downloadBlock(this.bucket, tenant, ulid, directory, signal);
      await using files = await openBlockFolder(realDisk, directory);
      for (const [key, rows] of await readTestBlock(files)) {
        const all = found.get(key) ?? new Set();
        for (const row of rows) all.add(row);
        found.set(key, all);
      }
    }
    return new Map([...found].sort());
  }

  async blocks(): Promise<string[]> {
    const { blocks, deletionMarks } = await this.index();
    const marked = new Set(deletionMarks.map(({ ulid }) => ulid));
    return blocks
      .filter(({ ulid }) => !marked.has(ulid))
      .map(({ minTime, maxTime, compactionLevel, labels }) => {
        const shard = labels.get('__compactor_shard_id__');
        return `${(minTime - begin) / hour}-${(maxTime - begin) / hour} level ${compactionLevel}${shard === undefined ? '' : ` ${shard}`}`;
      })
      .sort();
  }

  async objectsOf(ulid: Ulid): Promise<string[]> {
    const keys: string[] = [];
    for await (const entry of this.bucket.list(`${tenant}/${ulid}/`, { delimiter: false, signal })) {
      if (entry.kind === 'object') keys.push(entry.key);
    }
    return keys;
  }
}

/** A bucket that fails from its nth operation on, as one does whose process was killed. */
function failingAfter(bucket: Bucket, operations: number): { bucket: Bucket; count: () => number } {
  let count = 0;
  const step = (): undefined => {
    if (++count > operations) throw new Error('killed');
  };
  const failing: Bucket = {
    name: bucket.name,
    get: async (...args) => step() ?? bucket.get(...args),
    getRange: async (...args) => step() ?? bucket.getRange(...args),
    stat: async (...args) => step() ?? bucket.stat(...args),
    put: async (...args) => step() ?? bucket.put(...args),
    list: (...args) => step() ?? bucket.list(...args),
    delete: async (...args) => step() ?? bucket.delete(...args),
    filePath: (key) => bucket.filePath(key),
  };
  return { bucket: failing, count: () => count };
}

/** A bucket with objects whose keys a bucket of ours cannot make, as other tools do. */
function withObjects(bucket: Bucket, keys: Set<string>): Bucket {
  return {
    ...failingAfter(bucket, Number.POSITIVE_INFINITY).bucket,
    async *list(prefix, options) {
      const found = [...keys].filter((key) => key.startsWith(prefix) && !options.delimiter);
      for (const key of found) yield { kind: 'object', key, bytes: 0, version: '', modifiedMs: 0 };
      yield* bucket.list(prefix, options);
    },
    delete: async (key, stop) => {
      await bucket.delete(key, stop);
      keys.delete(key);
    },
  };
}

describe('the compactor', () => {
  it('merges two hours to twelve and to a day, and deletes the sources after the delay', async () => {
    const room = new Room();
    const sources: Ulid[] = [];
    for (let range = 0; range < 12; range++) sources.push(await room.upload(range));
    sources.push(await room.upload(4));
    const compactor = room.compactor();
    await compactor.clean(signal);
    const content = await room.content();
    assert.equal(await compactor.compact(signal), 0, 'fresh blocks wait for others');
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    assert.equal(await compactor.compact(signal), 4);
    assert.deepEqual(await room.blocks(), ['0-24 level 4']);
    assert.deepEqual(await room.content(), content);
    room.nowMs += defaults.deletionDelay - 1000;
    await compactor.clean(signal);
    assert.equal((await room.objectsOf(sources[0] as Ulid)).length > 0, true);
    room.nowMs += 1000;
    await compactor.clean(signal);
    for (const ulid of sources) assert.deepEqual(await room.objectsOf(ulid), []);
    assert.equal((await room.index()).blocks.length, 1);
    assert.deepEqual((await room.index()).deletionMarks, []);
    assert.deepEqual(await room.content(), content);
  });

  it('splits into shards, and merges each', async () => {
    const room = new Room();
    room.shards = 2;
    for (let range = 0; range < 7; range++) await room.upload(range, 20);
    const compactor = room.compactor();
    await compactor.clean(signal);
    const content = await room.content();
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    await compactor.compact(signal);
    assert.deepEqual(await room.blocks(), [
      '0-12 level 3 1_of_2',
      '0-12 level 3 2_of_2',
      '12-14 level 2 1_of_2',
      '12-14 level 2 2_of_2',
    ]);
    assert.deepEqual(await room.content(), content);
    room.nowMs += defaults.deletionDelay + 1000;
    await compactor.clean(signal);
    assert.equal((await room.index()).blocks.length, 4);
    assert.deepEqual(await room.content(), content);
  });

  it('deletes what was split after the delay, also where one shard has all the series', async () => {
    const room = new Room();
    room.shards = 2;
    const sources = [await room.upload(0, 1), await room.upload(1, 1)];
    const compactor = room.compactor();
    await compactor.clean(signal);
    const content = await room.content();
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    await compactor.compact(signal);
    room.nowMs += defaults.deletionDelay + 1000;
    await compactor.clean(signal);
    assert.equal(compactor.state.tenants.get(tenant)?.held, 0);
    for (const ulid of sources) assert.deepEqual(await room.objectsOf(ulid), []);
    assert.deepEqual(await room.content(), content);
  });

  for (const damage of ['flipped', 'cut off', 'gone'])
    it(`a damaged block (${damage}) is set aside by name, and the others are merged`, async () => {
      const room = new Room();
      const sources: Ulid[] = [];
      for (let range = 0; range < 7; range++) sources.push(await room.upload(range));
      const damaged = sources[2] as Ulid;
      const key = blockKey(tenant, damaged, 'chunks/000001');
      const { bytes } = await room.bucket.get(key, { bytesMax: 1e9, signal });
      const broken = Uint8Array.from(bytes);
      broken[60] ^= 1;
      const compactor = room.compactor();
      await compactor.clean(signal);
      if (damage === 'gone') await room.bucket.delete(key, signal);
      else await room.bucket.put(key, damage === 'flipped' ? broken : broken.subarray(0, -9), { signal });
      for (let attempt = 1; attempt < defaults.compactionRetries; attempt++) {
        room.nowMs += 10 * hour;
        assert.equal(await compactor.compact(signal), 1);
        const { jobs } = await compactor.jobsOf(tenant, signal);
        assert.equal(jobs[0]?.failed?.corrupt, damaged);
        assert.equal(await compactor.compact(signal), 0, 'it waits before it is tried again');
      }
      room.nowMs += 10 * hour;
      assert.equal(await compactor.compact(signal), 2, 'it fails once more, and the others are merged without it');
      assert.deepEqual((await room.index()).noCompact, [damaged]);
      assert.deepEqual(await room.blocks(), ['0-12 level 2', '12-14 level 1', '4-6 level 1']);
      await compactor.clean(signal);
      assert.deepEqual((await room.index()).noCompact, [damaged]);
    });

  it('one whose files are not what its meta.json says is named to readers, covers nothing, and is merged when it is whole again', async () => {
    const room = new Room();
    const sources: Ulid[] = [];
    for (let range = 0; range < 7; range++) sources.push(await room.upload(range));
    const compactor = room.compactor();
    await compactor.clean(signal);
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    assert.equal(await compactor.compact(signal), 1);
    const merged = (await room.index()).blocks.find(({ compactionLevel }) => compactionLevel > 1);
    assert.ok(merged !== undefined);
    for (const isMerged of [true, false]) {
      const ulid: Ulid = isMerged ? merged.ulid : await room.upload(6);
      const key = blockKey(tenant, ulid, 'index');
      const { bytes } = await room.bucket.get(key, { bytesMax: 1e9, signal });
      await room.bucket.put(key, bytes.subarray(0, bytes.length - 8), { signal });
      // An index that was lost: every block is looked at again.
      await room.bucket.delete(`${tenant}/bucket-index.json.gz`, signal);
      room.nowMs += defaults.deletionDelay + 1000;
      await compactor.clean(signal);
      const entry = (await room.index()).blocks.find((block) => block.ulid === ulid);
      assert.ok(entry !== undefined, 'a query of its time must not do without it');
      assert.deepEqual([entry.details, compactor.state.tenants.get(tenant)?.broken], [undefined, 1]);
      assert.equal(await compactor.compact(signal), 0);
      for (const source of sources) assert.ok((await room.objectsOf(source)).length > 1, 'the sources stay');
      await room.bucket.put(key, bytes, { signal });
      await compactor.clean(signal);
      assert.equal(compactor.state.tenants.get(tenant)?.broken, 0);
      assert.ok((await room.index()).blocks.every(({ details }) => details !== undefined));
      if (isMerged) sources.splice(0, 6);
    }
    assert.equal(await compactor.compact(signal), 1);
  });

  it('one that was damaged after its merge covers nothing any more', async () => {
    const room = new Room();
    const sources = [await room.upload(0), await room.upload(0)];
    const compactor = room.compactor();
    await compactor.clean(signal);
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    await compactor.compact(signal);
    const merged = (await room.index()).blocks.find(({ compactionLevel }) => compactionLevel === 2);
    assert.ok(merged !== undefined);
    await room.bucket.delete(blockKey(tenant, sources[1] as Ulid, 'chunks/000001'), signal);
    await compactor.clean(signal);
    const { blocks } = await room.index();
    assert.ok(
      blocks.every(({ details }) => details !== undefined),
      'a source that is damaged is not missed',
    );
    const key = blockKey(tenant, merged.ulid, 'chunks/000001');
    const { bytes } = await room.bucket.get(key, { bytesMax: 1e9, signal });
    await room.bucket.delete(key, signal);
    room.nowMs += defaults.deletionDelay + 1000;
    await compactor.clean(signal);
    const { broken, held } = compactor.state.tenants.get(tenant) ?? {};
    assert.deepEqual([broken, held], [1, 2]);
    for (const ulid of sources) assert.ok((await room.objectsOf(ulid)).length > 1, 'the sources stay');
    await room.bucket.put(key, bytes, { signal });
    await compactor.clean(signal);
    assert.deepEqual(await room.blocks(), ['0-2 level 2']);
    assert.deepEqual(await room.objectsOf(sources[0] as Ulid), []);
  });

  it('one that was listed while somebody still copied it is known by its files, once they are all there', async () => {
    const room = new Room();
    const whole = await room.upload(0);
    const bodies = new Map<string, Uint8Array>();
    for (const key of await room.objectsOf(whole)) {
      bodies.set(
        key.slice(`${tenant}/${whole}/`.length),
        (await room.bucket.get(key, { bytesMax: 1e9, signal })).bytes,
      );
    }
    const copied = ulidOf(room.prng);
    const { thanos: _, ulid: __, ...meta } = JSON.parse(new TextDecoder().decode(bodies.get('meta.json')));
    // As Prometheus writes it: without a list of files.
    bodies.set('meta.json', new TextEncoder().encode(JSON.stringify({ ...meta, ulid: copied })));
    const put = (relPath: string, bytes: Uint8Array) =>
      room.bucket.put(blockKey(tenant, copied, relPath), bytes, { signal });
    const compactor = room.compactor();
    for (const [relPath, bytes] of bodies) await put(relPath, relPath === 'meta.json' ? bytes : bytes.subarray(0, 100));
    await compactor.clean(signal);
    for (const [relPath, bytes] of bodies) await put(relPath, bytes);
    await compactor.clean(signal);
    const details = new Map((await room.index()).blocks.map((block) => [block.ulid, block.details]));
    assert.deepEqual(details.get(copied)?.indexBytes, bodies.get('index')?.length);
    assert.deepEqual(details.get(copied)?.segmentBytes, [bodies.get('chunks/000001')?.length]);
  });

  it('keeps what is due, as long as what it was merged into is not there', async () => {
    const room = new Room();
    const sources = [await room.upload(0), await room.upload(0)];
    const compactor = room.compactor();
    await compactor.clean(signal);
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    await compactor.compact(signal);
    const output = (await room.index()).blocks.find(({ compactionLevel }) => compactionLevel === 2);
    assert.ok(output !== undefined);
    for (const objectKey of await room.objectsOf(output.ulid)) await room.bucket.delete(objectKey, signal);
    room.nowMs += defaults.deletionDelay + 1000;
    await compactor.clean(signal);
    for (const ulid of sources) assert.notDeepEqual(await room.objectsOf(ulid), []);
    assert.equal(compactor.state.tenants.get(tenant)?.held, 2);
    // Until nobody wants it any more.
    room.retentionMs = room.nowMs - (begin + 2 * hour);
    await compactor.clean(signal);
    assert.equal(compactor.state.tenants.get(tenant)?.held, 2, 'readers know that for the delay, too');
    room.nowMs += defaults.deletionDelay;
    await compactor.clean(signal);
    for (const ulid of sources) assert.deepEqual(await room.objectsOf(ulid), []);
  });

  it('deletes what is beyond the retention, uploads that were not finished, and tenants', async () => {
    const room = new Room();
    const old = await room.upload(0);
    const young = await room.upload(11);
    const partial = ulidOf(room.prng);
    await room.bucket.put(blockKey(tenant, partial, 'index'), new Uint8Array(7), { signal });
    const compactor = room.compactor();
    room.retentionMs = room.nowMs - (begin + 4 * hour);
    await compactor.clean(signal);
    assert.deepEqual(
      (await room.index()).deletionMarks.map(({ ulid }) => ulid),
      [old],
    );
    assert.equal(compactor.state.tenants.get(tenant)?.partials, 1);
    room.nowMs += defaults.deletionDelay;
    room.retentionMs += defaults.deletionDelay;
    await compactor.clean(signal);
    assert.deepEqual(
      (await room.index()).blocks.map(({ ulid }) => ulid),
      [young],
    );
    assert.equal((await room.objectsOf(partial)).length, 1);
    room.nowMs += defaults.partialBlockDeletionDelay;
    await compactor.clean(signal);
    assert.deepEqual(await room.objectsOf(partial), []);
    await room.bucket.put(`${tenant}/markers/tenant-deletion-mark.json`, new Uint8Array(2), { signal });
    await compactor.clean(signal);
    assert.deepEqual(await room.objectsOf(young), []);
    room.nowMs += defaults.tenantCleanupDelay;
    await compactor.clean(signal);
    const left = [];
    for await (const entry of room.bucket.list('', { delimiter: false, signal })) left.push(entry);
    assert.deepEqual(left, []);
  });

  it('deletes blocks beside one another: who waits for a large tenant waits for a part of its requests', async () => {
    const room = new Room();
    for (let i = 0; i < 40; i++) {
      const ulid = ulidOf(room.prng, room.nowMs);
      for (const name of ['meta.json', 'index', 'chunks/000001']) {
        await room.bucket.put(blockKey(tenant, ulid, name), new Uint8Array(1), { signal });
      }
    }
    await room.bucket.put(tenantDeletionMarkKey(tenant), new TextEncoder().encode('{}'), { signal });
    let [underWay, most] = [0, 0];
    const bucket: Bucket = new Proxy(room.bucket, {
      get(target, name: keyof Bucket) {
        const value = target[name];
        if (name !== 'delete') return typeof value === 'function' ? value.bind(target) : value;
        return async (key: string, stop: AbortSignal) => {
          most = Math.max(most, ++underWay);
          await nextTurn();
          underWay--;
          return target.delete(key, stop);
        };
      },
    });
    await room.compactor(bucket).clean(signal);
    const left: string[] = [];
    for await (const entry of room.bucket.list('', { delimiter: false, signal })) {
      if (entry.kind === 'object') left.push(entry.key);
    }
    assert.deepEqual([left, most], [[tenantDeletionMarkKey(tenant)], 16]);
  });

  it('leaves an upload alone that went on after the listing', async () => {
    for (const left of ['meta.json', 'chunks/000001']) {
      const room = new Room();
      await room.upload(0);
      const ulid = await room.upload(1);
      const key = blockKey(tenant, ulid, left);
      const keys = [blockKey(tenant, ulid, 'meta.json'), key];
      const bodies = await Promise.all(keys.map((one) => room.bucket.get(one, { bytesMax: 1e9, signal })));
      for (const one of keys) await room.bucket.delete(one, signal);
      room.nowMs += defaults.partialBlockDeletionDelay + 1000;
      // The bucket was full for a day, and has room again just now.
      const put: Bucket['put'] = async (...args) => {
        await room.bucket.put(key, bodies[1]?.bytes ?? new Uint8Array(), { signal });
        return room.bucket.put(...args);
      };
      const bucket = { ...failingAfter(room.bucket, Number.POSITIVE_INFINITY).bucket, put };
      await room.compactor(bucket).clean(signal);
      assert.ok((await room.objectsOf(ulid)).length >= 2, left);
      await room.bucket.put(keys[0] ?? '', bodies[0]?.bytes ?? new Uint8Array(), { signal });
      await room.compactor().clean(signal);
      assert.deepEqual(await room.blocks(), ['0-2 level 1', '2-4 level 1']);
    }
  });

  it('a merge that the disk has no room for is not begun, and tried again', async () => {
    const room = new Room();
    await room.upload(0);
    await room.upload(0);
    let free = 256 << 20;
    let reads = 0;
    const getRange: Bucket['getRange'] = (...args) => {
      reads++;
      return room.bucket.getRange(...args);
    };
    const bucket = { ...failingAfter(room.bucket, Number.POSITIVE_INFINITY).bucket, getRange };
    const compactor = room.compactor(bucket, { freeBytes: async () => free });
    await compactor.clean(signal);
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    assert.equal(await compactor.compact(signal), 1);
    const [job] = (await compactor.jobsOf(tenant, signal)).jobs;
    assert.match(job?.failed?.reason ?? '', /^the merge needs \d+ bytes of the disk of .*, and 268435456 are free$/);
    assert.deepEqual([job?.failed?.corrupt, reads], [undefined, 0]);
    free = 1 << 30;
    room.nowMs += 60_000;
    assert.equal(await compactor.compact(signal), 1);
    assert.deepEqual(await room.blocks(), ['0-2 level 2']);
  });

  it('names what is foreign, and goes on', async () => {
    const room = new Room();
    await room.upload(0);
    await room.upload(0);
    const write = (key: string, text: string) => room.bucket.put(key, new TextEncoder().encode(text), { signal });
    const future = ulidOf(room.prng);
    const empty = ulidOf(room.prng);
    await write(`${tenant}/notes.txt`, 'x');
    await write('..%2f/x', 'x');
    await write(blockKey(tenant, future, 'meta.json'), `{"ulid":"${future}","minTime":0,"maxTime":1,"version":7}`);
    await write(blockKey(tenant, empty, 'meta.json'), '');
    await write(`${tenant}/bucket-index.json.gz`, 'no gzip');
    const compactor = room.compactor();
    await compactor.clean(signal);
    assert.equal(compactor.state.tenants.get(tenant)?.broken, 2);
    assert.deepEqual([compactor.state.tenants.get(tenant)?.problems, compactor.state.foreign()], [4, 1]);
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    assert.equal(await compactor.compact(signal), 1);
  });

  it('a block with a meta.json or a mark that is too large is named, and holds up nothing', async () => {
    const room = new Room();
    const sources = [await room.upload(0), await room.upload(0), await room.upload(1)];
    const large = ulidOf(room.prng);
    const write = (key: string, bytes: number) => room.bucket.put(key, new Uint8Array(bytes), { signal });
    await write(blockKey(tenant, large, 'index'), 9);
    await write(blockKey(tenant, large, 'meta.json'), (16 << 20) + 1);
    await write(`${tenant}/markers/${sources[2]}-deletion-mark.json`, (1 << 20) + 1);
    const compactor = room.compactor();
    await compactor.clean(signal);
    assert.equal(compactor.state.tenants.get(tenant)?.broken, 1);
    assert.equal(compactor.state.tenants.get(tenant)?.problems, 2);
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    assert.equal(await compactor.compact(signal), 1);
    room.nowMs += defaults.deletionDelay + 1000;
    await compactor.clean(signal);
    assert.deepEqual(await room.objectsOf(sources[0] as Ulid), []);
    assert.deepEqual(await room.blocks(), ['0-2 level 2', '2-4 level 1']);
  });

  it('a block or a mark that the store does not give us is named, and holds up nothing; a bucket that is away does', async () => {
    const room = new Room();
    const [denied, marked] = [await room.upload(0), await room.upload(1)];
    await room.upload(2);
    const markKey = `${tenant}/markers/${marked}-deletion-mark.json`;
    await room.bucket.put(markKey, new Uint8Array(2), { signal });
    const deniedKeys = [blockKey(tenant, denied, 'meta.json'), markKey];
    let failure: (key: string) => Error = (key) => new ObjectDenied(`get ${key}: AccessDenied 403`);
    const get: Bucket['get'] = async (key, options) => {
      if (deniedKeys.includes(key)) throw failure(key);
      return room.bucket.get(key, options);
    };
    const compactor = room.compactor({ ...failingAfter(room.bucket, Number.POSITIVE_INFINITY).bucket, get });
    await compactor.clean(signal);
    const state = compactor.state.tenants.get(tenant);
    assert.deepEqual([state?.blocks, state?.broken, state?.problems], [2, 1, 2]);
    const { updatedAtMs } = await room.index();
    room.nowMs += hour;
    failure = (key) => new Failure('unavailable', `get ${key}: no answer in time`);
    await compactor.clean(signal);
    assert.equal((await room.index()).updatedAtMs, updatedAtMs);
  });

  it('blocks that the store does not let us delete or mark are named, and hold up nothing else', async () => {
    const room = new Room();
    const fixed: string[] = [];
    // As in folders that somebody else has copied into the bucket: they can be read, and nothing in them changed.
    for (let i = 0; i < 17; i++) fixed.push(await room.upload(i));
    room.nowMs += 1000;
    const last = await room.upload(17);
    const isFixed = (key: string): boolean => fixed.some((ulid) => key.startsWith(`${tenant}/${ulid}/`));
    const put: Bucket['put'] = async (key, ...rest) => {
      if (isFixed(key)) throw new ObjectDenied(`put ${key}: EACCES`);
      return room.bucket.put(key, ...rest);
    };
    const remove: Bucket['delete'] = async (key, stop) => {
      if (isFixed(key)) throw new ObjectDenied(`delete ${key}: EACCES`);
      return room.bucket.delete(key, stop);
    };
    const compactor = room.compactor({
      ...failingAfter(room.bucket, Number.POSITIVE_INFINITY).bucket,
      put,
      delete: remove,
    });
    room.retentionMs = hour;
    await compactor.clean(signal);
    assert.equal((await room.index()).deletionMarks.length, 18);
    room.nowMs += defaults.deletionDelay + 1000;
    await compactor.clean(signal);
    assert.deepEqual(await room.objectsOf(last), []);
    const state = compactor.state.tenants.get(tenant);
    assert.deepEqual([state?.held, state?.problems], [0, 17]);
  });

  it('a mark that cannot be read any more keeps its block, and no other', async () => {
    const room = new Room();
    const ulids = [await room.upload(0), await room.upload(1)];
    const compactor = room.compactor();
    room.retentionMs = room.nowMs - (begin + 6 * hour);
    await compactor.clean(signal);
    assert.deepEqual(await room.blocks(), []);
    await room.bucket.put(`${tenant}/markers/${ulids[0]}-deletion-mark.json`, new Uint8Array(3), { signal });
    room.retentionMs = 0;
    room.nowMs += defaults.deletionDelay;
    await compactor.clean(signal);
    assert.equal(compactor.state.tenants.get(tenant)?.held, 1);
    assert.notDeepEqual(await room.objectsOf(ulids[0] as Ulid), []);
    assert.deepEqual(await room.objectsOf(ulids[1] as Ulid), []);
  });

  it('objects whose names are no keys of ours hold up no deletion', async () => {
    const room = new Room();
    const ulids = [await room.upload(0), await room.upload(1), await room.upload(2)];
    // A console makes the first two when somebody opens a new folder.
    const folders = new Set([`${tenant}/`, `${tenant}/${ulids[0]}/chunks/`]);
    const odd = `${tenant}/${ulids[1]}/a//b`;
    const foreign = new Set([...folders, odd]);
    const compactor = room.compactor(withObjects(room.bucket, foreign));
    room.retentionMs = 1;
    await compactor.clean(signal);
    room.nowMs += defaults.deletionDelay;
    await compactor.clean(signal);
    for (const ulid of ulids) assert.deepEqual(await room.objectsOf(ulid), []);
    assert.deepEqual([...foreign], [`${tenant}/`, odd]);
    await room.upload(3);
    await room.bucket.put(`${tenant}/markers/tenant-deletion-mark.json`, new Uint8Array(2), { signal });
    await compactor.clean(signal);
    room.nowMs += defaults.tenantCleanupDelay;
    await compactor.clean(signal);
    const left = [];
    for await (const entry of room.bucket.list('', { delimiter: false, signal })) left.push(entry);
    assert.deepEqual(left, []);
    assert.deepEqual([...foreign], [odd]);
  });

  it('names a block that somebody took out of the bucket without a mark', async () => {
    const room = new Room();
    const ulids = [await room.upload(0), await room.upload(1)];
    const told: string[] = [];
    const warn = (fields: { problems?: string[] }): void => void told.push(...(fields.problems ?? []));
    const log = { warn, info: () => undefined, error: () => undefined } as unknown as CompactorDeps['log'];
    const compactor = room.compactor(room.bucket, { log });
    await compactor.clean(signal);
    assert.deepEqual(told, []);
    for (const key of await room.objectsOf(ulids[0] as Ulid)) await room.bucket.delete(key, signal);
    await compactor.clean(signal);
    assert.deepEqual(told, [`block ${ulids[0]} of ${tenant} is gone from the bucket, and was not marked for deletion`]);
    assert.deepEqual(await room.blocks(), ['2-4 level 1']);
  });

  it('takes nothing for gone that only a listing has not', async () => {
    for (const isMissing of [
      (key: string, ulid: Ulid) => key.startsWith(`${tenant}/${ulid}/`),
      (key: string, ulid: Ulid) => key === `${tenant}/${ulid}/meta.json`,
    ]) {
      const room = new Room();
      const ulid = await room.upload(0);
      await room.upload(1);
      // A folder that was away for a moment, a store whose listings come late.
      const { bucket } = failingAfter(room.bucket, Number.POSITIVE_INFINITY);
      const list: Bucket['list'] = async function* (...args) {
        for await (const entry of room.bucket.list(...args)) {
          if (entry.kind !== 'object' || !isMissing(entry.key, ulid)) yield entry;
        }
      };
      await room.compactor().clean(signal);
      room.nowMs += defaults.partialBlockDeletionDelay + 1000;
      await room.compactor({ ...bucket, list }).clean(signal);
      assert.deepEqual(await room.blocks(), ['0-2 level 1', '2-4 level 1']);
      assert.ok((await room.objectsOf(ulid)).length >= 3);
    }
  });

  it('stopped at any operation on the bucket and begun again, changes no answer', async () => {
    const template = new Room();
    for (let range = 0; range < 6; range++) await template.upload(range, 2);
    await template.upload(3, 2);
    const makeRoom = async () => {
      const room = new Room();
      for await (const entry of template.bucket.list('', { delimiter: false, signal })) {
        if (entry.kind !== 'object') continue;
        const { bytes } = await template.bucket.get(entry.key, { bytesMax: 1e9, signal });
        await room.bucket.put(entry.key, bytes, { signal });
      }
      await room.compactor().clean(signal);
      room.nowMs += defaults.firstLevelCompactionWaitPeriod;
      return room;
    };
    const whole = await makeRoom();
    const counted = failingAfter(whole.bucket, Number.POSITIVE_INFINITY);
    await whole.compactor(counted.bucket).compact(signal);
    const operations = counted.count();
    assert.ok(operations > 40);
    const end = ['0-12 level 3'];
    assert.deepEqual(await whole.blocks(), end);
    for (let stop = 1; stop < operations; stop += 7) {
      const room = await makeRoom();
      const content = await room.content();
      await room
        .compactor(failingAfter(room.bucket, stop).bucket)
        .compact(signal)
        .catch(() => undefined);
      assert.deepEqual(await room.content(), content, `stopped after ${stop} operations`);
      // Another one comes, cleans, and does the rest.
      const next = room.compactor();
      await next.clean(signal);
      assert.deepEqual(await room.content(), content, `cleaned after ${stop} operations`);
      await next.compact(signal);
      assert.deepEqual(
        (await room.blocks()).map((text) => text.replace(/level \d/, 'level 3')),
        end,
      );
      room.nowMs += defaults.deletionDelay + defaults.partialBlockDeletionDelay + 1000;
      await next.clean(signal);
      assert.equal((await room.index()).blocks.length, 1);
      assert.deepEqual(await room.content(), content, `deleted after ${stop} operations`);
    }
  });

  it('two at once harm nothing', async () => {
    const room = new Room();
    for (let range = 0; range < 6; range++) await room.upload(range);
    const compactors = [room.compactor(), room.compactor()];
    // Each has a folder of its own, as on two machines.
    await Promise.all(compactors.map((compactor) => compactor.clean(signal)));
    const content = await room.content();
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    const second = room.compactorElsewhere(() => true);
    await Promise.all([room.compactor().compact(signal), second.compact(signal)]);
    assert.deepEqual(await room.content(), content);
    for (let round = 0; round < 3; round++) {
      room.nowMs += defaults.deletionDelay + 1000;
      await second.clean(signal);
      await second.compact(signal);
      assert.deepEqual(await room.content(), content);
    }
    assert.deepEqual((await room.blocks()).length, 1);
  });
});

describe('several compactors that share the work', () => {
  it('each job and each cleaning is done by one of them; when one goes the others take what was its own', async () => {
    const room = new Room();
    // A job in each of 12 half days.
    for (let range = 0; range < 72; range++) if (range % 6 < 2) await room.upload(range, 1);
    const names = ['compactor-0', 'compactor-1', 'compactor-2'];
    let members = names;
    const keys = new Map<string, string[]>();
    const seen: string[] = [];
    /** In turn, in the order in which pieces of work were first asked for. */
    const ownerOf = (key: string): string | undefined => {
      if (!seen.includes(key)) seen.push(key);
      return members[seen.indexOf(key) % members.length];
    };
    const compactors = names.map((name) => {
      const own: string[] = [];
      keys.set(name, own);
      return room.compactorElsewhere((key) => {
        const isOwn = ownerOf(key) === name;
        if (isOwn && !own.includes(key)) own.push(key);
        return isOwn;
      });
    });
    for (const compactor of compactors) await compactor.clean(signal);
    const content = await room.content();
    room.nowMs += defaults.firstLevelCompactionWaitPeriod;
    const ran = await Promise.all(compactors.slice(0, 2).map((compactor) => compactor.compact(signal)));
    assert.ok(
      ran.every((count) => count > 0),
      String(ran),
    );
    const asked = [...keys.values()].flat();
    assert.equal(new Set(asked).size, asked.length, 'nothing is for two of them');
    // The third has died before it did anything.
    const left = (await compactors[0]?.jobsOf(tenant, signal))?.jobs.length ?? 0;
    assert.ok(left > 0, 'some jobs were its own');
    members = names.slice(0, 2);
    // What one has merged may be a job of the other.
    for (let round = 0; round < 4; round++) {
      await Promise.all(compactors.slice(0, 2).map((compactor) => compactor.compact(signal)));
    }
    assert.equal((await compactors[0]?.jobsOf(tenant, signal))?.jobs.length, 0);
    for (const compactor of compactors) await compactor.clean(signal);
    assert.deepEqual(await room.content(), content);
  });
});

describe('an index that is lost meanwhile', () => {
  it('is not written anew with the outputs of a job alone', async () => {
    const room = new Room();
    // Two that are merged, and one for itself.
    for (const range of [0, 0, 30]) await room.upload(range);
    room.nowMs += hour;
    await room.compactor().clean(signal);
    const before = await room.content();
    const key = `${tenant}/bucket-index.json.gz`;
    const put = room.bucket.put.bind(room.bucket);
    room.bucket.put = async (...args) => {
      if (args[0].endsWith('/index')) await room.bucket.delete(key, signal);
      return put(...args);
    };
    await room.compactor().compact(signal);
    room.bucket.put = put;
    assert.equal(await readBucketIndex(room.bucket, tenant, signal), undefined);
    await room.compactor().clean(signal);
    assert.deepEqual(await room.content(), before);
    assert.deepEqual(await room.blocks(), ['0-2 level 2', '60-62 level 1']);
  });

  it('nor by a cleaning with what came since alone', async () => {
    const room = new Room();
    const known = await room.upload(0);
    await room.compactor().clean(signal);
    const added = await room.upload(1);
    const list = room.bucket.list.bind(room.bucket);
    room.bucket.list = (...args) => {
      if (args[0] === `${tenant}/`) void room.bucket.delete(`${tenant}/bucket-index.json.gz`, signal);
      return list(...args);
    };
    await room.compactor().clean(signal);
    assert.deepEqual((await room.index()).blocks.map(({ ulid }) => ulid).sort(), [known, added].sort());
  });
});
