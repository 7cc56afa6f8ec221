/** One disk and its tenants, restarted at every point: what was acknowledged is there, and nothing twice. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalizeLabels } from '../model/canonical-labels.ts';
import { crc32c } from '../model/encoding/crc32c.ts';
import { Labels } from '../model/labels.ts';
import { parseTenantId, type TenantId } from '../model/tenant-id.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { Prng } from '../std/testing/prng.ts';
import { rangeMs } from './head/head-range.ts';
import { seriesNumberMax } from './head/series-table.ts';
import { TenantHead } from './head/tenant-head.ts';
import { batch, contentsOf, Ledger } from './ledger.testing.ts';
import { OutsideLog } from './outside-log.ts';
import { type RestoreReport, Tsdb, type TsdbOptions } from './tsdb.ts';
import { FaultyDisk } from './wal/faulty-disk.testing.ts';

const tenantA = parseTenantId('a');
const tenantB = parseTenantId('b');
const start = 1_700_000_000_000;

function options(disk: FaultyDisk, changes: Partial<TsdbOptions> = {}): TsdbOptions {
  return {
    disk,
    directory: '/data',
    segmentBytes: 1 << 14,
    snapshotBytes: 1 << 30,
    fullRetryMs: 5,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    onFatal: (error) => assert.fail(`fatal: ${String(error)}`),
    seriesMax: () => 0,
    seriesRefusal: () => 'too many',
    headOptions: () => ({ exemplarsMax: 100 }),
    ...changes,
  };
}

const open = (disk: FaultyDisk, changes: Partial<TsdbOptions> = {}): Promise<{ tsdb: Tsdb; report: RestoreReport }> =>
  Tsdb.open(options(disk, changes), () => undefined);

const contents = (tsdb: Tsdb, tenant: TenantId): ReturnType<typeof contentsOf> => contentsOf(tsdb.source(tenant));

/** The frames of a file as version 2 had them: without a salt. */
function asVersion2(bytes: Buffer): Buffer {
  const head = Buffer.from(bytes.subarray(0, 16));
  head.writeUInt32LE(2, 8);
  head.writeUInt32LE(crc32c(head, 0, 12), 12);
  const parts = [head];
  for (let at = 24; at < bytes.length; ) {
    const end = at + 24 + bytes.readUInt32LE(at + 4);
    const frame = Buffer.concat([bytes.subarray(at, at + 12), bytes.subarray(at + 16, end)]);
    frame.writeUInt32LE(crc32c(frame, 12, frame.length), 8);
    parts.push(frame);
    at = end;
  }
  return Buffer.concat(parts);
}

