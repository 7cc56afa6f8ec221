/** Ranges as blocks on a disk: what a naive head has is what the block has, and no kill on the way costs or doubles anything. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ChunkEncoding } from '../model/encoding/chunk.ts';
import { decodeChunk } from '../model/encoding/decode-chunk.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import { makeColumns } from '../series/merge.ts';
import { type Disk, realDisk } from '../std/disk.ts';
import { Prng } from '../std/testing/prng.ts';
import { openBlockFolder, readBlockSeries } from './block/read-block.ts';
import { CutThread } from './cut-thread.ts';
import { TenantHead } from './head/tenant-head.ts';
import { describeSample, expected, pushInParts, workloads } from './head/workloads.testing.ts';
import { batch, contentsOf, Ledger } from './ledger.testing.ts';
import { LocalBlocks } from './local-blocks.ts';
import { Tsdb } from './tsdb.ts';
import { FaultyDisk } from './wal/faulty-disk.testing.ts';
import { writeRange } from './write-range.ts';

const tenant = parseTenantId('a');
const { signal } = new AbortController();
const hourMs = 3_600_000;
const rangeMs = 2 * hourMs;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

function blocksOn(disk: Disk, directory = '/data', withStartTimes = false): LocalBlocks {
  return new LocalBlocks({
    disk,
    directory: `${directory}/blocks`,
    damagedDirectory: `${directory}/damaged`,
    log: silent,
    nowMs: () => 1_700_000_000_000,
    withStartTimes,
    write: (feed, options, stop) => writeRange(feed, { disk, ...options }, stop),
  });
}

interface Read {
  readonly samples: Map<string, string[]>;
  readonly encodings: Set<number>;
  readonly chunkSamplesMax: number;
}

/** All blocks of the tenant as texts by label key, as workloads.testing.ts writes them. */
async function readAll(disk: Disk, blocks: LocalBlocks): Promise<Read> {
  const samples = new Map<string, string[]>();
  const encodings = new Set<number>();
  let chunkSamplesMax = 0;
  const sorted = blocks.of(tenant).sort((a, b) => a.meta.minTime - b.meta.minTime);
  for (const { path } of sorted) {
    await using files = await openBlockFolder(disk, path);
    for await (const series of readBlockSeries(files, signal)) {
      const rows = samples.get(series.labels.key) ?? [];
      samples.set(series.labels.key, rows);
      for (let chunk = 0; chunk < series.chunkCount; chunk++) {
        const columns = makeColumns(0);
        const encoding = series.encoding[chunk] as ChunkEncoding;
        encodings.add(encoding);
        const begin = series.byteBegin[chunk] as number;
        const count = decodeChunk(encoding, series.bytes, begin, series.byteEnd[chunk] as number, columns, 0);
        chunkSamplesMax = Math.max(chunkSamplesMax, count);
        for (let row = 0; row < count; row++) {
          const h = columns.h?.[row] ?? null;
          rows.push(
            describeSample(
              columns.t[row] as number,
              columns.vBits[row * 2 + 1] as number,
              columns.vBits[row * 2] as number,
              h,
            ),
          );
        }
      }
    }
  }
  return { samples, encodings, chunkSamplesMax };
}

