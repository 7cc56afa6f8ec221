/**
 * Days of a house with one simulated clock: samples come, a tenth of the series is replaced every hour, ranges are cut, shipped,
 * merged, deleted, the process is restarted, and all the while it is asked. Whatever moves, every acknowledged sample is
 * answered once; memory and disk of the head do not grow.
 * Short here; MARU_SOAK_HOURS=300 MARU_SOAK_SERIES=2000 for longer by hand.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { emptyBucketIndex, readBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { limitKeys } from '../../libs/limits/limits.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { MemoryBucket } from '../../libs/object-store/memory.ts';
import { SeriesDecoder } from '../../libs/series/decode-series.ts';
import type { ChunkBatch } from '../../libs/series/series-source.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { ulidOf } from '../../libs/tsdb/block/block.testing.ts';
import { batch } from '../../libs/tsdb/ledger.testing.ts';
import { LocalBlocks } from '../../libs/tsdb/local-blocks.ts';
import { Tsdb } from '../../libs/tsdb/tsdb.ts';
import { writeRange } from '../../libs/tsdb/write-range.ts';
import { Compactor } from '../../services/compactor/compactor.ts';
import { compactorKeys } from '../../services/compactor/config.ts';
import { IngesterHandler } from '../../services/ingester/ingester-handler.ts';
import { BlockShipper } from '../../services/ingester/ship-blocks.ts';
import { mergedSource } from '../../services/querier/merged-source.ts';
import { HeaderFiles } from '../../services/store-gateway/header-files.ts';
import { MemoryPageCache } from '../../services/store-gateway/page-cache.ts';
import { StoreGatewayHandler } from '../../services/store-gateway/store-gateway-handler.ts';
import { tempFolder } from '../support/temp-folder.ts';

const tenant = parseTenantId('team-a');
const { signal } = new AbortController();
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const hours = Number(process.env['MARU_SOAK_HOURS'] ?? 32);
const seriesAtOnce = Number(process.env['MARU_SOAK_SERIES'] ?? 60);
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

function defaultsOf<T extends Record<string, { readonly defaultValue: unknown }>>(
  keys: T,
): { [K in keyof T]: T[K]['defaultValue'] } {
  return Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, key.defaultValue])) as {
    [K in keyof T]: T[K]['defaultValue'];
  };
}

/** Everything but the network, in one thread. */
class House {
  nowMs = Math.ceil(1_700_000_000_000 / (24 * hourMs)) * 24 * hourMs;
  readonly bucket = new MemoryBucket(() => this.nowMs);
  readonly #folder: string;
  readonly #prng = new Prng(7);
  readonly compactor: Compactor;
  readonly gateway: StoreGatewayHandler;
  readonly #indexes: TenantIndexes;
  tsdb!: Tsdb;
  blocks!: LocalBlocks;
  shipper!: BlockShipper;
  handler!: IngesterHandler;
  bucketIsAway = false;

