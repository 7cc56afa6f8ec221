/** Cutting with blocks that are kept in memory: when ranges go, what a crash between any two steps leaves, which series are gone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId, type TenantId } from '../model/tenant-id.ts';
import { Prng } from '../std/testing/prng.ts';
import type { BlockKeeper, CutBlock } from './cut-ranges.ts';
import type { HeadRange } from './head/head-range.ts';
import { HeadSource } from './head/head-source.ts';
import { TenantHead } from './head/tenant-head.ts';
import { batch, contentsOf, Ledger } from './ledger.testing.ts';
import { Tsdb, type TsdbOptions } from './tsdb.ts';
import { FaultyDisk } from './wal/faulty-disk.testing.ts';

const tenant = parseTenantId('a');
const hourMs = 3_600_000;
const rangeMs = 2 * hourMs;
const start = Math.ceil(1_700_000_000_000 / rangeMs) * rangeMs;

type Contents = Awaited<ReturnType<typeof contentsOf>>;

/** Blocks in memory, which outlive the process as those on a disk do. */
class MemoryBlocks implements BlockKeeper {
  readonly blocks: (CutBlock & { samples: Contents })[] = [];
  /** Called before a block is there and after it. */
  step: (when: 'before' | 'after') => Promise<void> = async () => undefined;

  async recover(): Promise<MemoryBlocks['blocks']> {
    return this.blocks;
  }

  async verify(): Promise<boolean> {
    return true;
  }

  async write(tenant: TenantId, head: TenantHead, range: HeadRange): Promise<string> {
    const alone = new TenantHead({ exemplarsMax: 0 });
    alone.series = head.series;
    (alone.frozenRanges as Map<number, HeadRange>).set(range.generation, range);
    const samples = await contentsOf(new HeadSource(alone));
    await this.step('before');
    const block = `block-${this.blocks.length}`;
    this.blocks.push({
      tenant,
      block,
      range: range.begin / rangeMs,
      generation: range.generation,
      seriesCount: range.seriesCount,
      samples,
    });
    await this.step('after');
    return block;
  }
}

interface World {
  disk: FaultyDisk;
  blocks: MemoryBlocks;
  now: number;
}

function newWorld(): World {
  return { disk: new FaultyDisk(), blocks: new MemoryBlocks(), now: start };
}

/** The machine stops here: what the life before does from now on reaches neither disk nor blocks that the next one sees. */
function crash(world: World, tornBytes: () => number): void {
  const disk = new FaultyDisk();
  for (const [path, content] of world.disk.files) {
    const torn = content.bytes.subarray(content.synced.length, content.synced.length + tornBytes());
    const bytes = Buffer.concat([content.synced, torn]);
    disk.files.set(path, { bytes, synced: bytes });
  }
  const blocks = new MemoryBlocks();
  blocks.blocks.push(...world.blocks.blocks);
  world.disk = disk;
  world.blocks = blocks;
}

async function open(world: World, changes: Partial<TsdbOptions> = {}): Promise<Tsdb> {
  const { tsdb, report } = await Tsdb.open(
    {
      disk: world.disk,
      directory: '/data',
      segmentBytes: 1 << 14,
      snapshotBytes: 1 << 30,
      fullRetryMs: 5,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      onFatal: (error) => assert.fail(`fatal: ${String(error)}`),
      seriesMax: () => 0,
      seriesRefusal: () => 'too many',
      headOptions: () => ({ exemplarsMax: 100 }),
      cut: { blocks: world.blocks, nowMs: () => world.now, cutDelayMs: hourMs, idleMs: 300_000 },
      ...changes,
    },
    () => undefined,
  );
  assert.deepEqual(report.damages, []);
  assert.equal(report.orphanRows, 0);
  return tsdb;
}

/** Head and blocks together: series → time → distinct values. */
async function everything(tsdb: Tsdb, { blocks }: World): Promise<Contents> {
  const all: Contents = await contentsOf(tsdb.source(tenant));
  for (const { samples } of blocks.blocks) {
    for (const [name, more] of samples) {
      const known = all.get(name) ?? new Map<number, number[]>();
      all.set(name, known);
      for (const [t, values] of more) known.set(t, [...new Set([...(known.get(t) ?? []), ...values])]);
    }
  }
  for (const samples of all.values()) for (const [t, values] of samples) samples.set(t, [...new Set(values)]);
  return all;
}

