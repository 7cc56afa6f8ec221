/** Where an ingester stands in the log before it has found its place there. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { MemoryBucket } from '../../libs/object-store/memory.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { Metrics } from '../../libs/telemetry/metrics.ts';
import { OutsideLog } from '../../libs/tsdb/outside-log.ts';
import type { RestoreReport, Tsdb } from '../../libs/tsdb/tsdb.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { waitFor } from '../../test/support/wait-until.ts';
import { DamagedRecords } from './damaged-records.ts';
import { FollowLog, type FollowLogDeps } from './follow-log.ts';
import { FollowedMark } from './followed-mark.ts';
import { IngesterHandler } from './ingester-handler.ts';
import { registerLogMetrics } from './metrics.ts';

const logger = createLogger({ level: 'error', format: 'json' }).child({}, { level: 'silent' });
const signal = new AbortController().signal;
const tenant = parseTenantId('team-a');

/** An ingester whose snapshot ends before offset 100, and brokers that say nothing yet. */
async function follower(folder: string): Promise<{ follow: FollowLog; answer: (end: number) => void }> {
  const bounds = Promise.withResolvers<{ begin: number; end: number }>();
  const log = new OutsideLog(folder);
  log.startAt(100, 0);
  const topic = {
    name: 'topic',
    loss: undefined,
    problem: undefined,
    check: () => ({ id: 'id', leaders: [1] }),
    look: () => undefined,
  };
  const follow = new FollowLog({
    ...({
      connection: { clientId: 'test', bootstrapBrokers: ['127.0.0.1:1'], retries: 0 },
      topic,
    } as unknown as FollowLogDeps),
    offsets: { bounds: () => bounds.promise } as unknown as FollowLogDeps['offsets'],
    ...{ topicId: 'id', partition: 0, zone: 'a', clusterId: 'c', bucket: new MemoryBucket(), log, logger },
    tsdb: {} as Tsdb,
    damaged: new DamagedRecords(realDisk, join(folder, 'damaged'), 'id'),
    mark: new FollowedMark(realDisk, folder),
    ...{
      isUnwritten: false,
      nowMs: Date.now,
      onDelay: () => undefined,
      onFatal: (error) => assert.fail(String(error)),
    },
  });
  return { follow, answer: (end) => bounds.resolve({ begin: 0, end }) };
}

describe('an ingester that has not found its place in the log yet', { timeout: 30_000 }, () => {
  it('is not believed to have applied anything, whatever its snapshot held', async () => {
    await using folder = await tempFolder('follow-log');
    const { follow, answer } = await follower(folder.path);
    follow.start();
    assert.equal(await follow.applied(80, 20, signal), 79);
    // Who asks how far it is at best is told.
    assert.equal(await follow.applied(0, 0, signal), 100);
    const waiting = follow.applied(80, 60_000, signal);
    // The log was cut short and written to: what lies below 80 now it has not.
    answer(80);
    assert.ok((await waiting) < 80);
    assert.match(follow.gap ?? '', /was cut short: it ends at offset 80, and was read up to 100 before/);
    await follow.stop();
  });

  it('is not believed about what lies in blocks either, nor before it has looked for records that were set aside', async () => {
    await using folder = await tempFolder('follow-log');
    const { follow } = await follower(folder.path);
    const handler = new IngesterHandler({ of: () => [], missingFrom: () => undefined }, () => 7_000, true);
    const tsdb = { heldFromMs: () => 5_000, source: () => ({}), walState: 'open' } as unknown as Tsdb;
    handler.restored(tsdb, {} as RestoreReport);
    assert.equal(handler.heldFromMs(), 0);
    assert.throws(() => handler.source(tenant), { kind: 'unavailable' });
    handler.follow = follow;
    assert.equal(handler.heldFromMs(), 0);
    assert.throws(() => handler.source(tenant), { kind: 'unavailable' });
    follow.start();
    await waitFor('it has looked', () => (follow.knowsDamaged ? true : undefined), { everyMs: 2 });
    assert.deepEqual(handler.source(tenant).blocks, []);
    assert.equal(handler.heldFromMs(), 0);
  });
});

it('an ingester that cannot read the log says so, and does not say how far behind it is', {
  timeout: 30_000,
}, async () => {
  await using folder = await tempFolder('follow-log');
  const { follow, answer } = await follower(folder.path);
  const handler = new IngesterHandler({ of: () => [], missingFrom: () => undefined }, () => 7_000, true);
  handler.restored({ walState: 'open' } as unknown as Tsdb, {} as RestoreReport);
  handler.follow = follow;
  const metrics = new Metrics('test');
  registerLogMetrics(metrics, handler);
  const exposed = async (name: string): Promise<number[]> =>
    [...(await metrics.registry.metrics()).matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].map(([, value]) =>
      Number(value),
    );
  follow.start();
  answer(100);
  // No broker is there.
  const reason = await waitFor('it is told', () => handler.amissReason());
  assert.match(reason, /^the ingester cannot read the log: .*127\.0\.0\.1:1/);
  assert.equal(handler.notReadyReason(), undefined);
  assert.deepEqual(await exposed('maru_ingester_log_lag_records'), []);
  const [before = 0] = await exposed('maru_ingester_log_unread_seconds');
  await waitFor('it has not been read for longer', async () =>
    ((await exposed('maru_ingester_log_unread_seconds'))[0] ?? 0) > before ? true : undefined,
  );
  await follow.stop();
});
