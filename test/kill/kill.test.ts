/**
 * Acknowledged means durable: Maru is killed at random instants under load, and after every restart each acknowledged
 * sample is asked for (architecture §2, invariants 1 and 2).
 * MARU_KILL_ROUNDS makes it longer, MARU_TEST_SEED repeats a run. Some rounds kill again while the process starts, some
 * end it with SIGTERM in the middle of writes.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../support/seeded-random.ts';
import { startMaru } from '../support/start-maru.ts';
import { WriteLedger } from '../support/write-ledger.ts';

const rounds = Number(process.env.MARU_KILL_ROUNDS ?? 24);

describe('kill -9 under load', () => {
  it(`loses nothing acknowledged in ${rounds} rounds`, async (t) => {
    const random = seededRandom();
    t.diagnostic(`MARU_TEST_SEED=${random.seed}`);
    // Small segments and snapshots, so that kills meet rolls, snapshots and the dropping of old segments.
    await using maru = await startMaru({
      args: ['--ingester.wal-segment-bytes=100KiB', '--ingester.snapshot-bytes=300KiB'],
    });
    const now = Date.now();
    const ledgers = [
      { name: 'floats-one', protocol: 'v1', seriesCount: 20, histograms: false, newSeries: false } as const,
      { name: 'floats-two', protocol: 'v2', seriesCount: 20, histograms: false, newSeries: false } as const,
      { name: 'histograms-one', protocol: 'v1', seriesCount: 2, histograms: true, newSeries: false } as const,
      { name: 'histograms-two', protocol: 'v2', seriesCount: 2, histograms: true, newSeries: false } as const,
      { name: 'new-series', protocol: 'v2', seriesCount: 5, histograms: false, newSeries: true } as const,
    ].map((plan) => new WriteLedger(plan, now));

    for (let round = 1; round <= rounds; round++) {
      const stopWriting = new AbortController();
      const writing = ledgers.map((ledger) => ledger.writeUntil(maru.baseUrl, stopWriting.signal, random));
      await sleep(random.between(20, 700));
      if (round % 8 === 0) {
        const exit = await maru.stop();
        assert.deepEqual(exit, { code: 0, signal: null }, `round ${round}: SIGTERM under load\n${maru.log()}`);
      } else {
        await maru.kill();
      }
      stopWriting.abort();
      await Promise.all(writing);

      maru.launch();
      if (round % 4 === 0) {
        await sleep(random.between(20, 500));
        await maru.kill();
        maru.launch();
      }
      await maru.ready();
      for (const ledger of ledgers) await ledger.verify({ baseUrl: maru.queryUrl });
    }

    for (const ledger of ledgers) {
      t.diagnostic(`${ledger.name}: ${ledger.acknowledgedPushes} pushes acknowledged`);
      assert.ok(ledger.acknowledgedPushes > rounds, `${ledger.name} wrote`);
    }
  });
});