describe('cutting ranges', () => {
  it('cuts a range an hour after its end, and what comes late for it after five idle minutes', async () => {
    const world = newWorld();
    const tsdb = await open(world);
    const push = (name: string, t: number) => tsdb.push({ ...batch(tenant, [[name, t, 1]]), receiveTimeMs: world.now });
    await push('a', start);
    await push('a', start + rangeMs - 1);
    world.now = start + rangeMs + 0.5 * hourMs;
    await push('a', world.now);
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 0);
    world.now = start + rangeMs + hourMs;
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 1);
    assert.equal((await contentsOf(tsdb.source(tenant))).get('a')?.size, 1);
    await push('late', start + 5);
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 1, 'more may come');
    world.now += 4 * 60_000;
    await push('late', start + 6);
    world.now += 4 * 60_000;
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 1, 'it was not idle');
    world.now += 60_000;
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 2);
    assert.deepEqual([...(world.blocks.blocks[1]?.samples.keys() ?? [])], ['late']);
    for (let minute = 0; minute < 61; minute++) {
      await push('steady', start + minute);
      await tsdb.cutDue();
      world.now += 60_000;
    }
    assert.equal(world.blocks.blocks.length, 3, 'one that is never idle goes after an hour');
    await tsdb.close();
  });

  it('cuts the other ranges of a tenant where one cannot be written, and that one when it can', async () => {
    const world = newWorld();
    const errors: object[] = [];
    const log = { info: () => undefined, warn: () => undefined, error: (fields: object) => void errors.push(fields) };
    const tsdb = await open(world, { log });
    for (let range = 0; range < 3; range++) await tsdb.push(batch(tenant, [['a', start + range * rangeMs, range]]));
    world.now = start + 3 * rangeMs + hourMs;
    const write = world.blocks.write.bind(world.blocks);
    world.blocks.write = async (tenant, head, range) => {
      if (range.begin === start) throw new Error('it has something that cannot be written');
      return write(tenant, head, range);
    };
    await tsdb.cutDue();
    assert.deepEqual(
      world.blocks.blocks.map(({ range }) => range * rangeMs),
      [start + rangeMs, start + 2 * rangeMs],
    );
    assert.equal(errors.length, 1);
    assert.deepEqual(tsdb.cutCounters, { ranges: 2, failures: 1, seconds: tsdb.cutCounters?.seconds });
    assert.equal((await everything(tsdb, world)).get('a')?.size, 3);
    await tsdb.cutDue();
    assert.equal(errors.length, 1, 'it is left alone for a while');
    world.blocks.write = write;
    world.now += 60_000;
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 3);
    assert.equal((await everything(tsdb, world)).get('a')?.size, 3);
    await tsdb.close();
  });

  it('cuts what came late although the clock was set back meanwhile', async () => {
    const world = newWorld();
    const tsdb = await open(world);
    const dayMs = 24 * hourMs;
    await tsdb.push({ ...batch(tenant, [['a', start - 90 * dayMs, 1]]), receiveTimeMs: world.now });
    world.now -= 30 * dayMs;
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 0, 'more may come');
    world.now += 300_000;
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 1);
    await tsdb.close();
  });

  it('keeps few ranges open though samples of any time come', async () => {
    const world = newWorld();
    const tsdb = await open(world);
    for (let range = 0; range < 100; range++) {
      world.now += 1000;
      await tsdb.push({ ...batch(tenant, [['a', start - range * rangeMs, range]]), receiveTimeMs: world.now });
    }
    await tsdb.cutDue();
    assert.equal(tsdb.heads.get(tenant)?.openRanges.size, 64);
    const cut = world.blocks.blocks.flatMap(({ samples }) => [...(samples.get('a')?.keys() ?? [])]);
    assert.equal(Math.min(...cut), start - 35 * rangeMs, 'the idlest went');
    assert.equal((await everything(tsdb, world)).get('a')?.size, 100);
    await tsdb.close();
  });

  it('lets series without samples go, with their labels, and gives no number twice, restarts or not', async () => {
    for (const snapshotBytes of [1 << 30, 1]) {
      const world = newWorld();
      let tsdb = await open(world, { snapshotBytes });
      const ledger = new Ledger();
      const numbers = new Map<number, string>();
      const push = async (rows: readonly (readonly [string, number, number])[]) => {
        for (const [name, t, v] of rows) ledger.send(name, t, v);
        const { refs } = await tsdb.push({ ...batch(tenant, rows), receiveTimeMs: world.now });
        ledger.acknowledge(rows);
        rows.forEach(([name], i) => {
          const ref = refs[i] as number;
          // One that was gone comes again under another number; a number is never another's.
          assert.equal(numbers.get(ref) ?? name, name);
          numbers.set(ref, name);
        });
      };
      for (let hour = 0; hour < 40; hour++) {
        world.now = start + hour * hourMs;
        await push(Array.from({ length: 20 }, (_, i) => [`gone${hour}_${i}`, world.now, i] as const));
        await push(Array.from({ length: 20 }, (_, i) => [`stays${i}`, world.now, hour + i] as const));
        if (hour % 13 === 5) await push([['gone0_0', world.now, hour]]);
        await tsdb.cutDue();
        if (hour % 7 === 3) {
          await tsdb.close();
          tsdb = await open(world, { snapshotBytes });
        }
        if (hour % 11 === 4) {
          const before = tsdb;
          crash(world, () => 0);
          await before.close();
          tsdb = await open(world, { snapshotBytes });
        }
      }
      const head = tsdb.heads.get(tenant);
      assert.ok(head !== undefined && head.seriesCount <= 20 + 4 * 20 + 1, `${head?.seriesCount} series`);
      const all = { selectors: [], minT: 0, maxT: 2 ** 52, limit: 0 };
      const names = await tsdb.source(tenant).labelValues('__name__', all, new AbortController().signal);
      assert.equal(names.values.length, head.seriesCount);
      assert.equal(names.values.includes('gone1_1'), false);
      ledger.check(await everything(tsdb, world));
      await tsdb.close();
    }
  });

  it('loses and doubles nothing when it is killed at any step, also beside snapshots and pushes', async () => {
    const seed = Number(process.env.MARU_TEST_SEED ?? 3);
    const prng = new Prng(seed);
    for (let round = 0; round < 25; round++) {
      const world = newWorld();
      const ledger = new Ledger();
      world.now = start;
      let number = 0;
      for (let life = 0; life < 5; life++) {
        const snapshotBytes = prng.below(2) === 0 ? 1 << 30 : 1 << (8 + prng.below(8));
        let alive = true;
        const tsdb = await open(world, { snapshotBytes, onFatal: () => undefined });
        ledger.check(await everything(tsdb, world));
        const generations = world.blocks.blocks.map(({ generation }) => generation);
        assert.equal(
          new Set(generations).size,
          generations.length,
          `seed ${seed}, round ${round}: a range in two blocks`,
        );
        // Killed: nothing after this moment reaches disk or blocks.
        const halted = new Promise<void>(() => undefined);
        const killAt = prng.below(3) === 0 ? (['before', 'after'] as const)[prng.below(2)] : undefined;
        let killed: () => void = () => undefined;
        const kill = new Promise<void>((resolve) => {
          killed = resolve;
        });
        world.blocks.step = async (when) => {
          if (when === killAt) killed();
          if (!alive || when === killAt) await halted;
        };
        const writer = (async () => {
          for (let i = 0; i < 12 && alive; i++) {
            world.now += prng.below(hourMs);
            const rows = Array.from({ length: 1 + prng.below(6) }, () => {
              const age = prng.below(4) === 0 ? prng.below(6 * hourMs) : prng.below(hourMs);
              number++;
              return [`s${prng.below(3) === 0 ? number : number % 5}`, world.now - age, number] as const;
            });
            for (const [name, t, v] of rows) ledger.send(name, t, v);
            await tsdb.push({ ...batch(tenant, rows), receiveTimeMs: world.now });
            if (alive) ledger.acknowledge(rows);
            void tsdb.cutDue();
            await new Promise((resolve) => setImmediate(resolve));
          }
        })().catch(() => undefined);
        await Promise.race([writer, kill]);
        alive = false;
        crash(world, () => prng.below(60));
      }
      const tsdb = await open(world);
      ledger.check(await everything(tsdb, world));
      await tsdb.close();
    }
  });

  it('starts with a full disk where a crash came behind a block, and completes that when there is room', async () => {
    const world = newWorld();
    const ledger = new Ledger();
    const send = async (tsdb: Tsdb, t: number, v: number) => {
      ledger.send('s', t, v);
      await tsdb.push({ ...batch(tenant, [['s', t, v]]), receiveTimeMs: world.now });
      ledger.acknowledge([['s', t, v]]);
    };
    const before = await open(world);
    await send(before, world.now, 1);
    world.now += rangeMs + hourMs;
    const killed = new Promise<void>((resolve) => {
      world.blocks.step = async (when) => {
        if (when === 'before') return;
        resolve();
        await new Promise(() => undefined);
      };
    });
    void before.cutDue();
    await killed;
    crash(world, () => 0);
    world.disk.capacity = world.disk.used();
    const tsdb = await open(world);
    ledger.check(await everything(tsdb, world));
    await tsdb.cutDue();
    assert.equal(world.blocks.blocks.length, 1, 'the range is not written again and again meanwhile');
    world.disk.capacity = Number.POSITIVE_INFINITY;
    while (tsdb.walState !== 'open') await new Promise((resolve) => setTimeout(resolve, 1));
    await tsdb.cutDue();
    assert.equal(tsdb.heads.get(tenant)?.frozenRanges.size, 0);
    assert.equal(world.blocks.blocks.length, 1);
    ledger.check(await everything(tsdb, world));
    await send(tsdb, world.now, 2);
    await tsdb.close();
  });
});
