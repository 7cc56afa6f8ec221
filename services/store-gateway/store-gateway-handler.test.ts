/** Blocks behind the contract of the store-gateway, whole and damaged: every answer is complete or an error that names the block. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { blockFileSizes } from '../../libs/blocks/block-files.ts';
import { emptyBucketIndex, indexedBlock, readBucketIndex, updateBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { FilesystemBucket } from '../../libs/object-store/filesystem.ts';
import { MemoryBucket } from '../../libs/object-store/memory.ts';
import { type Disk, realDisk } from '../../libs/std/disk.ts';
import { openFilesMax } from '../../libs/std/open-files.ts';
import { nextTurn } from '../../libs/std/steps.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { type TestSeries, ulidOf, writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import {
  blockBegin,
  expectedSelection,
  gridOfSeries,
  randomMatchers,
  selectRows,
} from '../../libs/tsdb/block/block-source.testing.ts';
import { indexHeaderBytes } from '../../libs/tsdb/block/index-layout.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { HeaderFiles } from './header-files.ts';
import { MemoryPageCache } from './page-cache.ts';
import { StoreGatewayHandler } from './store-gateway-handler.ts';

const { signal } = new AbortController();
const tenant = parseTenantId('team-a');
const whole = { matchers: [], minT: 0, maxT: Number.MAX_SAFE_INTEGER };

interface Rig extends AsyncDisposable {
  handler: StoreGatewayHandler;
  cache: MemoryPageCache;
  headers: HeaderFiles;
  quarantined: string[];
  clock: { nowMs: number };
}

interface RigChange {
  readonly cacheBytes?: number;
  readonly indexMemoryBytes?: number;
  readonly lookupBytesMax?: number;
  readonly batchBytesTotal?: number;
  readonly freeBytes?: () => Promise<number>;
  readonly disk?: Disk;
}

/** A bucket's methods as they are. */
function methodsOf(bucket: Bucket): Bucket {
  return {
    name: bucket.name,
    get: (...args) => bucket.get(...args),
    getRange: (...args) => bucket.getRange(...args),
    stat: (...args) => bucket.stat(...args),
    put: (...args) => bucket.put(...args),
    list: (...args) => bucket.list(...args),
    delete: (...args) => bucket.delete(...args),
    filePath: (key) => bucket.filePath(key),
  };
}

function rigOf(bucket: Bucket, folder: string, change: RigChange = {}): Rig {
  const clock = { nowMs: 1_800_000_000_000 };
  const nowMs = () => clock.nowMs;
  const quarantined: string[] = [];
  const { freeBytes = async () => Number.POSITIVE_INFINITY, disk = realDisk } = change;
  const headers = new HeaderFiles(disk, join(folder, 'headers'), 1 << 30, nowMs, freeBytes);
  const cache = new MemoryPageCache(change.cacheBytes ?? 64 << 20);
  const onProblem = (_: string, problem: string): void => assert.fail(problem);
  const handler = new StoreGatewayHandler({
    bucket,
    disk,
    headers,
    cache,
    indexes: new TenantIndexes({ bucket, nowMs, ageMsMax: 60_000, staleMsMax: 600_000, onProblem }),
    headerPostingsBytes: 1 << 30,
    indexMemoryBytes: change.indexMemoryBytes ?? 1 << 30,
    lookupBytesMax: change.lookupBytesMax ?? 1 << 30,
    ...(change.batchBytesTotal === undefined ? {} : { batchBytesTotal: change.batchBytesTotal }),
    quarantineMs: 300_000,
    nowMs,
    onQuarantine: (_, ulid) => quarantined.push(ulid),
    onBadHeader: () => {},
  });
  return { handler, cache, headers, quarantined, clock, [Symbol.asyncDispose]: () => handler.close() };
}

/** Uploads a block with these series and puts it into the tenant's index, if `indexed`. */
async function ship(
  bucket: Bucket,
  folder: string,
  seed: number,
  series: readonly TestSeries[],
  indexed = true,
): Promise<Ulid> {
  const ulid = ulidOf(new Prng(seed));
  await writeTestBlock({ disk: realDisk, directory: folder, ulid, series, segmentBytes: 1 << 20 });
  const { meta } = await uploadBlock(bucket, tenant, ulid, join(folder, ulid), signal);
  if (!indexed) return ulid;
  const sizes = await blockFileSizes(bucket, tenant, meta, signal);
  const entry = indexedBlock(meta, 1_000, sizes);
  await updateBucketIndex(
    bucket,
    tenant,
    1_000,
    (old = emptyBucketIndex) => ({ ...old, blocks: [...old.blocks, entry] }),
    signal,
  );
  return ulid;
}