  constructor(folder: string) {
    this.#folder = folder;
    const nowMs = () => this.nowMs;
    this.#indexes = new TenantIndexes({
      bucket: this.bucket,
      nowMs,
      ageMsMax: minuteMs,
      staleMsMax: 15 * minuteMs,
      onProblem: () => undefined,
    });
    const freeBytes = async () => Number.POSITIVE_INFINITY;
    this.gateway = new StoreGatewayHandler({
      bucket: this.bucket,
      disk: realDisk,
      headers: new HeaderFiles(realDisk, join(folder, 'headers'), 1 << 30, nowMs, freeBytes),
      cache: new MemoryPageCache(64 << 20),
      indexes: this.#indexes,
      headerPostingsBytes: 1 << 30,
      indexMemoryBytes: 1 << 30,
      lookupBytesMax: 1 << 30,
      quarantineMs: 300_000,
      nowMs,
      onQuarantine: (_, ulid, reason) => assert.fail(`${ulid}: ${reason}`),
      onBadHeader: (reason) => assert.fail(reason),
    });
    const limits = defaultsOf(limitKeys);
    this.compactor = new Compactor(defaultsOf(compactorKeys), {
      bucket: this.bucket,
      limits: { of: () => limits },
      log: createLogger({ level: 'error', format: 'json' }).child({}, { level: 'silent' }),
      nowMs,
      newUlid: () => ulidOf(this.#prng, this.nowMs),
      directory: join(folder, 'compactor'),
      freeBytes,
      rangesMs: [2 * hourMs, 12 * hourMs, 24 * hourMs],
      isOwn: () => true,
    });
  }

  async open(): Promise<void> {
    const directory = join(this.#folder, 'data');
    this.blocks = new LocalBlocks({
      disk: realDisk,
      directory: join(directory, 'blocks'),
      damagedDirectory: join(directory, 'damaged'),
      log: silent,
      nowMs: () => this.nowMs,
      withStartTimes: false,
      write: (feed, options, stop) => writeRange(feed, { disk: realDisk, ...options }, stop),
    });
    const { tsdb, report } = await Tsdb.open(
      {
        disk: realDisk,
        directory,
        segmentBytes: 1 << 18,
        snapshotBytes: 1 << 20,
        fullRetryMs: 1000,
        log: silent,
        onFatal: (error) => assert.fail(String(error)),
        seriesMax: () => 0,
        seriesRefusal: () => '',
        headOptions: () => ({ exemplarsMax: 0 }),
        cut: { blocks: this.blocks, nowMs: () => this.nowMs, cutDelayMs: hourMs, idleMs: 5 * minuteMs },
      },
      () => undefined,
    );
    assert.deepEqual(report.damages, []);
    assert.equal(report.orphanRows, 0);
    this.tsdb = tsdb;
    this.handler = new IngesterHandler(this.blocks, () => 0);
    this.handler.restored(tsdb, report);
    this.shipper = new BlockShipper({
      blocks: this.blocks,
      readIndex: async (of) => {
        this.#checkBucket();
        return (await readBucketIndex(this.bucket, of, signal))?.index ?? emptyBucketIndex;
      },
      isTenantDeleted: async () => false,
      upload: ({ tenant: of, meta, path }) => {
        this.#checkBucket();
        return uploadBlock(this.bucket, of, meta.ulid, path, signal);
      },
      onDeleted: () => assert.fail('nobody deletes a tenant'),
      nowMs: () => this.nowMs,
      steadyMs: () => this.nowMs,
      settleMs: 17 * minuteMs,
      recentMs: 3 * hourMs,
      log: silent,
    });
  }

  #checkBucket(): void {
    if (this.bucketIsAway) throw new Error('the bucket is away');
  }

  async close(): Promise<void> {
    await this.shipper.stop();
    await this.tsdb.close();
    await this.blocks.close();
  }

  /** Samples of all series whose names begin with `s`, by series and time. */
  async ask(minT: number, maxT: number): Promise<Map<string, Map<number, number>>> {
    const source = mergedSource(
      tenant,
      this.handler,
      {
        gateway: this.gateway,
        indexes: this.#indexes,
        nowMs: () => this.nowMs,
        indexAgeMsMax: 15 * minuteMs,
        indexRefreshMs: minuteMs,
      },
      'default',
    );
    const selected = await source.select({ matchers: [{ type: '=', name: 'job', value: 'test' }], minT, maxT }, signal);
    const batches: ChunkBatch[] = [];
    for await (const one of selected.chunks(signal)) batches.push(one);
    const { labels } = selected;
    const reader = { labels, warnings: [], next: () => batches.shift(), close: () => undefined };
    const decoder = new SeriesDecoder(reader, minT, maxT);
    const found = new Map<string, Map<number, number>>();
    for (let i = 0; i + 1 < labels.begin.length; i++) {
      const texts = [...labels.refs.subarray(labels.begin[i], labels.begin[i + 1])].map((ref) => labels.strings[ref]);
      const name = texts[texts.indexOf('__name__') + 1] ?? '';
      assert.equal(found.has(name), false, `${name} comes once`);
      const samples = new Map<number, number>();
      found.set(name, samples);
      const { t, v, length } = decoder.next();
      for (let row = 0; row < length; row++) {
        const at = t[row] as number;
        if (at < minT || at > maxT) continue;
        assert.equal(samples.has(at), false, `${name} at ${at} comes once`);
        samples.set(at, v[row] as number);
      }
    }
    return found;
  }
}

