/**
 * More than the process can take: pushes beyond its memory, connections that say almost nothing.
 * What is refused is refused with 503 and `Retry-After` before memory is taken; what is accepted is kept; others are served.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeEachCarrier } from '../support/carriers.ts';
import { contentTypes, push, pushBody, pushBytes } from '../support/push-client.ts';
import { queryAt } from '../support/query-client.ts';
import { rawConnection } from '../support/raw-http.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { residentBytes } from '../support/resident-bytes.ts';
import { startMaru } from '../support/start-maru.ts';
import { waitFor } from '../support/wait-until.ts';

const MiB = 1 << 20;

describeEachCarrier('more pushes at once than memory allows', { timeout: 120_000 }, (startMaru) => {
  it('503 with Retry-After for those beyond it; the accepted are kept; memory stays bounded', async (t) => {
    await using maru = await startMaru({ args: ['--distributor.max-inflight-push-requests-bytes=12MB'] });
    const now = Date.now();
    // A dozen bodies of megabytes at once, of which a few fit below the maximum.
    const bodies = Array.from({ length: 12 }, (_, i) => pushBody('v1', manySamples(i, now)));
    t.diagnostic(`${(bodies[0].length / MiB).toFixed(1)} MiB a body`);
    const before = residentBytes(maru.pid());
    let highest = before;
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        highest = Math.max(highest, residentBytes(maru.pid()));
        await sleep(20);
      }
    })();
    const answers = await Promise.all(bodies.map((body) => pushBytes(maru.baseUrl, body, { protocol: 'v1' })));
    watching.abort();
    await watch;
    const statuses = answers.map(({ status }) => status);
    t.diagnostic(
      `answers: ${statuses.join(' ')}; resident ${Math.round(before / MiB)} MiB, at most ${Math.round(highest / MiB)}`,
    );
    for (const answer of answers) {
      if (answer.status === 204) continue;
      assert.equal(answer.status, 503, answer.text);
      assert.match(answer.headers.get('retry-after') ?? 'absent', /^\d+$/);
    }
    assert.ok(statuses.includes(204), 'some are accepted');
    assert.ok(statuses.includes(503), 'some are refused');
    assert.ok(highest - before < 700 * MiB, `memory rose by ${Math.round((highest - before) / MiB)} MiB`);

    const metrics = await (await fetch(`${maru.baseUrl}/metrics`)).text();
    const counted = /^maru_distributor_push_duration_seconds_count\{status="503"\} (\d+)$/m.exec(metrics)?.[1];
    assert.equal(Number(counted), statuses.filter((status) => status === 503).length, 'an alert sees them');

    // What was refused comes again, one by one, as a sender's retries do; then all of it is there once.
    for (const [i, { status }] of statuses.map((status) => ({ status })).entries()) {
      if (status === 503) assert.equal((await pushBytes(maru.baseUrl, bodies[i], { protocol: 'v1' })).status, 204);
    }
    const { result } = await queryAt(
      { baseUrl: maru.queryUrl },
      'sum by (body) (count_over_time(flood[12h]))',
      now / 1000,
    );
    assert.deepEqual(
      result.map(({ metric, value }) => [metric.body, value?.[1]]).sort(),
      bodies.map((_, i) => [String(i), String(seriesPerBody * samplesPerSeries)]).sort(),
    );
  });
});

describe('200 connections that say almost nothing', { timeout: 120_000 }, () => {
  it('are closed after a timeout, and others are served meanwhile', async () => {
    await using maru = await startMaru({ args: ['--server.read-timeout=3s'] });
    const body = pushBody('v1', [{ labels: [['__name__', 'slow']], samples: [{ t: Date.now(), v: 1 }] }]);
    const head = `POST /api/v1/push HTTP/1.1\r\nhost: maru\r\ncontent-type: ${contentTypes.v1}\r\ncontent-encoding: snappy\r\ncontent-length: ${body.length}\r\n\r\n`;
    const connections = await Promise.all(Array.from({ length: 200 }, () => rawConnection(maru.port)));
    let open = connections.length;
    for (const { closed } of connections) void closed.then(() => open--);
    // A third say nothing, a third half a body and then nothing, a third go on with a byte a second.
    const dripping = new AbortController();
    const drips = connections.map(async ({ socket }, i) => {
      if (i % 3 === 1) socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, body.length / 2)]));
      if (i % 3 !== 2) return;
      for (let at = 0; at < head.length && !dripping.signal.aborted && !socket.destroyed; at++) {
        socket.write(head[at]);
        await sleep(1000, undefined, { signal: dripping.signal }).catch(() => undefined);
      }
    });
    for (let i = 0; i < 20; i++) {
      const answer = await push(
        maru.baseUrl,
        [{ labels: [['__name__', 'served']], samples: [{ t: Date.now(), v: i }] }],
        { protocol: 'v2' },
      );
      assert.equal(answer.status, 204, answer.text);
    }
    await waitFor('every slow connection is closed', () => (open === 0 ? true : undefined), {
      deadlineMs: 60_000,
      everyMs: 200,
    });
    dripping.abort();
    await Promise.all(drips);
    const { result } = await queryAt({ baseUrl: maru.queryUrl }, 'slow', Date.now() / 1000);
    assert.deepEqual(result, [], 'half a body is nothing');
  });
});

const seriesPerBody = 20;
const samplesPerSeries = 12_000;

function manySamples(body: number, now: number): SentSeries[] {
  return Array.from({ length: seriesPerBody }, (_, i) => ({
    labels: [
      ['__name__', 'flood'],
      ['body', String(body)],
      ['i', String(i)],
    ],
    samples: Array.from({ length: samplesPerSeries }, (_, j) => ({ t: now - (samplesPerSeries - j) * 1000, v: j })),
  }));
}