/** A grid whose samples begin so many milliseconds later. */
const later = (series: readonly TestSeries[], ms: number): TestSeries[] =>
  series.map(({ labels, samples }) => ({
    labels,
    samples: samples.map((sample) => ({ ...sample, t: sample.t + ms })),
  }));

describe('the store-gateway', () => {
  it('asks the bucket once what many blocks are, and opens headers that an earlier process has left at once', async () => {
    await using folder = await tempFolder('gateway');
    const memory = new MemoryBucket();
    const ulids: Ulid[] = [];
    for (let i = 1; i <= 20; i++)
      ulids.push(await ship(memory, folder.path, i, later(gridOfSeries(1, 3, 5), i * 60_000)));
    const asked: string[] = [];
    const bucket: Bucket = {
      ...methodsOf(memory),
      get: (key, options) => {
        asked.push(key);
        return memory.get(key, options);
      },
      stat: (key, stop) => {
        asked.push(key);
        return memory.stat(key, stop);
      },
      getRange: (key, begin, end, stop) => {
        // Whether it is an index at all is asked for a header.
        if (end === indexHeaderBytes && key.endsWith('/index')) asked.push(key);
        return memory.getRange(key, begin, end, stop);
      },
    };
    for (const [process, indexes] of [20, 0].entries()) {
      await using rig = rigOf(bucket, folder.path);
      const rows = await selectRows(rig.handler.source(tenant, ulids).source, whole);
      assert.equal(rows.length, 3);
      const counts = [/bucket-index/, /meta.json|tombstones/, /\/index$/].map(
        (kind) => new Set(asked.filter((key) => kind.test(key))).size,
      );
      assert.deepEqual(counts, [1, 0, indexes], `process ${process}`);
      asked.length = 0;
    }
  });

  it('builds no header while it is looked what an earlier process has left: half-written ones are deleted then', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const ulid = await ship(bucket, folder.path, 1, gridOfSeries(1, 3, 5));
    let isBegun = false;
    let scanning: Promise<void> | undefined;
    const disk: Disk = {
      ...realDisk,
      open: async (path, mode) => {
        const file = await realDisk.open(path, mode);
        if (mode === 'create') {
          isBegun = true;
          await scanning;
        }
        return file;
      },
      list: async (directory) => {
        for (let turn = 0; turn < 200 && !isBegun; turn++) await nextTurn();
        return realDisk.list(directory);
      },
    };
    await using rig = rigOf(bucket, folder.path, { disk });
    await mkdir(join(folder.path, 'headers', tenant), { recursive: true });
    scanning = rig.headers.scan();
    assert.equal((await selectRows(rig.handler.source(tenant, [ulid]).source, whole)).length, 3);
  });

  it('reads little of an index whose block says that it has fewer series than it has', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const ulid = await ship(bucket, folder.path, 1, gridOfSeries(20, 500, 1));
    const { blocks } = (await readBucketIndex(bucket, tenant, signal))?.index ?? emptyBucketIndex;
    const lying = blocks.map((block) => ({ ...block, details: block.details && { ...block.details, numSeries: 1 } }));
    await updateBucketIndex(bucket, tenant, 2_000, () => ({ ...emptyBucketIndex, blocks: lying }), signal);
    await using rig = rigOf(bucket, folder.path);
    await rig.handler.states(tenant, signal);
    const { source, reads } = rig.handler.source(tenant, [ulid]);
    const one = { type: '=', name: '__name__', value: 'metric_0000' } as const;
    const matchers = [one, { type: '=', name: 'instance', value: 'host-00007' } as const];
    assert.equal((await selectRows(source, { ...whole, matchers })).length, 1);
    assert.ok(reads().bytes < 100_000, `${reads().bytes} bytes were read`);
  });

  it('headers make way where the disk fills up, and none is begun that leaves nothing to others', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const grid = gridOfSeries(6, 20, 10);
    const ulids = [
      await ship(bucket, folder.path, 1, grid),
      await ship(bucket, folder.path, 2, later(grid, 7_200_000)),
    ];
    let diskBytes = 1 << 30;
    const rig: Rig = rigOf(bucket, folder.path, { freeBytes: async () => diskBytes - rig.headers.bytes });
    await using _ = rig;
    const ask = async (ulid: Ulid) => (await selectRows(rig.handler.source(tenant, [ulid]).source, whole)).length;
    assert.equal(await ask(ulids[0] as Ulid), 120);
    const { bytes } = rig.headers;
    rig.clock.nowMs++;
    // Room for one beside what is left to others.
    diskBytes = (256 << 20) + bytes + 1000;
    assert.equal(await ask(ulids[1] as Ulid), 120);
    assert.deepEqual(
      ulids.map((ulid) => rig.headers.has(tenant, ulid)),
      [false, true],
    );
    diskBytes = (256 << 20) + bytes - 1;
    await rig.headers.makeRoom(0);
    assert.equal(rig.headers.count, 0);
    for (const ulid of ulids) await rig.handler.block(tenant, ulid).release();
    await assert.rejects(ask(ulids[0] as Ulid), {
      kind: 'unavailable',
      message: /no room for the \d+ bytes of its header/,
    });
    diskBytes = 1 << 30;
    assert.equal(await ask(ulids[0] as Ulid), 120);
  });

  it('a header that makes way is closed, or its bytes would not be free; one that is in memory goes on being read', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const [large, small] = [
      await ship(bucket, folder.path, 1, gridOfSeries(40, 200, 1)),
      await ship(bucket, folder.path, 2, gridOfSeries(2, 2, 4)),
    ];
    let free = 1 << 30;
    await using rig = rigOf(bucket, folder.path, { freeBytes: async () => free });
    const ask = async (ulid: Ulid) => (await selectRows(rig.handler.source(tenant, [ulid]).source, whole)).length;
    assert.equal(await ask(small), 4);
    assert.ok(rig.handler.memoryBytes > rig.headers.bytes, 'one that is in memory counts');
    assert.equal(await ask(large), 8000);
    free = 0;
    assert.equal(await rig.headers.makeRoom(0), false);
    assert.equal(rig.headers.count, 0);
    assert.deepEqual(
      [large, small].map((ulid) => rig.handler.block(tenant, ulid).isOpen),
      [false, true],
    );
    assert.equal(await ask(small), 4);
  });

  it('reads of many blocks so little ahead that all of them together stay within a bound', async () => {
    await using folder = await tempFolder('gateway');
    const stored = new MemoryBucket();
    const prng = new Prng(3);
    const samples = (): TestSeries['samples'] =>
      Array.from({ length: 1000 }, (_, i) => ({ t: blockBegin + i * 15_000, v: prng.next() }));
    const series = Array.from({ length: 400 }, (_, i) => ({
      labels: Labels.from([['i', `${i}`]]),
      samples: samples(),
    }));
    const first = await ship(stored, folder.path, 1, series);
    const { blocks } = (await readBucketIndex(stored, tenant, signal))?.index ?? emptyBucketIndex;
    // One block under many names.
    const names = Array.from({ length: 16 }, (_, i) => ulidOf(new Prng(100 + i)));
    let chunkBytes = 0;
    const bucket: Bucket = {
      ...methodsOf(stored),
      getRange: (key, begin, end, stop) => {
        if (key.includes('/chunks/')) chunkBytes += end - begin;
        return stored.getRange(key.replace(/[^/]{26}/, first), begin, end, stop);
      },
    };
    const entries = names.flatMap((ulid) => blocks.map((block) => ({ ...block, ulid })));
    await updateBucketIndex(stored, tenant, 2_000, () => ({ ...emptyBucketIndex, blocks: entries }), signal);
    await using rig = rigOf(bucket, folder.path, { cacheBytes: 0, batchBytesTotal: 4 << 20 });
    await rig.handler.states(tenant, signal);
    const { source } = rig.handler.source(tenant, names);
    const chunks = (await source.select(whole, signal)).chunks(signal)[Symbol.asyncIterator]();
    let batch = await chunks.next();
    // What it has begun comes to its end.
    for (let before = -1; before !== chunkBytes; ) {
      before = chunkBytes;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const inAll = 16 * (blocks[0]?.details?.segmentBytes ?? []).reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(chunkBytes < inAll / 2, `${chunkBytes} of ${inAll} bytes were read ahead`);
    let found = 0;
    for (; batch.done !== true; batch = await chunks.next()) found += batch.value.chunkBegin.length - 1;
    assert.equal(found, 400);
    assert.ok(chunkBytes >= inAll * 0.95);
  });

  it('answers over exactly the named blocks, known to the index or not, in the order of labels', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const grid = gridOfSeries(6, 20, 100);
    const hours = [0, 1, 2].map((hour) =>
      later(
        grid.filter((_, i) => i % (hour + 2) !== 0),
        hour * 7_200_000,
      ),
    );
    const ulids: Ulid[] = [];
    for (const [i, series] of hours.entries()) ulids.push(await ship(bucket, folder.path, i + 1, series, i !== 1));
    await using rig = rigOf(bucket, folder.path);
    const { handler } = rig;
    const prng = new Prng(2);
    const costs = { requests: 0, bytes: 0 };
    for (let run = 0; run < 40; run++) {
      const chosen = [0, 1, 2].filter(() => prng.below(3) > 0);
      const minT = blockBegin + prng.below(15_000_000);
      const query = { matchers: randomMatchers(prng, 6, 20), minT, maxT: minT + prng.below(15_000_000) };
      const { source, reads } = handler.source(
        tenant,
        chosen.map((i) => ulids[i] as string),
      );
      const found = (await selectRows(source, query)).filter(([, rows]) => rows.length > 0);
      const joined = new Map<string, TestSeries>();
      for (const { labels, samples } of chosen.flatMap((i) => hours[i] ?? [])) {
        joined.set(labels.key, { labels, samples: [...(joined.get(labels.key)?.samples ?? []), ...samples] });
      }
      const all = grid.flatMap(({ labels }) => joined.get(labels.key) ?? []);
      assert.deepEqual(found, expectedSelection(all, query), `run ${run}`);
      assert.deepEqual(reads().blocks.toSorted(), chosen.map((i) => ulids[i]).toSorted());
      costs.requests += reads().requests;
      costs.bytes += reads().bytes;
    }
    const { requests, bytes } = handler.counters;
    assert.deepEqual({ requests, bytes }, costs, 'all together count what each counted');
  });

  it('takes tombstones for such that meta.json does not name', async () => {
    for (const isIndexed of [true, false]) {
      await using folder = await tempFolder('gateway');
      const bucket = new MemoryBucket();
      const ulid = await ship(bucket, folder.path, 1, gridOfSeries(2, 3, 10), isIndexed);
      await bucket.put(`${tenant}/${ulid}/tombstones`, new Uint8Array(50), { signal });
      await using rig = rigOf(bucket, folder.path);
      await assert.rejects(selectRows(rig.handler.source(tenant, [ulid]).source, whole), /tombstones is corrupt/);
    }
  });

  it('does not read tombstones that are larger than any', async () => {
    await using folder = await tempFolder('gateway');
    const root = join(folder.path, 'bucket');
    const ulid = await ship(new FilesystemBucket(root), folder.path, 1, gridOfSeries(2, 3, 10), false);
    // It takes no room on the disk.
    const path = join(root, tenant, ulid, 'tombstones');
    await writeFile(path, '');
    await truncate(path, 2 ** 40);
    await using rig = rigOf(new FilesystemBucket(root), folder.path);
    await assert.rejects(selectRows(rig.handler.source(tenant, [ulid]).source, whole), /tombstones is corrupt/);
    assert.deepEqual(rig.quarantined, [ulid]);
  });

  it('one metric name of many: few requests, two rounds, little more than it needs', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    // 50 metrics of 200 series: one name is 200 of 10,000.
    const series = gridOfSeries(50, 200, 240);
    const ulid = await ship(bucket, folder.path, 1, series);
    let running = 0;
    let rounds = 0;
    const rounding: Bucket = new Proxy(bucket, {
      get(target, name: keyof Bucket) {
        const value = target[name];
        if (typeof value !== 'function') return value;
        if (name !== 'getRange') return value.bind(target);
        return async (...args: Parameters<Bucket['getRange']>) => {
          if (running++ === 0) rounds++;
          await new Promise((resolve) => setTimeout(resolve, 5));
          running--;
          return target.getRange(...args);
        };
      },
    });
    await using rig = rigOf(rounding, folder.path);
    const { handler, cache } = rig;
    await handler.source(tenant, [ulid]).source.labelNames({ selectors: [], minT: 0, maxT: 2e12, limit: 0 }, signal);
    for (const matcher of [
      { type: '=', name: '__name__', value: 'metric_0023' },
      { type: '=~', name: '__name__', value: 'metric_000[1-3]' },
      { type: '=', name: 'instance', value: 'host-00007' },
    ] as const) {
      cache.dropPrefix('');
      rounds = 0;
      const { source, reads } = handler.source(tenant, [ulid]);
      const query = { ...whole, matchers: [matcher] };
      const found = await selectRows(source, query);
      assert.deepEqual(found, expectedSelection(series, query));
      const { requests, bytes } = reads();
      assert.ok(rounds <= 2, `${rounds} rounds`);
      if (matcher.name === '__name__' && matcher.type === '=') {
        assert.ok(requests <= 12, `${requests} requests`);
        const needed = (await stat(bucket, ulid)) / 50;
        assert.ok(bytes <= needed * 1.5, `${bytes} of ${needed} bytes`);
      }
      const again = handler.source(tenant, [ulid]);
      await selectRows(again.source, query);
      assert.equal(again.reads().requests, 0);
      assert.ok(again.reads().cachedBytes > 0);
    }
  });

  it('a damaged block is set aside by name, and only what needs it fails', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const series = gridOfSeries(3, 10, 50);
    const sound = await ship(bucket, folder.path, 1, series);
    const whatIs: [string, (ulid: Ulid) => Promise<void>][] = [
      ['no index', (ulid) => bucket.delete(`team-a/${ulid}/index`, signal)],
      ['an index of nothing', (ulid) => put(bucket, `team-a/${ulid}/index`, new Uint8Array(0))],
      ['no chunk file', (ulid) => bucket.delete(`team-a/${ulid}/chunks/000001`, signal)],
      ['a flipped chunk', (ulid) => flip(bucket, `team-a/${ulid}/chunks/000001`, 100)],
      ['a flipped index', (ulid) => flip(bucket, `team-a/${ulid}/index`, 200)],
      ['a chunk file cut short', (ulid) => cut(bucket, `team-a/${ulid}/chunks/000001`)],
      ['an index cut short', (ulid) => cut(bucket, `team-a/${ulid}/index`)],
    ];
    for (const [i, [name, damage]] of whatIs.entries()) {
      const ulid = await ship(bucket, folder.path, 10 + i, later(series, 7_200_000), i % 2 === 0);
      await damage(ulid);
      await using rig = rigOf(bucket, join(folder.path, String(i)));
      const { handler, quarantined, clock } = rig;
      const asked = selectRows(handler.source(tenant, [sound, ulid]).source, whole);
      await assert.rejects(asked, (error: Failure) => error.kind === 'internal' && error.message.includes(ulid), name);
      assert.deepEqual(quarantined, [ulid], name);
      assert.deepEqual(
        await selectRows(handler.source(tenant, [sound]).source, whole),
        expectedSelection(series, whole),
      );
      const states = await handler.states(tenant, signal);
      assert.ok(states.find((state) => state.ulid === ulid)?.quarantine?.reason, name);
      const again = selectRows(handler.source(tenant, [ulid]).source, whole);
      await assert.rejects(again, { kind: 'internal' });
      // Mended, and after a while it is tried again.
      await uploadAnew(bucket, folder.path, ulid);
      clock.nowMs += 300_001;
      const mended = await selectRows(handler.source(tenant, [ulid]).source, whole);
      assert.deepEqual(mended, expectedSelection(later(series, 7_200_000), whole), name);
    }
  });

  it('a damaged block is answered by those it was merged from, while they are there', async () => {
    await using folder = await tempFolder('gateway');
    const series = gridOfSeries(3, 10, 50);
    const parts = [series, later(series, 7_200_000)];
    const all = series.map(({ labels, samples }, i) => ({
      labels,
      samples: [...samples, ...(parts[1]?.[i]?.samples ?? [])],
    }));
    const whatIs: [string, (bucket: Bucket, key: string) => Promise<void>][] = [
      ['no index', (bucket, key) => bucket.delete(`${key}/index`, signal)],
      ['a flipped index', (bucket, key) => flip(bucket, `${key}/index`, 200)],
      ['no chunk file', (bucket, key) => bucket.delete(`${key}/chunks/000001`, signal)],
      ['chunks that are damaged behind the first ones', (bucket, key) => flip(bucket, `${key}/chunks/000001`, 2000)],
    ];
    for (const [i, [name, damage]] of whatIs.entries()) {
      const bucket = new MemoryBucket();
      const path = join(folder.path, String(i));
      const sources = [await ship(bucket, path, 1, parts[0] ?? []), await ship(bucket, path, 2, parts[1] ?? [])];
      const other = await ship(bucket, path, 3, later(series, 50_000_000));
      const merged = await ship(bucket, path, 4, all);
      const change = (ulid: Ulid, shard: string, from: readonly Ulid[]) =>
        updateBucketIndex(
          bucket,
          tenant,
          1_000,
          (old = emptyBucketIndex) => ({
            ...old,
            blocks: old.blocks.map((block) => {
              if (block.ulid !== ulid || block.details === undefined) return block;
              const labels = new Map(shard === '' ? [] : [['__compactor_shard_id__', shard]]);
              return { ...block, labels, details: { ...block.details, sources: from } };
            }),
            deletionMarks: sources.map((source) => ({ ulid: source, markedAtMs: 0 })),
          }),
          signal,
        );
      await change(merged, '1_of_2', sources);
      // What is of another shard has other series, whatever it was made from.
      await change(other, '2_of_2', sources);
      await damage(bucket, `team-a/${merged}`);
      await using rig = rigOf(bucket, path);
      const { handler, quarantined, clock } = rig;
      for (let run = 0; run < 2; run++) {
        const { source, reads } = handler.source(tenant, [merged]);
        assert.deepEqual(await selectRows(source, whole), expectedSelection(all, whole), name);
        assert.ok(reads().blocks.includes(merged), name);
        assert.deepEqual(quarantined, [merged], name);
      }
      const { source } = handler.source(tenant, [merged]);
      const names = await source.labelValues('__name__', { selectors: [], minT: 0, maxT: 2e12, limit: 0 }, signal);
      assert.equal(names.values.length, 3, name);
      // One of them is of another shard, or damaged as well: then nothing of it is answered.
      await change(sources[0] as Ulid, '2_of_2', [sources[0] as Ulid]);
      clock.nowMs += 60_001;
      const asked = () => selectRows(handler.source(tenant, [merged]).source, whole);
      await assert.rejects(
        asked(),
        (error: Failure) => error.kind === 'internal' && error.message.includes(merged),
        name,
      );
      await change(sources[0] as Ulid, '', [sources[0] as Ulid]);
      clock.nowMs += 60_001;
      assert.equal((await asked()).length, 30);
      await bucket.delete(`team-a/${sources[0]}/index`, signal);
      await using fresh = rigOf(bucket, join(path, 'fresh'));
      const damaged = selectRows(fresh.handler.source(tenant, [merged]).source, whole);
      await assert.rejects(damaged, { kind: 'internal' }, name);
    }
  });

  it('and so is one of which the index says no more than that it is damaged', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const series = gridOfSeries(3, 10, 50);
    const sources = [
      await ship(bucket, folder.path, 1, series.slice(0, 10)),
      await ship(bucket, folder.path, 2, series.slice(10)),
    ];
    const merged = ulidOf(new Prng(3));
    const extras = { compaction: { level: 2, sources } };
    await writeTestBlock({ disk: realDisk, directory: folder.path, ulid: merged, series, extras });
    const { meta } = await uploadBlock(bucket, tenant, merged, join(folder.path, merged), signal);
    for (const lost of ['chunks/000001', 'index']) {
      await bucket.delete(`team-a/${merged}/${lost}`, signal);
      const entry = indexedBlock(meta, 1_000, new Map());
      assert.equal(entry.details, undefined);
      await updateBucketIndex(
        bucket,
        tenant,
        1_000,
        (old = emptyBucketIndex) => ({ ...old, blocks: [...old.blocks.filter(({ ulid }) => ulid !== merged), entry] }),
        signal,
      );
      await using rig = rigOf(bucket, join(folder.path, lost));
      const { source, reads } = rig.handler.source(tenant, [merged]);
      assert.deepEqual(await selectRows(source, whole), expectedSelection(series, whole), lost);
      assert.ok(reads().blocks.includes(merged));
      assert.deepEqual(rig.quarantined, [merged]);
    }
  });

  it('a block that is gone, and a bucket that is away, are told apart', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const ulid = await ship(bucket, folder.path, 1, gridOfSeries(2, 5, 10));
    let away = true;
    const unsteady: Bucket = new Proxy(bucket, {
      get(target, name: keyof Bucket) {
        const value = target[name];
        if (typeof value !== 'function') return value;
        return (...args: never[]) => {
          if (away) throw new Failure('unavailable', 'SlowDown');
          return (value as (...all: never[]) => unknown).apply(target, args);
        };
      },
    });
    await using rig = rigOf(unsteady, folder.path);
    const { handler, quarantined } = rig;
    const asked = () => selectRows(handler.source(tenant, [ulid]).source, whole);
    await assert.rejects(asked(), (error: Failure) => error.kind === 'unavailable' && error.message.includes(ulid));
    away = false;
    assert.equal((await asked()).length, 10);
    const none = ulidOf(new Prng(99));
    const gone = selectRows(handler.source(tenant, [none]).source, whole);
    await assert.rejects(gone, (error: Failure) => error.kind === 'not_found' && error.message.includes(none));
    assert.deepEqual(quarantined, []);
    assert.throws(() => handler.source(tenant, ['../x']), { kind: 'bad_data' });
  });

  it('whoever has left opens no block', async () => {
    await using folder = await tempFolder('gateway');
    let operations = 0;
    const away: Bucket = new Proxy(new MemoryBucket(), {
      get: (target, name: keyof Bucket) => {
        if (typeof target[name] !== 'function' || name === 'filePath') return target[name];
        return async () => {
          operations++;
          throw new Failure('unavailable', 'SlowDown');
        };
      },
    });
    await using rig = rigOf(away, folder.path);
    const { source } = rig.handler.source(tenant, [ulidOf(new Prng(1)), ulidOf(new Prng(2))]);
    await assert.rejects(source.select(whole, AbortSignal.abort(new Error('left'))), /left/);
    // A failure that nobody waits for would end the process, as it ends this test.
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(operations, 0);
  });

  it('a header that was damaged on the local disk is built anew', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const series = gridOfSeries(2, 5, 10);
    const ulid = await ship(bucket, folder.path, 1, series);
    await using first = rigOf(bucket, folder.path);
    await selectRows(first.handler.source(tenant, [ulid]).source, whole);
    await first.handler.close();
    const path = first.headers.path(tenant, ulid);
    const bytes = await readFile(path);
    bytes[50] ^= 255;
    await writeFile(path, bytes);
    await using second = rigOf(bucket, folder.path);
    await second.headers.scan();
    assert.equal(second.headers.count, 1);
    assert.deepEqual(
      await selectRows(second.handler.source(tenant, [ulid]).source, whole),
      expectedSelection(series, whole),
    );
    await second.handler.close();
    await rm(path);
    assert.deepEqual(
      await selectRows(second.handler.source(tenant, [ulid]).source, whole),
      expectedSelection(series, whole),
    );
  });

  it('and one that is damaged while it is open as well: no question notices', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    // Small ones are held in memory.
    const series = gridOfSeries(40, 200, 4);
    const ulid = await ship(bucket, folder.path, 1, series);
    await using rig = rigOf(bucket, folder.path);
    const ask = () => selectRows(rig.handler.source(tenant, [ulid]).source, whole);
    await ask();
    await truncate(rig.headers.path(tenant, ulid), 60);
    for (let i = 0; i < 2; i++)
      assert.deepEqual(await Promise.all([ask(), ask()]), Array(2).fill(expectedSelection(series, whole)));
    assert.deepEqual(rig.quarantined, []);
    assert.ok((await readFile(rig.headers.path(tenant, ulid))).length > 60);
  });

  for (const others of [0, 1_000])
    it(`memory is bounded beside ${others} blocks that are only known: lookups go and come again, pages go`, async () => {
      await using folder = await tempFolder('gateway');
      const bucket = new MemoryBucket();
      const series = gridOfSeries(4, 30, 60);
      const ulids: Ulid[] = [];
      for (let i = 0; i < 6; i++) ulids.push(await ship(bucket, folder.path, i + 1, series));
      await using rig = rigOf(bucket, folder.path, { cacheBytes: 100_000, indexMemoryBytes: 10_000 });
      const { handler, cache } = rig;
      for (let i = 0; i < others; i++) handler.block(tenant, ulidOf(new Prng(1_000 + i)));
      for (let run = 0; run < 3; run++) {
        for (const ulid of ulids) {
          assert.equal((await selectRows(handler.source(tenant, [ulid]).source, whole)).length, 120);
          assert.ok(handler.memoryBytes <= 10_000, `${handler.memoryBytes}`);
          assert.ok(cache.bytes <= 100_000);
        }
      }
    });

  const filesMax = openFilesMax();
  const tooFew = filesMax < 8 * 600 ? `the process may open ${filesMax} files` : false;
  it('years of blocks stay open: asked once more, none is opened anew', { skip: tooFew }, async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const ulids = [await ship(bucket, folder.path, 1, gridOfSeries(1, 1, 10), false)];
    const prng = new Prng(2);
    const options = { bytesMax: 1 << 20, signal };
    for (let i = 1; i < 600; i++) {
      const ulid = ulidOf(prng);
      for await (const entry of bucket.list(`${tenant}/${ulids[0]}/`, { delimiter: false, signal })) {
        if (entry.kind !== 'object') continue;
        const { bytes } = await bucket.get(entry.key, options);
        const own = entry.key.endsWith('/meta.json')
          ? Buffer.from(Buffer.from(bytes).toString().replaceAll(String(ulids[0]), ulid))
          : bytes;
        await put(bucket, entry.key.replace(String(ulids[0]), ulid), own);
      }
      ulids.push(ulid);
    }
    await using rig = rigOf(bucket, folder.path);
    for (let run = 0; run < 2; run++) {
      const { source, reads } = rig.handler.source(tenant, ulids);
      const rows = await selectRows(source, whole);
      assert.ok(rows.length > 0);
      assert.equal([...rig.handler.held()].filter(({ isOpen }) => isOpen).length, 600);
      if (run > 0) assert.equal(reads().requests, 0);
    }
  });

  it('a block whose index is too large for the memory is told, and not called damaged', async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const ulid = await ship(bucket, folder.path, 1, gridOfSeries(4, 30, 6));
    await using rig = rigOf(bucket, folder.path, { lookupBytesMax: 100 });
    const asked = selectRows(rig.handler.source(tenant, [ulid]).source, whole);
    const tells = (error: Failure): boolean => error.kind === 'unavailable' && error.message.includes('memory for 100');
    await assert.rejects(asked, tells);
    assert.deepEqual(rig.quarantined, []);
  });

  it("tenants do not meet: another tenant's block of the same name is another block", async () => {
    await using folder = await tempFolder('gateway');
    const bucket = new MemoryBucket();
    const series = gridOfSeries(2, 5, 10);
    const ulid = await ship(bucket, folder.path, 1, series);
    await using rig = rigOf(bucket, folder.path);
    const { handler } = rig;
    assert.equal((await selectRows(handler.source(tenant, [ulid]).source, whole)).length, 10);
    const other = selectRows(handler.source(parseTenantId('team-b'), [ulid]).source, whole);
    await assert.rejects(other, { kind: 'not_found' });
  });
});