describe('samples on the move', () => {
  it(`are answered once each through ${hours} hours, and the head stays small`, { timeout: 3_600_000 }, async () => {
    await using folder = await tempFolder('samples-move');
    const house = new House(folder.path);
    await house.open();
    const prng = new Prng(11);
    /** Acknowledged: series → time → value. Only what the last two days have. */
    const written = new Map<string, Map<number, number>>();
    const begin = house.nowMs;
    let births = 0;
    const living: string[] = Array.from({ length: seriesAtOnce }, () => `s${births++}`);
    const check = async (minT: number, maxT: number): Promise<void> => {
      // What is acknowledged before the question must be in the answer; what comes meanwhile may be.
      const expected = new Map<string, Map<number, number>>();
      for (const [name, samples] of written) {
        const inside = [...samples].filter(([t]) => t >= minT && t <= maxT);
        if (inside.length > 0) expected.set(name, new Map(inside));
      }
      const found = await house.ask(minT, maxT);
      for (const [name, samples] of expected) {
        const there = found.get(name);
        for (const [t, v] of samples) assert.equal(there?.get(t), v, `${name} at ${new Date(t).toISOString()}`);
      }
    };
    const bytesOf: number[] = [];
    const seriesOf: number[] = [];
    const questions: Promise<void>[] = [];
    for (let minute = 0; minute < hours * 60; minute += 5) {
      house.nowMs = begin + minute * minuteMs;
      house.bucketIsAway = minute % (11 * 60) > 10 * 60;
      for (let gone = seriesAtOnce / 120; gone > prng.next(); gone--)
        living[prng.below(living.length)] = `s${births++}`;
      const rows = living.map((name, i) => [name, house.nowMs + i, minute + i] as const);
      const late = house.nowMs - prng.below(11 * hourMs);
      if (minute % 30 === 0) rows.push([`late${minute % 7}`, late, minute]);
      await house.tsdb.push({ ...batch(tenant, rows), receiveTimeMs: house.nowMs });
      for (const [name, t, v] of rows) {
        const samples = written.get(name) ?? new Map<number, number>();
        written.set(name, samples.set(t, v));
      }
      // Upkeep and questions overlap: nobody waits for anybody.
      const upkeep: Promise<unknown>[] = [house.tsdb.cutDue(), house.shipper.shipDue()];
      if (minute % 15 === 0) upkeep.push(house.compactor.clean(signal));
      if (minute % 30 === 10) upkeep.push(house.compactor.compact(signal));
      if (questions.length < 4) {
        const from = house.nowMs - prng.below(prng.below(3) === 0 ? hours * hourMs : 6 * hourMs);
        questions.push(check(from, from + prng.below(8 * hourMs)));
      }
      if (prng.below(2) === 0) await Promise.all(questions.splice(0));
      await Promise.all(upkeep);
      if (minute % (7 * 60) === 200) {
        await Promise.all(questions.splice(0));
        await house.close();
        await house.open();
      }
      if (minute % 60 === 0) {
        await house.blocks.sweep(5000);
        const head = house.tsdb.heads.get(tenant);
        bytesOf.push(head?.bytes() ?? 0);
        seriesOf.push(head?.seriesCount ?? 0);
      }
    }
    await Promise.all(questions);
    await check(begin, house.nowMs);
    const quarter = Math.floor(bytesOf.length / 4);
    const early = Math.max(...bytesOf.slice(quarter, 2 * quarter));
    const last = Math.max(...bytesOf.slice(-quarter));
    assert.ok(last <= early * 1.5, `the head had ${early} bytes, now ${last}`);
    const seriesMax = Math.max(...seriesOf.slice(quarter));
    assert.ok(seriesMax < seriesAtOnce * 2 + 20, `${seriesMax} series of ${births} that ever were`);
    assert.ok(births > seriesAtOnce * 3, 'series were replaced');
    const left = [...house.blocks.all()].length;
    assert.ok(left < 16, `${left} blocks on the local disk`);
    if (process.env['MARU_SOAK_HOURS'] !== undefined) {
      const tenths = (counts: readonly number[]) =>
        Array.from({ length: 10 }, (_, i) =>
          Math.max(...counts.slice((i * counts.length) / 10, ((i + 1) * counts.length) / 10)),
        );
      console.log(
        `most in each tenth of the time: ${tenths(bytesOf)} bytes, ${tenths(seriesOf)} series; ${births} series ever, ${left} local blocks`,
      );
    }
    await house.close();
    await house.gateway.close();
  });
});