describe('a range as a block', () => {
  it('has what a naive head has, whatever came in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(workloads, fc.boolean(), async (samples, withStartTimes) => {
        const disk = new FaultyDisk();
        const head = new TenantHead({ exemplarsMax: 0 });
        pushInParts(head, samples, 50);
        const blocks = blocksOn(disk, '/data', withStartTimes);
        for (const index of [...head.openRanges.keys()]) {
          const range = head.freeze(index, index + 1e6);
          assert.ok(range !== undefined);
          assert.match(await blocks.write(tenant, head, range, signal), /^[0-9A-Z]{26}$/);
        }
        const found = await readAll(disk, blocks);
        assert.deepEqual(found.samples, expected(samples, -1e15, 1e15));
        if (!withStartTimes) assert.ok([...found.encodings].every((one) => one <= ChunkEncoding.floatHistogram));
        assert.ok(found.chunkSamplesMax <= 240);
        const again = blocksOn(disk);
        const cut = await again.recover();
        assert.equal(cut.length, blocks.of(tenant).length);
        for (const { block } of cut) assert.ok(await again.verify(tenant, block));
      }),
      { numRuns: 60 },
    );
  });

  it('is the same from the thread that writes blocks', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'maru-cut-'));
    const thread = new CutThread();
    try {
      const blocks = new LocalBlocks({
        disk: realDisk,
        directory: join(directory, 'blocks'),
        damagedDirectory: join(directory, 'damaged'),
        log: silent,
        nowMs: Date.now,
        withStartTimes: false,
        write: (feed, options, stop) => thread.write(feed, options, stop),
      });
      const head = new TenantHead({ exemplarsMax: 0 });
      const [samples] = fc.sample(workloads, { seed: 5, numRuns: 1 });
      assert.ok(samples !== undefined);
      pushInParts(head, samples, 50);
      for (const index of [...head.openRanges.keys()]) {
        const range = head.freeze(index, index);
        assert.ok(range !== undefined);
        await blocks.write(tenant, head, range, signal);
      }
      assert.deepEqual((await readAll(realDisk, blocks)).samples, expected(samples, -1e15, 1e15));
      const range = head.rangeOf(5, 0);
      assert.equal(await blocks.write(tenant, head, range, signal), '', 'no series, no block');
    } finally {
      await thread.close();
      await rm(directory, { recursive: true });
    }
  });

  it('keeps the files of a block that is removed for those who may still read it', async () => {
    const disk = new FaultyDisk();
    const head = new TenantHead({ exemplarsMax: 0 });
    pushInParts(head, [{ series: 1, t: 1000, st: 0, hi: 0, lo: 1, h: null }], 1);
    const range = head.freeze(0, 7);
    assert.ok(range !== undefined);
    const blocks = blocksOn(disk);
    await blocks.write(tenant, head, range, signal);
    const [block] = blocks.of(tenant);
    assert.ok(block !== undefined);
    blocks.remove(block);
    assert.equal(blocks.of(tenant).length, 0);
    await blocks.sweep(60_000);
    assert.equal((await contentsOf(block.source)).get('m1')?.size, 1);
    await blocks.sweep(-1);
    assert.equal((await disk.list(block.path)).length, 0);
  });

  it('and where their deletion breaks off nothing is missed, and the rest goes with the next start', async () => {
    for (let kept = 0; kept < 4; kept++) {
      /** One that is killed when some files of a folder are gone. */
      class BreakingDisk extends FaultyDisk {
        override async removeTree(directory: string): Promise<void> {
          const paths = [...this.files.keys()].filter((path) => path.startsWith(`${directory}/`));
          if (paths.length === 0) return;
          for (const path of paths.toSpliced(kept, 1)) this.files.delete(path);
          throw new Error('killed');
        }
      }
      const disk = new BreakingDisk();
      const head = new TenantHead({ exemplarsMax: 0 });
      pushInParts(head, [{ series: 1, t: 1000, st: 0, hi: 0, lo: 1, h: null }], 1);
      const range = head.freeze(0, 7);
      assert.ok(range !== undefined);
      const blocks = blocksOn(disk);
      await blocks.write(tenant, head, range, signal);
      const [block] = blocks.of(tenant);
      assert.ok(block !== undefined);
      blocks.remove(block);
      await assert.rejects(blocks.sweep(-1), /killed/);
      assert.equal(disk.files.size, 1);
      const left = new FaultyDisk();
      for (const [path, content] of disk.files) left.files.set(path, content);
      const again = blocksOn(left);
      assert.deepEqual(await again.recover(), []);
      assert.deepEqual([[...again.missing], again.damaged, left.files.size], [[], 0, 0]);
    }
  });
});