describe('Tsdb', () => {
  it('has after a restart what it had before, from the log alone and from a snapshot', async () => {
    for (const snapshotBytes of [1 << 30, 1]) {
      const disk = new FaultyDisk();
      const { tsdb } = await open(disk, { snapshotBytes });
      for (let i = 0; i < 300; i++) {
        await tsdb.push(
          batch(tenantA, [
            ['x', start + i * 1000, i],
            [`y${i % 7}`, start + i * 1000, i * 2],
          ]),
        );
        await tsdb.push(batch(tenantB, [['x', start + i * 1000, -i]]));
      }
      await tsdb.close();
      const before = await contents(tsdb, tenantA);
      assert.equal(before.get('x')?.size, 300);
      assert.equal(tsdb.counters.snapshots > 0, snapshotBytes === 1);
      const again = await open(disk);
      assert.deepEqual(again.report.damages, []);
      assert.deepEqual(await contents(again.tsdb, tenantA), before);
      assert.equal((await contents(again.tsdb, tenantB)).get('x')?.get(start + 5000)?.[0], -5);
    }
  });

  it('keeps every acknowledged sample once through power cuts, snapshots under way or not', async () => {
    const seed = Number(process.env.MARU_TEST_SEED ?? 7);
    const prng = new Prng(seed);
    for (let round = 0; round < 12; round++) {
      const disk = new FaultyDisk();
      const ledger = new Ledger();
      let t = start;
      for (let life = 0; life < 4; life++) {
        const { tsdb, report } = await open(disk, {
          snapshotBytes: 1 << (8 + prng.below(8)),
          onFatal: () => undefined,
        });
        assert.deepEqual(report.damages, [], `seed ${seed}, round ${round}`);
        ledger.check(await contents(tsdb, tenantA));
        let going = true;
        const writers = Array.from({ length: 3 }, async (_, writer) => {
          while (going) {
            t += 1000;
            const rows = Array.from(
              { length: 1 + prng.below(5) },
              (_, i) => [`w${writer}_${(t / 1000 + i) % 23}`, t + i, prng.next()] as const,
            );
            for (const [name, at, v] of rows) ledger.send(name, at, v);
            try {
              await tsdb.push(batch(tenantA, rows));
            } catch {
              return;
            }
            if (going) ledger.acknowledge(rows);
          }
        });
        for (let turns = prng.below(400); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        // The machine stops here: what this life does from now on reaches no disk that the next one sees.
        going = false;
        const left = new FaultyDisk();
        for (const [path, content] of disk.files) {
          const bytes = Buffer.concat([
            content.synced,
            content.bytes.subarray(content.synced.length, content.synced.length + prng.below(60)),
          ]);
          left.files.set(path, { bytes, synced: bytes });
        }
        await Promise.all(writers);
        await tsdb.close();
        disk.files.clear();
        for (const [path, content] of left.files) disk.files.set(path, content);
      }
      const { tsdb } = await open(disk);
      ledger.check(await contents(tsdb, tenantA));
    }
  });

  it('says that the log behind a snapshot is missing, once', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk, { snapshotBytes: 1 });
    for (let i = 0; i < 50; i++) await tsdb.push(batch(tenantA, [['x', start + i * 1000, i]]));
    await tsdb.close();
    const newest = [...disk.files.keys()].filter((path) => path.endsWith('.wal')).sort();
    for (const path of newest) disk.files.delete(path);
    const { tsdb: second, report } = await open(disk);
    assert.deepEqual(
      report.damages.map(({ path, reason }) => ({ path, reason })),
      [{ path: newest.at(-1), reason: 'the file is missing' }],
    );
    await second.push(batch(tenantA, [['x', start + 99_000, 99]]));
    await second.close();
    const third = await open(disk);
    assert.deepEqual(third.report.damages, []);
    assert.equal((await contents(third.tsdb, tenantA)).get('x')?.get(start + 99_000)?.[0], 99);
    await third.tsdb.close();
  });

  it('names a gap in the log once, however wide it is', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk);
    await tsdb.push(batch(tenantA, [['x', start, 1]]));
    await tsdb.close();
    const [first = ''] = [...disk.files.keys()].filter((path) => path.endsWith('.wal'));
    const stray = first.replace('00000001', '99999998');
    disk.files.set(stray, { bytes: Buffer.alloc(300, 7), synced: Buffer.alloc(300, 7) });
    const { tsdb: second, report } = await open(disk);
    assert.deepEqual(
      report.damages.map(({ path, reason }) => ({ path, reason })),
      [{ path: first.replace('00000001', '00000002'), reason: `all files up to ${stray} are missing` }],
    );
    assert.equal((await contents(second, tenantA)).get('x')?.get(start)?.[0], 1);
    await second.push(batch(tenantA, [['x', start + 1000, 2]]));
    await second.close();
    const third = await open(disk);
    assert.equal((await contents(third.tsdb, tenantA)).get('x')?.get(start + 1000)?.[0], 2);
    await third.tsdb.close();
  });

  it('applies nothing twice that a snapshot holds already, however pushes and slices interleave', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk, { snapshotBytes: 1 << 17 });
    const names = Array.from({ length: 1500 }, (_, i) => `s${i}`);
    let pushes = 0;
    while (tsdb.counters.snapshots < 3) {
      const t = start + ++pushes * 1000;
      await tsdb.push(
        batch(
          tenantA,
          names.filter((_, i) => (i + pushes) % 7 === 0).map((name) => [name, t, pushes]),
        ),
      );
    }
    await tsdb.close();
    const before = await contents(tsdb, tenantA);
    const again = await open(disk);
    assert.ok(again.report.snapshotBytes > 0 && again.report.replay.records > 0, 'snapshot and log were both used');
    assert.deepEqual(await contents(again.tsdb, tenantA), before);
    const [head] = again.tsdb.heads.values();
    assert.equal(head?.counters.outOfOrder, 0);
    assert.equal(head?.counters.duplicates, 0);
  });

  it('keeps the readable rest of a damaged log, names the damage, and sets the file aside', async () => {
    const disk = new FaultyDisk();
    const first = await open(disk, { segmentBytes: 1 << 20 });
    for (let i = 0; i < 50; i++)
      await first.tsdb.push(
        batch(tenantA, [
          [`s${i}`, start + i, i],
          ['common', start + i, i],
        ]),
      );
    await first.tsdb.close();
    const content = disk.files.get('/data/wal/00000001.wal');
    assert.ok(content !== undefined);
    content.bytes[content.bytes.length >> 1] ^= 0xff;
    const errors: string[] = [];
    const log = {
      info: () => undefined,
      warn: () => undefined,
      error: (_: object, message: string) => errors.push(message),
    };
    const second = await open(disk, { log });
    assert.equal(second.report.damages.length, 1);
    assert.equal(second.report.damages[0]?.path, '/data/wal/00000001.wal');
    const found = await contents(second.tsdb, tenantA);
    assert.equal(found.get('common')?.size, 49);
    assert.equal([...found.keys()].length, 50);
    for (const [name, samples] of found) {
      if (name !== 'common')
        assert.deepEqual(samples.get(start + Number(name.slice(1))), [Number(name.slice(1))], name);
    }
    assert.ok(disk.files.has('/data/damaged/00000001.wal'));
    assert.match(errors.join('\n'), /set aside/);
    await second.tsdb.push(
      batch(tenantA, [
        ['s3', start + 1000, 1],
        ['new', start + 1000, 2],
      ]),
    );
    await second.tsdb.close();
    const third = await open(disk);
    assert.deepEqual(third.report.damages, []);
    const after = await contents(third.tsdb, tenantA);
    assert.deepEqual(after.get('s3')?.get(start + 1000), [1]);
    assert.deepEqual(after.get('new')?.get(start + 1000), [2]);
    assert.equal(after.get('common')?.size, 49);
  });

  it('answers with a warning where damage may have taken samples, after further starts as well, until its note is removed', async () => {
    const hourMs = 3_600_000;
    const lossWarning = {
      nowMs: () => start + 100 * hourMs,
      acceptedAges: () => ({ pastMs: hourMs, aheadMs: hourMs / 6 }),
    };
    const disk = new FaultyDisk();
    const first = await open(disk, { segmentBytes: 1 << 20 });
    for (let i = 0; i < 50; i++) {
      const t = start + i * hourMs;
      await first.tsdb.push({ ...batch(tenantA, [['s', t, i]]), receiveTimeMs: t });
    }
    await first.tsdb.close();
    const content = disk.files.get('/data/wal/00000001.wal');
    assert.ok(content !== undefined);
    // The record of hour 25, whose series is known from the first.
    let at = -1;
    for (let i = 0; i <= 25; i++) at = content.bytes.indexOf('MrF1', at + 1);
    content.bytes[at + 24] ^= 0xff;
    const warnings = async (tsdb: Tsdb, tenant: TenantId, from: number, to: number) => {
      const source = tsdb.source(tenant);
      const { signal } = new AbortController();
      const span = { minT: start + from * hourMs, maxT: start + to * hourMs };
      const lists = { ...span, selectors: [], limit: 0 };
      const answers = [
        await source.select({ ...span, matchers: [] }, signal),
        (await source.selectProjected?.({ ...span, matchers: [] }, [], signal)) ?? assert.fail('a head projects'),
        await source.labelNames(lists, signal),
        await source.labelValues('__name__', lists, signal),
        await source.series(lists, signal),
        await source.exemplars(lists, signal),
      ];
      const [warned] = answers;
      for (const one of answers) assert.deepEqual(one.warnings, warned?.warnings);
      return warned?.warnings ?? [];
    };
    const check = async (tsdb: Tsdb) => {
      // Received between hours 24 and 26.
      for (const tenant of [tenantA, tenantB]) {
        assert.deepEqual(await warnings(tsdb, tenant, 0, 22.9), []);
        assert.match((await warnings(tsdb, tenant, 0, 23))[0] ?? '', /00000001\.wal.*samples|samples.*00000001\.wal/);
        assert.equal((await warnings(tsdb, tenant, 25, 25)).length, 1);
        assert.equal((await warnings(tsdb, tenant, 26.1, 60)).length, 1);
        assert.deepEqual(await warnings(tsdb, tenant, 26.2, 60), []);
      }
    };
    const full = await open(disk, { lossWarning });
    assert.equal(full.report.damages.length, 1);
    await check(full.tsdb);
    await full.tsdb.close();
    const again = await open(disk, { lossWarning });
    assert.deepEqual(again.report.damages, []);
    await check(again.tsdb);
    await again.tsdb.close();
    await disk.remove('/data/damaged/00000001.wal.lost.json');
    const waived = await open(disk, { lossWarning });
    assert.deepEqual(await warnings(waived.tsdb, tenantA, 25, 25), []);
    await waived.tsdb.close();
  });

  it('a snapshot that is damaged may lack samples of any time', async () => {
    const lossWarning = { nowMs: () => start, acceptedAges: () => ({ pastMs: 1000, aheadMs: 1000 }) };
    const disk = new FaultyDisk();
    const first = await open(disk, { snapshotBytes: 1 });
    for (let i = 0; i < 600; i++) await first.tsdb.push(batch(tenantA, [[`a${i}`, start + i, i]]));
    await first.tsdb.close();
    const [, content] = [...disk.files].find(([name]) => name.endsWith('.snapshot')) ?? assert.fail('a snapshot');
    content.bytes[content.bytes.length >> 1] ^= 0xff;
    const { tsdb } = await open(disk, { lossWarning });
    const { signal } = new AbortController();
    assert.equal((await tsdb.source(tenantA).select({ matchers: [], minT: 0, maxT: 1 }, signal)).warnings.length, 1);
    const later = { matchers: [], minT: start + 1001, maxT: start + 2000 };
    assert.deepEqual((await tsdb.source(tenantA).select(later, signal)).warnings, []);
    await tsdb.close();
  });

  it('goes on behind a record that cannot be applied: named, counted, its file set aside', async () => {
    const disk = new FaultyDisk();
    const first = await open(disk);
    await first.tsdb.push(batch(tenantA, [['s', start, 1]]));
    await first.tsdb.push(batch(tenantB, [['s', start, 1]]));
    await first.tsdb.push(batch(tenantA, [['s', start + 1, 2]]));
    await first.tsdb.close();
    const headOptions = (tenant: TenantId) => {
      if (tenant === tenantB) throw new Error('no head for b');
      return { exemplarsMax: 100 };
    };
    const second = await open(disk, { headOptions });
    assert.deepEqual(
      second.report.damages.map(({ path, reason }) => [path, reason]),
      [['/data/wal/00000001.wal', 'Error: no head for b']],
    );
    assert.equal(second.tsdb.counters.damages, 1);
    assert.ok(disk.files.has('/data/damaged/00000001.wal'));
    assert.deepEqual(
      (await contents(second.tsdb, tenantA)).get('s'),
      new Map([
        [start, [1]],
        [start + 1, [2]],
      ]),
    );
    await second.tsdb.push(batch(tenantA, [['s', start + 2, 3]]));
    await second.tsdb.close();
    const third = await open(disk, { headOptions });
    assert.deepEqual(third.report.damages, []);
    assert.equal((await contents(third.tsdb, tenantA)).get('s')?.size, 3);
  });

  it('serves reads after damage on a full disk, and takes writes when there is room', async () => {
    const disk = new FaultyDisk();
    const first = await open(disk, { segmentBytes: 1 << 20 });
    for (let i = 0; i < 50; i++) await first.tsdb.push(batch(tenantA, [[`s${i}`, start + i, i]]));
    await first.tsdb.close();
    const content = disk.files.get('/data/wal/00000001.wal');
    assert.ok(content !== undefined);
    content.bytes[content.bytes.length >> 1] ^= 0xff;
    disk.capacity = disk.used() + 100;
    const second = await open(disk);
    assert.equal(second.report.damages.length, 1);
    assert.equal(second.tsdb.walState, 'full');
    assert.equal((await contents(second.tsdb, tenantA)).size, 49);
    await assert.rejects(second.tsdb.push(batch(tenantA, [['s1', start + 100, 1]])), /disk is full/);
    disk.capacity = Number.POSITIVE_INFINITY;
    while (second.tsdb.walState === 'full') await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(disk.files.has('/data/damaged/00000001.wal'));
    await second.tsdb.push(batch(tenantA, [['s1', start + 100, 1]]));
    await second.tsdb.close();
    const third = await open(disk);
    assert.deepEqual(third.report.damages, []);
    assert.deepEqual((await contents(third.tsdb, tenantA)).get('s1')?.get(start + 100), [1]);
  });

  it('starts on a disk without any room, and stops there', async () => {
    const disk = new FaultyDisk();
    disk.capacity = 0;
    const first = await open(disk);
    assert.equal((await contents(first.tsdb, tenantA)).size, 0);
    await assert.rejects(first.tsdb.push(batch(tenantA, [['s', start, 1]])), /disk is full/);
    await first.tsdb.close();
    const second = await open(disk);
    disk.capacity = Number.POSITIVE_INFINITY;
    while (second.tsdb.walState === 'full') await new Promise((resolve) => setTimeout(resolve, 1));
    await second.tsdb.push(batch(tenantA, [['s', start, 1]]));
    await second.tsdb.close();
    assert.equal((await contents((await open(disk)).tsdb, tenantA)).size, 1);
  });

  it('goes on behind files of the version before', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk, { snapshotBytes: 1 << 12 });
    for (let i = 0; i < 200; i++) await tsdb.push(batch(tenantA, [[`x${i % 3}`, start + i, i]]));
    await tsdb.close();
    assert.ok(tsdb.counters.snapshots > 0);
    const before = await contents(tsdb, tenantA);
    for (const content of disk.files.values()) content.bytes = content.synced = asVersion2(content.bytes);
    for (let life = 0; life < 2; life++) {
      const again = await open(disk);
      assert.deepEqual(again.report.damages, []);
      assert.ok(again.report.snapshotBytes > 0 && again.report.replay.records > life);
      await again.tsdb.push(batch(tenantA, [['y', start + life, life]]));
      await again.tsdb.close();
    }
    const { tsdb: last, report } = await open(disk);
    assert.deepEqual(report.damages, []);
    assert.deepEqual(
      await contents(last, tenantA),
      before.set(
        'y',
        new Map([
          [start, [0]],
          [start + 1, [1]],
        ]),
      ),
    );
    await last.close();
  });

  it('does not start on files of another version, and leaves them as they are', async () => {
    for (const kind of ['.wal', '.snapshot']) {
      for (const version of [1, 4]) {
        const disk = new FaultyDisk();
        const { tsdb } = await open(disk, { snapshotBytes: 1 });
        for (let i = 0; i < 50; i++) await tsdb.push(batch(tenantA, [['x', start + i, i]]));
        await tsdb.close();
        const path = [...disk.files.keys()].filter((name) => name.endsWith(kind)).at(-1);
        const bytes = Uint8Array.from(disk.files.get(path ?? '')?.bytes ?? []);
        const view = new DataView(bytes.buffer);
        view.setUint32(8, version, true);
        view.setUint32(12, crc32c(bytes, 0, 12), true);
        const foreign = Buffer.from(bytes);
        disk.files.set(path ?? '', { bytes: foreign, synced: foreign });
        await assert.rejects(open(disk), new RegExp(`format version ${version}; this program knows 3`));
        assert.deepEqual(disk.files.get(path ?? '')?.bytes, foreign);
      }
    }
  });

  it('beside a log that is kept elsewhere applies nothing twice after a restart, and what was set aside before the snapshot once', async () => {
    const disk = new FaultyDisk();
    const record = (offset: number) => batch(tenantA, [['x', start + offset, offset]]);
    const first = new OutsideLog('/data/log');
    const { tsdb } = await open(disk, { outside: first, snapshotBytes: 1 });
    for (let offset = 0; offset < 9; offset++) {
      if (offset !== 4) tsdb.applyLogged(record(offset), offset);
      tsdb.advance(offset, 0, 1);
    }
    await tsdb.close();
    const outside = new OutsideLog('/data/log');
    const { tsdb: again } = await open(disk, { outside });
    assert.ok((outside.position ?? 0) > 0, 'there was a snapshot');
    again.applyLate(record(4), 4);
    for (let offset = outside.position ?? 0; offset < 9; offset++) {
      again.applyLogged(record(offset), offset);
      again.advance(offset, 0, 1);
    }
    const found = (await contents(again, tenantA)).get('x');
    assert.deepEqual(
      [...(found ?? [])].toSorted(([a], [b]) => a - b),
      Array.from({ length: 9 }, (_, offset) => [start + offset, [offset]]),
    );
    assert.equal(again.loggedFrom(), 0);
    await again.close();
  });

  it('gives no tenant the series of another when a snapshot is damaged', async () => {
    const disk = new FaultyDisk();
    const first = await open(disk, { snapshotBytes: 1 });
    for (let i = 0; i < 600; i++) {
      await first.tsdb.push(batch(tenantA, [[`a${i}`, start + i, i]]));
      await first.tsdb.push(batch(tenantB, [[`b${i}`, start + i, i]]));
    }
    await first.tsdb.close();
    const [path, content] =
      [...disk.files].find(([name]) => name.endsWith('.snapshot')) ?? assert.fail('there is a snapshot');
    const clean = Buffer.from(content.bytes);
    for (let at = 20; at < clean.length; at += Math.ceil(clean.length / 40)) {
      const copy = new FaultyDisk();
      for (const [name, file] of disk.files)
        copy.files.set(name, { bytes: Buffer.from(file.bytes), synced: Buffer.from(file.synced) });
      const damaged = copy.files.get(path);
      assert.ok(damaged !== undefined);
      damaged.bytes[at] = (clean[at] as number) ^ 0x11;
      const { tsdb, report } = await open(copy);
      assert.ok(report.damages.length > 0);
      for (const [tenant, letter] of [
        [tenantA, 'a'],
        [tenantB, 'b'],
      ] as const) {
        for (const [name, samples] of await contents(tsdb, tenant)) {
          assert.equal(name[0], letter);
          const number = Number(name.slice(1));
          assert.deepEqual([...samples], [[start + number, [number]]], name);
        }
      }
    }
  });

  it('refuses new series when all numbers are given, and takes samples of the others', async (test) => {
    const { tsdb } = await open(new FaultyDisk());
    await tsdb.push(batch(tenantA, [['a', start, 1]]));
    test.mock.getter(TenantHead.prototype, 'hasNumbers', () => false);
    const outcome = await tsdb.push(
      batch(tenantA, [
        ['b', start, 2],
        ['a', start + 1, 3],
      ]),
    );
    assert.deepEqual([...outcome.refs], [0, 1]);
    assert.match(outcome.rejected[0]?.reason ?? '', /^no new series: this ingester has given all of its 2147483647/);
  });

  it('refuses new series when there is no room for their labels, and takes samples of the others', async (test) => {
    const { tsdb } = await open(new FaultyDisk());
    await tsdb.push(batch(tenantA, [['a', start, 1]]));
    test.mock.getter(TenantHead.prototype, 'hasRoom', () => false);
    const rows = [['b', start, 2] as const, ['a', start + 1, 3] as const];
    const outcome = await tsdb.push(batch(tenantA, rows));
    assert.deepEqual([...outcome.refs], [0, 1]);
    assert.match(outcome.rejected[0]?.reason ?? '', /^no new series: there is no room for their labels/);
  });

  it('has numbers up to the last', () => {
    const head = new TenantHead({ exemplarsMax: 0 });
    head.startAfter(seriesNumberMax - 1);
    const [first, second] = ['a', 'b'].map((value) => {
      const sink = new ByteSink();
      canonicalizeLabels(Labels.from([['__name__', value]]), sink);
      return sink.bytes.slice(0, sink.length);
    }) as [Uint8Array, Uint8Array];
    assert.equal(head.hasNumbers, true);
    assert.equal(head.seriesIdOf(first, 0, first.length), seriesNumberMax);
    assert.equal(head.findSeries(first, 0, first.length), seriesNumberMax);
    assert.equal(head.hasNumbers, false);
    assert.throws(() => head.seriesIdOf(second, 0, second.length), /there is a number/);
  });

  it('counts a series limit exactly and stores the neighbours', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk, { seriesMax: () => 2 });
    const outcome = await tsdb.push(
      batch(tenantA, [
        ['a', start, 1],
        ['b', start, 2],
        ['c', start, 3],
        ['a', start + 1, 4],
        ['d', start, 5],
      ]),
    );
    assert.deepEqual([...outcome.refs], [1, 2, 0, 1, 0]);
    assert.deepEqual(
      outcome.rejected.map(({ series, samples }) => ({ series, samples })),
      [
        { series: 2, samples: 1 },
        { series: 4, samples: 1 },
      ],
    );
    await tsdb.close();
    const again = await open(disk);
    assert.deepEqual([...(await contents(again.tsdb, tenantA)).keys()].toSorted(), ['a', 'b']);
  });

  it('takes no tenant beyond the maximum, and all that it has after a restart', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk, { tenantsMax: 2 });
    const push = (db: Tsdb, name: string) => db.push(batch(parseTenantId(name), [['s', start, 1]]));
    await push(tsdb, 'a');
    await push(tsdb, 'b');
    await assert.rejects(push(tsdb, 'c'), /one more than the 2 .*ingester\.instance-limits\.max-tenants/);
    assert.equal(tsdb.heads.size, 2);
    await push(tsdb, 'a');
    await tsdb.close();
    const again = await open(disk, { tenantsMax: 1 });
    for (const tenant of [tenantA, tenantB]) assert.equal((await contents(again.tsdb, tenant)).size, 1);
    await assert.rejects(push(again.tsdb, 'c'), /err-mimir-ingester-max-tenants/);
    await push(again.tsdb, 'b');
    await again.tsdb.close();
  });

  it('makes room for a tenant where another has no samples left, and gives none the series of before', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk, { tenantsMax: 2 });
    const letGo = async (tenant: TenantId) => {
      const range = await tsdb.freeze(tenant, Math.floor(start / rangeMs));
      assert.ok(range !== undefined);
      await tsdb.dropFrozen(tenant, range.generation, '');
    };
    const tenantC = parseTenantId('c');
    const { refs } = await tsdb.push(batch(tenantA, [['x', start, 1]]));
    await tsdb.push(batch(tenantB, [['x', start, 2]]));
    await assert.rejects(tsdb.push(batch(tenantC, [['x', start, 3]])), /one more than the 2/);
    await letGo(tenantA);
    await tsdb.push(batch(tenantC, [['x', start, 3]]));
    assert.deepEqual([...tsdb.heads.keys()], [tenantB, tenantC]);
    const held = refs.slice();
    assert.equal(tsdb.clearDropped(tenantA, held, 1), 1, 'a sender may still hold its number');
    assert.equal(held[0], 0);

    await letGo(tenantB);
    const again = await tsdb.push(batch(tenantA, [['z', start + 1, 4]]));
    assert.ok((again.refs[0] as number) > (refs[0] as number), 'no number is given twice');
    assert.equal(tsdb.clearDropped(tenantA, refs.slice(), 1), 1);
    assert.equal(tsdb.clearDropped(tenantA, again.refs.slice(), 1), 0);
    await tsdb.push(batch(tenantA, [['x', start + 2, 5]]));
    await tsdb.close();

    const restarted = await open(disk, { tenantsMax: 2 });
    assert.deepEqual(restarted.report.damages, []);
    const found = await contents(restarted.tsdb, tenantA);
    assert.deepEqual([...found.keys()].sort(), ['x', 'z']);
    assert.equal(found.get('x')?.get(start + 2)?.[0], 5);
    assert.equal(found.get('x')?.size, 1);
    assert.equal((await contents(restarted.tsdb, tenantC)).get('x')?.get(start)?.[0], 3);
    await restarted.tsdb.close();
  });

  it('beside a log that is kept elsewhere takes every tenant, and lets go of those without samples', async () => {
    const { tsdb } = await open(new FaultyDisk(), { outside: new OutsideLog('/data/log'), tenantsMax: 2 });
    const letGo = async (tenant: TenantId) => {
      const range = await tsdb.freeze(tenant, Math.floor(start / rangeMs));
      assert.ok(range !== undefined);
      await tsdb.dropFrozen(tenant, range.generation, '');
    };
    const tenants = ['a', 'b', 'c', 'd'].map(parseTenantId);
    const first = tenants.slice(0, 3).map((tenant, i) => tsdb.applyLogged(batch(tenant, [['x', start, i]]), i));
    assert.equal(tsdb.heads.size, 3);
    await letGo(tenantA);
    await letGo(tenantB);
    tsdb.applyLogged(batch(tenants[3] as TenantId, [['x', start, 3]]), 3);
    assert.deepEqual([...tsdb.heads.keys()], tenants.slice(2));
    const again = tsdb.applyLogged(batch(tenantA, [['y', start + 1, 4]]), 4);
    assert.ok((again[0] as number) > (first[0]?.[0] as number), 'no number is given twice');
    assert.equal(tsdb.clearDropped(tenantA, Uint32Array.from(first[0] ?? []), 1), 1);
    assert.deepEqual([...(await contents(tsdb, tenantA)).keys()], ['y']);
    await tsdb.close();
  });

  it('takes no more when samples of thousands of ranges wait for blocks, and other tenants go on', async () => {
    const { tsdb } = await open(new FaultyDisk());
    const rangeMs = 7_200_000;
    const rows = Array.from({ length: 4097 }, (_, i) => ['s', start - i * rangeMs, i] as [string, number, number]);
    await tsdb.push(batch(tenantA, rows));
    await assert.rejects(tsdb.push(batch(tenantA, [['s', start, 1]])), /more than 4096 ranges of two hours wait/);
    await tsdb.push(batch(tenantB, [['s', start, 1]]));
    await tsdb.close();
  });

  it('beside a log that is kept elsewhere waits where samples of thousands of ranges do, and takes all of them', async () => {
    const blocks = {
      recover: async () => [],
      verify: async () => true,
      write: async () => {
        if (isFull) throw new Error('no block can be written');
        return 'block';
      },
    };
    let isFull = true;
    const stop = new AbortController();
    const cut = { blocks, nowMs: () => start, cutDelayMs: 0, idleMs: 0 };
    const { tsdb } = await open(new FaultyDisk(), { outside: new OutsideLog('/data/log'), cut });
    const rows = Array.from({ length: 4097 }, (_, i) => ['s', start - i * rangeMs, i] as [string, number, number]);
    assert.equal(tsdb.roomFor(tenantA, stop.signal), undefined);
    tsdb.applyLogged(batch(tenantA, rows), 0);
    assert.equal(tsdb.roomFor(tenantB, stop.signal), undefined);
    const given = tsdb.roomFor(tenantA, stop.signal);
    stop.abort(new Error('the process stops'));
    await assert.rejects(given ?? assert.fail(), /the process stops/);
    isFull = false;
    await tsdb.roomFor(tenantA, new AbortController().signal);
    assert.ok((tsdb.heads.get(tenantA)?.openRanges.size ?? 0) <= 64);
    tsdb.applyLogged(batch(tenantA, [['s', start, 1]]), 1);
    await tsdb.close();
  });

  it('makes no series of a row that brings no sample, and takes exemplars of series that are known', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk, { seriesMax: () => 2 });
    const rows = batch(tenantA, [
      ['a', start, 1],
      ['b', start, 2],
      ['c', start, 3],
    ]);
    const exemplar = (series: number) => ({ series, t: start, value: 1, labels: new Uint8Array(0) });
    const outcome = await tsdb.push({
      ...rows,
      sampleBegin: Uint32Array.of(0, 1, 1, 1),
      exemplars: [exemplar(0), exemplar(1), exemplar(2)],
    });
    assert.deepEqual([...outcome.refs], [1, 0, 0]);
    assert.deepEqual(outcome.rejected, [], 'nothing of them could count against a limit');
    assert.equal(outcome.exemplarsDropped, 2);
    assert.equal(tsdb.heads.get(tenantA)?.seriesCount, 1);
    const known = await tsdb.push({
      ...batch(tenantA, [['a', start, 1]]),
      sampleBegin: Uint32Array.of(0, 0),
      exemplars: [{ ...exemplar(0), value: 2 }],
    });
    assert.deepEqual([[...known.refs], known.exemplarsDropped], [[1], 0]);
    await tsdb.close();
    const again = await open(disk);
    assert.equal(again.tsdb.heads.get(tenantA)?.seriesCount, 1);
    assert.equal(again.tsdb.heads.get(tenantA)?.exemplars.count, 2);
  });

  it('keeps as many exemplars as a tenant may have now, not when its head was made', async () => {
    let exemplarsMax = 0;
    const headOptions = () => ({
      get exemplarsMax() {
        return exemplarsMax;
      },
    });
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk, { headOptions });
    const push = (t: number) =>
      tsdb.push({
        ...batch(tenantA, [['a', t, 1]]),
        exemplars: [{ series: 0, t, value: 1, labels: new Uint8Array(0) }],
      });
    const held = (of: Tsdb) => of.heads.get(tenantA)?.exemplars.count;
    await push(start);
    assert.equal(held(tsdb), 0);
    exemplarsMax = 5;
    for (let i = 1; i <= 8; i++) await push(start + i);
    assert.equal(held(tsdb), 5);
    exemplarsMax = 2;
    await tsdb.push(batch(tenantA, [['a', start + 9, 1]]));
    assert.equal(held(tsdb), 2, 'also where none comes any more');
    await tsdb.close();
    const again = await open(disk, { headOptions });
    assert.equal(held(again.tsdb), 2);
  });

  it('writes nothing to the log for a batch of which nothing is left', async () => {
    const { tsdb } = await open(new FaultyDisk(), { seriesMax: () => 1 });
    await tsdb.push(batch(tenantA, [['a', start, 1]]));
    const { records } = tsdb.walCounters;
    const outcome = await tsdb.push(batch(tenantA, [['b', start, 1]]));
    assert.equal(outcome.rejected.length, 1);
    await tsdb.push({ ...batch(tenantB, [['b', start, 1]]), sampleBegin: Uint32Array.of(0, 0) });
    assert.equal(tsdb.walCounters.records, records);
    assert.deepEqual([...tsdb.heads.keys()], [tenantA], 'a tenant of whom nothing is kept leaves nothing');
  });

  it('keeps what came after a batch that could not be logged', async () => {
    const disk = new FaultyDisk();
    const { tsdb } = await open(disk);
    await tsdb.push(batch(tenantA, [['first', start, 1]]));
    const broken = batch(tenantA, [
      ['x', start, 0],
      ['lost', start, 0],
      ['y', start, 0],
    ]);
    const throwing = Object.defineProperty({ ...broken }, 'metadata', {
      get: () => {
        throw new RangeError('Array buffer allocation failed');
      },
    });
    await assert.rejects(tsdb.push(throwing), RangeError);
    // Their numbers were given, their labels never logged.
    const ledger = new Ledger();
    for (const rows of [
      [['y', start, 2]],
      [
        ['z', start, 3],
        ['x', start, 4],
      ],
      [['y', start + 1, 5]],
    ] as const) {
      for (const [name, t, v] of rows) ledger.send(name, t, v);
      await tsdb.push(batch(tenantA, rows));
      ledger.acknowledge(rows);
    }
    ledger.send('first', start, 1);
    disk.powerCut();
    const second = await open(disk);
    assert.equal(second.report.orphanRows, 0);
    ledger.check(await contents(second.tsdb, tenantA));
    // Numbers have moved up: what is logged now must not be read with the old ones.
    const more = [
      ['z', start + 2, 6],
      ['w', start + 2, 7],
      ['y', start + 2, 8],
    ] as const;
    for (const [name, t, v] of more) ledger.send(name, t, v);
    await second.tsdb.push(batch(tenantA, more));
    ledger.acknowledge(more);
    disk.powerCut();
    const third = await open(disk);
    assert.equal(third.report.orphanRows, 0);
    ledger.check(await contents(third.tsdb, tenantA));
  });

  it('tries a snapshot that failed again only when the log has grown', async () => {
    const disk = new FaultyDisk();
    const first = await open(disk);
    for (let i = 0; i < 20; i++) await first.tsdb.push(batch(tenantA, [['a', start + i, i]]));
    await first.tsdb.close();
    const { tsdb } = await open(disk, { snapshotBytes: 500 });
    disk.makeDirectory = async () => {
      throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
    };
    for (let i = 0; i < 6; i++) {
      await tsdb.push(batch(tenantA, [['a', start + 100 + i, i]]));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.equal(tsdb.counters.snapshotFailures, 1);
  });

  it('removes what a crash left of a snapshot under way', async () => {
    const disk = new FaultyDisk();
    const left = '/data/snapshots/00000007.snapshot.tmp';
    disk.files.set(left, { bytes: Buffer.alloc(1000), synced: Buffer.alloc(1000) });
    await open(disk);
    assert.ok(!disk.files.has(left));
  });
});
