/**
 * More than the process can take: pushes beyond its memory, connections that say almost nothing.
 * What is refused is refused with 503 and `Retry-After` before memory is taken; what is accepted is kept; others are served.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeEachCarrier } from '../support/carriers.ts';
import { freePort } from '../support/free-port.ts';
import { contentTypes, push, pushBody, pushBytes } from '../support/push-client.ts';
import { queryAt } from '../support/query-client.ts';
import { rawConnection } from '../support/raw-http.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { residentBytes } from '../support/resident-bytes.ts';
import { runProcess } from '../support/run-process.ts';
import { startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
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

describe('more connections than the process may have files', { timeout: 120_000 }, () => {
  it('are closed as they come: the log rolls on, and who was there before is served', async () => {
    await using folder = await tempFolder('few-files');
    const port = await freePort();
    const dataDir = join(folder.path, 'data');
    const script = join(import.meta.dirname, '../../services/main.ts');
    const flags = [`--data-dir=${dataDir}`, `--server.http-port=${port}`, '--ingester.wal-segment-bytes=10KiB'];
    const maru = runProcess('sh', ['-c', 'ulimit -n 200 && exec "$0" "$@"', process.execPath, script, ...flags]);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const flood = new Set<Socket>();
    let isFlooding = true;
    const knock = (): void => {
      const socket = connect(port, '127.0.0.1');
      flood.add(socket);
      socket.on('error', () => undefined); // refused or closed: the next one comes
      socket.once('close', () => {
        flood.delete(socket);
        if (isFlooding) setTimeout(knock, 10);
      });
    };
    try {
      await waitFor('ready', () => get(agent, port, '/ready'), { deadlineMs: 60_000 });
      for (let i = 0; i < 400; i++) knock();
      await waitFor('the flood is there', () => (flood.size >= 400 ? true : undefined));
      for (let i = 0; i < 60; i++) {
        const labels = [['__name__', `served_${i}`.padEnd(1000, 'x')]] as const;
        const body = pushBody('v2', [{ labels, samples: [{ t: Date.now(), v: i }] }]);
        assert.equal(await post(agent, port, body), 204, maru.output());
        await sleep(20);
      }
      assert.ok(maru.isRunning(), maru.output());
      assert.ok(readdirSync(join(dataDir, 'wal')).length > 3, 'segments were closed and begun');
    } finally {
      isFlooding = false;
      for (const socket of flood) socket.destroy();
      agent.destroy();
      maru.signal('SIGKILL');
      await maru.exited;
    }
  });
});

/** A request on the one connection of `agent`. @returns true for status 200 */
async function get(agent: Agent, port: number, path: string): Promise<true | undefined> {
  return (await send(agent, port, { path }, new Uint8Array(0))) === 200 ? true : undefined;
}

function post(agent: Agent, port: number, body: Uint8Array): Promise<number> {
  const headers = { 'content-type': contentTypes.v2, 'content-encoding': 'snappy', 'content-length': body.length };
  return send(agent, port, { method: 'POST', path: '/api/v1/push', headers }, body);
}

function send(agent: Agent, port: number, options: RequestOptions, body: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, agent, ...options }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

describe('lists of many series whose clients hardly read', { timeout: 120_000 }, () => {
  it('503 with Retry-After for those beyond the memory of all; the process goes on, and lists again when they have left', async (t) => {
    const series = 40_000;
    const labels = 8;
    // All lists together may take half of the heap: a handful of these.
    await using maru = await startMaru({
      env: { NODE_OPTIONS: '--max-old-space-size=224' },
      args: ['--limits.max-global-series-per-user=0', '--self-metrics.tenant=none'],
    });
    const now = Date.now();
    for (let begin = 0; begin < series; begin += 5_000) {
      const some = Array.from({ length: 5_000 }, (_, i) => ({
        labels: [
          ['__name__', 'listed'],
          ...Array.from({ length: labels }, (_, j) => [`label_${j}`, `value-${j}-${begin + i}`] as const),
        ] as SentSeries['labels'],
        samples: [{ t: now, v: 1 }],
      }));
      assert.equal((await push(maru.baseUrl, some, { protocol: 'v1' })).status, 204);
    }
    const url = '/prometheus/api/v1/series?match[]=listed';
    const sockets: Socket[] = [];
    /** What is said first, and nothing behind it is read. */
    const begun = await Promise.all(
      Array.from({ length: 16 }, async () => {
        const socket = connect(maru.port, '127.0.0.1');
        sockets.push(socket);
        socket.on('error', () => undefined);
        socket.write(`GET ${url} HTTP/1.1\r\nhost: maru\r\n\r\n`);
        const head = await new Promise<string>((resolve) => {
          socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1')));
          socket.once('close', () => resolve('closed'));
        });
        socket.pause();
        return head;
      }),
    );
    const statuses = begun.map((head) => /^HTTP\/1.1 (\d+)/.exec(head)?.[1]);
    t.diagnostic(statuses.join(' '));
    assert.ok(statuses.includes('200'), 'some are answered');
    assert.ok(statuses.includes('503'), 'some are refused');
    for (const head of begun) {
      if (!head.startsWith('HTTP/1.1 200')) assert.match(head, /^HTTP\/1.1 503 [\s\S]*\r\nretry-after: 1\r\n/);
    }
    const after = [{ labels: [['__name__', 'after']] as const, samples: [{ t: now, v: 1 }] }];
    assert.equal((await push(maru.baseUrl, after, { protocol: 'v1' })).status, 204);
    for (const socket of sockets) socket.destroy();
    const listed = await waitFor('a list of all series', async () => {
      const answer = await fetch(`${maru.baseUrl}${url}`);
      const { data } = (await answer.json()) as { data?: readonly unknown[] };
      return answer.status === 200 ? data : undefined;
    });
    assert.equal(listed.length, series);
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
