/**
 * A full disk: writes are refused with 503 before anything is damaged, reads go on, writes resume when there is room,
 * and everything acknowledged outlives a kill at the worst moment.
 * The data folder lies on a small tmpfs of its own, which only root may mount.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { seededRandom } from '../support/seeded-random.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import type { Maru } from '../support/start-maru.ts';
import { startMaru } from '../support/start-maru.ts';
import { waitFor } from '../support/wait-until.ts';
import { WriteLedger } from '../support/write-ledger.ts';

const disk = mountSmallDisk(64);

describe('a full disk', { skip: typeof disk === 'string' && disk, timeout: 180_000 }, () => {
  if (typeof disk === 'string') return;
  let maru: Maru;

  after(async () => {
    await maru?.[Symbol.asyncDispose]();
    disk[Symbol.dispose]();
  });

  it('refuses writes, answers reads, resumes, and keeps what it acknowledged', async (t) => {
    const random = seededRandom();
    t.diagnostic(`MARU_TEST_SEED=${random.seed}`);
    maru = await startMaru({ dataDir: join(disk.path, 'data') });
    const target = { baseUrl: maru.queryUrl };
    const now = Date.now();
    const ledgers = (['v1', 'v2'] as const).map(
      (protocol) =>
        new WriteLedger(
          { name: `full-${protocol}`, protocol, seriesCount: 200, histograms: protocol === 'v2', newSeries: false },
          now,
        ),
    );
    const verifyAll = async () => {
      for (const ledger of ledgers) await ledger.verify(target);
    };
    const writing = new AbortController();
    const writers = () => ledgers.map((ledger) => ledger.writeUntil(maru.baseUrl, writing.signal, random));
    let running = writers();
    await waitFor('a few writes', () => ledgers.every((ledger) => ledger.acknowledgedPushes > 20) || undefined);

    disk.fill();
    await waitFor('every writer is refused', () => ledgers.every((ledger) => ledger.refusedPushes > 1) || undefined, {
      deadlineMs: 60_000,
    });
    await verifyAll();
    assert.ok(maru.isRunning(), 'a full disk is no reason to stop');
    const told = await fetch(`${maru.baseUrl}/ready`);
    assert.equal(told.status, 200, 'whoever routes by it would turn away reads');
    assert.match(await told.text(), /^ready\n.*the disk is full/);

    disk.clear();
    const before = ledgers.map((ledger) => ledger.acknowledgedPushes);
    await waitFor(
      'writes resume',
      () => ledgers.every((ledger, i) => ledger.acknowledgedPushes > before[i] + 5) || undefined,
    );
    await verifyAll();

    disk.fill();
    const refused = ledgers.map((ledger) => ledger.refusedPushes);
    await waitFor('full again', () => ledgers.every((ledger, i) => ledger.refusedPushes > refused[i]) || undefined, {
      deadlineMs: 60_000,
    });
    await maru.kill();
    await Promise.all(running);
    disk.fill();
    maru.launch();
    await maru.ready();
    await verifyAll();

    disk.clear();
    const kept = ledgers.map((ledger) => ledger.acknowledgedPushes);
    running = writers();
    await waitFor(
      'writes resume after a start on a full disk',
      () => ledgers.every((ledger, i) => ledger.acknowledgedPushes > kept[i] + 5) || undefined,
    );
    writing.abort();
    await Promise.all(running);
    await maru.kill();
    maru.launch();
    await maru.ready();
    await verifyAll();
  });
});
