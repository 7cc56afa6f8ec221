import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fastify from 'fastify';
import { ConfigError } from '../../libs/config/config-error.ts';
import { MemoryBucket } from '../../libs/object-store/memory.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { Metrics } from '../../libs/telemetry/metrics.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { parseRanges } from './block-ranges.ts';
import type { Compactor } from './compactor.ts';
import { registerCompactorRoutes } from './compactor-routes.ts';
import { type CompactorConfig, compactorKeys } from './config.ts';
import { checkDeletionTiming } from './deletion-timing.ts';
import { FailedJobs } from './failed-jobs.ts';
import { createCompactor } from './service.ts';

const minute = 60_000;
const hour = 60 * minute;

describe('the compactor at its start', () => {
  for (const { texts, ranges } of [
    { texts: ['2h', '12h', '24h'], ranges: [2 * hour, 12 * hour, 24 * hour] },
    { texts: ['30m'], ranges: [30 * minute] },
  ]) {
    it(`takes the ranges ${texts.join()}`, () => assert.deepEqual(parseRanges(texts), ranges));
  }

  for (const texts of [[], ['x'], ['0'], ['12h', '2h'], ['2h', '3h'], ['2h', '2h'], ['5y']]) {
    it(`refuses the ranges ${texts.join() || 'none'}, by the name of the key`, () => {
      assert.throws(() => parseRanges(texts), { name: 'ConfigError', message: /compactor\.block-ranges/ });
    });
  }

  it('refuses to delete before readers have moved on', () => {
    const readers = { indexAgeMaxMs: hour, longestQueryMs: 2 * minute };
    checkDeletionTiming({ ...readers, deletionDelayMs: hour + 4 * minute + 1 });
    const check = () => checkDeletionTiming({ ...readers, deletionDelayMs: hour + 4 * minute });
    assert.throws(check, ConfigError);
    assert.throws(check, /key compactor\.deletion-delay: .* after 3840 s, but readers need 3840 s/);
  });
});

describe('failed jobs', () => {
  it('wait longer each time, up to a bound, and are forgotten when they succeed or are no longer planned', () => {
    const jobs = new FailedJobs();
    const waits = Array.from(
      { length: 12 },
      () => jobs.note('a', 'job a', 'broken', undefined, 0).nextAttemptMs / minute,
    );
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]);
    assert.equal(jobs.get('a')?.failures, 12);
    jobs.note('b', 'job b', 'broken', undefined, 0);
    jobs.succeeded('a');
    assert.equal(jobs.size, 1);
    jobs.keepOnly(new Set());
    assert.equal(jobs.get('b'), undefined);
  });

  it('are bounded: the oldest is forgotten', () => {
    const jobs = new FailedJobs();
    for (let i = 0; i <= 10_000; i++) jobs.note(`${i}`, 'job', 'broken', undefined, 0);
    assert.equal(jobs.size, 10_000);
    assert.equal(jobs.get('0'), undefined);
  });
});

describe('the deletion of a tenant', () => {
  it('is of one that the request names, and of nobody where it names none', async () => {
    const app = fastify();
    const bucket = new MemoryBucket();
    const { signal } = new AbortController();
    const compactor = undefined as unknown as Compactor;
    registerCompactorRoutes(app, { compactor, bucket, nowMs: Date.now, signal });
    const post = (headers: Record<string, string>) =>
      app.inject({ method: 'POST', url: '/compactor/delete_tenant', headers });
    assert.notEqual((await post({})).statusCode, 200);
    const keys: string[] = [];
    const list = async () => {
      for await (const entry of bucket.list('', { delimiter: false, signal }))
        if (entry.kind === 'object') keys.push(entry.key);
      return keys;
    };
    assert.deepEqual(await list(), []);
    assert.equal((await post({ 'x-scope-orgid': 'team-a' })).statusCode, 200);
    assert.deepEqual(await list(), ['team-a/markers/tenant-deletion-mark.json']);
    await app.close();
  });
});

describe('the folder of the compactor', () => {
  it('is its own, below the one that was given: nothing else in that is touched', async () => {
    await using folder = await tempFolder('compactor-folder');
    await writeFile(join(folder.path, 'precious'), 'x');
    await mkdir(join(folder.path, 'compactor', 'left-behind'), { recursive: true });
    const defaults = Object.fromEntries(Object.entries(compactorKeys).map(([name, key]) => [name, key.defaultValue]));
    const service = createCompactor(
      { ...(defaults as CompactorConfig), dataDir: folder.path },
      {
        app: fastify(),
        bucket: new MemoryBucket(),
        limits: { of: () => assert.fail('there is no tenant') },
        log: createLogger({ level: 'error', format: 'json' }),
        metrics: new Metrics('0'),
        nowMs: Date.now,
        dataDir: '/nowhere',
        readers: { indexAgeMaxMs: hour, longestQueryMs: minute },
      },
    );
    await service.start();
    await service.stop();
    assert.deepEqual(await readdir(folder.path), ['precious']);
  });
});