async function put(bucket: Bucket, key: string, bytes: Uint8Array): Promise<void> {
  await bucket.put(key, bytes, { signal });
}

async function flip(bucket: Bucket, key: string, at: number): Promise<void> {
  const { bytes } = await bucket.get(key, { bytesMax: 1 << 30, signal });
  for (let i = at; i < bytes.length; i += 997) bytes[i] ^= 1;
  await put(bucket, key, bytes);
}

async function cut(bucket: Bucket, key: string): Promise<void> {
  const { bytes } = await bucket.get(key, { bytesMax: 1 << 30, signal });
  await put(bucket, key, bytes.subarray(0, bytes.length >> 1));
}

async function uploadAnew(bucket: Bucket, folder: string, ulid: Ulid): Promise<void> {
  for (const name of ['index', 'chunks/000001']) {
    await put(bucket, `team-a/${ulid}/${name}`, new Uint8Array(await readFile(join(folder, ulid, name))));
  }
}

/** Bytes of the chunks of a block, and of its series. */
async function stat(bucket: Bucket, ulid: Ulid): Promise<number> {
  let bytes = 0;
  for await (const entry of bucket.list(`team-a/${ulid}/chunks/`, { delimiter: false, signal })) {
    if (entry.kind === 'object') bytes += entry.bytes;
  }
  return bytes;
}
