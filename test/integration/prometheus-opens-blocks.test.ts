/**
 * Blocks that Maru cut and shipped, opened by a real Prometheus: it accepts them and answers as Maru does.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { isUlid } from '../../libs/tsdb/block/ulid.ts';
import { compareAnswers } from '../support/compare-answers.ts';
import { serverPath, skipWithout } from '../support/find-server.ts';
import { mixedQueries, mixedScrape } from '../support/mixed-scrape.ts';
import { push } from '../support/push-client.ts';
import { ask } from '../support/query-client.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { startMaru } from '../support/start-maru.ts';
import { startPrometheus } from '../support/start-prometheus.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const run = promisify(execFile);
const rangeMs = 7_200_000;
const stepMs = 20_000;

describe('blocks that Maru cut', { skip: skipWithout('prometheus', 'promtool'), timeout: 150_000 }, () => {
  it('are opened by promtool and by Prometheus, which answers as Maru does', async () => {
    await using folder = await tempFolder('opened');
    await using maru = await startMaru({
      args: [
        '--self-metrics.tenant=none',
        '--head.cut-delay=0s',
        '--head.idle-delay=1s',
        '--ingester.ship-interval=1s',
        '--query.bucket-index-refresh=1s',
      ],
    });
    // Two whole ranges that have ended; every seventh scrape comes late.
    const begin = Math.floor(Date.now() / rangeMs) * rangeMs - 2 * rangeMs;
    const end = begin + 2 * rangeMs;
    const late: SentSeries[][] = [];
    const inTime: SentSeries[][] = [];
    for (let i = 0, t = begin; t < end; i++, t += stepMs) (i % 7 === 3 ? late : inTime).push(mixedScrape(t, i, 0));
    for (const scrapes of [inTime, late]) {
      for (let at = 0; at < scrapes.length; at += 60) {
        const answer = await push(maru.baseUrl, scrapes.slice(at, at + 60).flat(), { protocol: 'v2' });
        assert.equal(answer.status, 204, answer.text);
      }
    }
    const bucket = join(maru.dataDir, 'bucket', 'anonymous');
    const names = await waitFor('both ranges are in the bucket', async () => {
      const found = (await readdir(bucket).catch(() => [])).filter(isUlid);
      const metas = await Promise.all(found.map((name) => readdir(join(bucket, name))));
      return found.length >= 2 && metas.every((files) => files.includes('meta.json')) ? found : undefined;
    });
    const blocks = join(folder.path, 'blocks');
    await mkdir(join(blocks, 'wal'), { recursive: true });
    for (const name of names) await cp(join(bucket, name), join(blocks, name), { recursive: true });
    const listed = await run(serverPath('promtool'), ['tsdb', 'list', blocks]);
    for (const name of names) assert.ok(listed.stdout.includes(name));
    for (const name of names) await run(serverPath('promtool'), ['tsdb', 'analyze', blocks, name]);

    await using prometheus = await startPrometheus({
      version: 3,
      scrape: {},
      blocks: names.map((name) => join(blocks, name)),
    });
    const failures: string[] = [];
    for (const query of mixedQueries) {
      const parameters = { query, start: begin / 1000, end: (end - 1) / 1000, step: '41' };
      const expected = await ask({ baseUrl: prometheus.baseUrl }, 'query_range', parameters);
      const actual = await ask({ baseUrl: maru.queryUrl }, 'query_range', parameters);
      assert.equal(expected.status, 'success', expected.error);
      for (const difference of compareAnswers(expected, actual, 'bits')) failures.push(`${query}: ${difference}`);
    }
    assert.deepEqual(failures, []);
  });
});