/** A disk that stops for good at its n-th change: whoever waits for it waits for ever, and nothing of later changes is there. */
function stoppingDisk(
  disk: FaultyDisk,
  changes: number,
): { disk: Disk; stopped: Promise<void>; kill: () => Promise<void> } {
  let left = changes;
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const step = async (): Promise<void> => {
    if (left-- > 0) return;
    stop();
    await new Promise(() => undefined);
  };
  const wrapped: Disk = {
    open: async (path, mode) => {
      if (mode === 'create') await step();
      const file = await disk.open(path, mode);
      return {
        ...file,
        write: async (bytes, position) => {
          await step();
          await file.write(bytes, position);
        },
        truncate: async (length) => {
          await step();
          await file.truncate(length);
        },
        sync: async () => {
          await step();
          await file.sync();
        },
      };
    },
    list: (directory) => disk.list(directory),
    makeDirectory: () => disk.makeDirectory(),
    rename: async (from, to) => {
      await step();
      await disk.move(from, to);
      await step();
      await disk.syncDirectory(dirname(to));
    },
    remove: async (path) => {
      await step();
      await disk.remove(path);
    },
    removeTree: async (directory) => {
      await step();
      await disk.removeTree(directory);
    },
    syncDirectory: async (directory) => {
      await step();
      await disk.syncDirectory(directory);
    },
  };
  const kill = async (): Promise<void> => {
    left = 0;
    // What has begun is over.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { disk: wrapped, stopped, kill };
}

describe('a process that is killed while it cuts', () => {
  it('has lost and doubled nothing when it is back, at whatever change of the disk it was killed', async () => {
    const seed = Number(process.env.MARU_TEST_SEED ?? 1);
    const prng = new Prng(seed);
    let kills = 0;
    for (let round = 0; round < 20; round++) {
      const memory = new FaultyDisk();
      const ledger = new Ledger();
      const start = Math.ceil(1_700_000_000_000 / rangeMs) * rangeMs;
      let now = start;
      const open = async (disk: Disk, snapshotBytes: number) => {
        const blocks = blocksOn(disk);
        const { tsdb } = await Tsdb.open(
          {
            disk,
            directory: '/data',
            segmentBytes: 1 << 14,
            snapshotBytes,
            fullRetryMs: 5,
            log: silent,
            onFatal: () => undefined,
            seriesMax: () => 0,
            seriesRefusal: () => 'too many',
            headOptions: () => ({ exemplarsMax: 100 }),
            cut: { blocks, nowMs: () => now, cutDelayMs: hourMs, idleMs: 300_000 },
          },
          () => undefined,
        );
        return { tsdb, blocks };
      };
      const check = async ({ tsdb, blocks }: { tsdb: Tsdb; blocks: LocalBlocks }) => {
        const all = await contentsOf(tsdb.source(tenant));
        const cuts = blocks.of(tenant).map(({ meta }) => `${meta.cutFrom?.range} ${meta.cutFrom?.generation}`);
        assert.equal(new Set(cuts).size, cuts.length, `seed ${seed}, round ${round}: a range in two blocks`);
        for (const { path } of blocks.of(tenant)) {
          await using files = await openBlockFolder(memory, path);
          for await (const series of readBlockSeries(files, signal)) {
            const known = all.get(series.labels.get('__name__') ?? '') ?? new Map<number, number[]>();
            all.set(series.labels.get('__name__') ?? '', known);
            for (let chunk = 0; chunk < series.chunkCount; chunk++) {
              const columns = makeColumns(0);
              const encoding = series.encoding[chunk] as ChunkEncoding;
              const begin = series.byteBegin[chunk] as number;
              const rows = decodeChunk(encoding, series.bytes, begin, series.byteEnd[chunk] as number, columns, 0);
              for (let row = 0; row < rows; row++) {
                const t = columns.t[row] as number;
                known.set(t, [...(known.get(t) ?? []), columns.v[row] as number]);
              }
            }
          }
        }
        ledger.check(all);
      };
      let number = 0;
      for (let life = 0; life < 4; life++) {
        const { disk, stopped, kill } = stoppingDisk(memory, 10 + prng.below(150));
        const work = (async () => {
          const opened = await open(disk, prng.below(2) === 0 ? 1 << 30 : 1 << (9 + prng.below(6)));
          await check(opened);
          for (let i = 0; i < 8; i++) {
            now += prng.below(2 * hourMs);
            const rows = Array.from({ length: 1 + prng.below(6) }, () => {
              number++;
              return [`s${number % 7}`, now - prng.below(3 * hourMs), number] as const;
            });
            for (const [name, t, v] of rows) ledger.send(name, t, v);
            await opened.tsdb.push({ ...batch(tenant, rows), receiveTimeMs: now });
            ledger.acknowledge(rows);
            void opened.tsdb.cutDue();
            await new Promise((resolve) => setImmediate(resolve));
          }
          await opened.tsdb.cutDue();
          return 'ended' as const;
        })();
        if ((await Promise.race([stopped, work])) !== 'ended') kills++;
        // One that has come so far as well, or it would go on beside the next one.
        await kill();
        // A process that is killed leaves to the next one names and bytes that a power cut may still take.
        if (prng.below(2) === 0) memory.powerCut(() => prng.below(60));
      }
      memory.powerCut(() => prng.below(60));
      const opened = await open(memory, 1 << 30);
      await check(opened);
      for (const path of memory.files.keys()) assert.equal(path.includes('.tmp'), false, `${path} was left behind`);
      await opened.tsdb.close();
    }
    assert.ok(kills > 15, `${kills} kills`);
  });
});
