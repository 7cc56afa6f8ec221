/**
 * The process as an operator meets it: starting, stopping, its lock, its command line and its pages.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-port.ts';
import { push } from '../support/push-client.ts';
import { ask, queryAt } from '../support/query-client.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { runMaru, startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { GiveUp, waitFor } from '../support/wait-until.ts';

describe('starting', { timeout: 120_000 }, () => {
  it('is ready on an empty folder', async () => {
    // How soon is a figure of the load tests (restart).
    await using maru = await startMaru();
    assert.equal((await fetch(`${maru.baseUrl}/ready`)).status, 200);
  });

  it('prints where to write, where to ask and where the data is', async () => {
    await using maru = await startMaru();
    const said = maru.log();
    assert.ok(said.includes(`http://127.0.0.1:${maru.port}/api/v1/push`), said);
    assert.ok(said.includes(`http://127.0.0.1:${maru.port}/prometheus`), said);
    assert.ok(said.includes(maru.dataDir), said);
    // Not on a terminal, so the log is JSON; beside it stands the greeting, and nothing that a library says by itself.
    for (const line of said.trim().split('\n'))
      assert.match(line, /^\{.*\}$|^Maru |^ {2}(write to|Grafana|data folder) /);
  });

  it('works where nothing that it says can be written, as on a full disk', {
    skip: !existsSync('/dev/full'),
  }, async () => {
    await using folder = await tempFolder('said-nowhere');
    const port = await freePort();
    const script = join(import.meta.dirname, '../../services/main.ts');
    const args = [script, `--data-dir=${join(folder.path, 'data')}`, `--server.http-port=${port}`];
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, args, { stdio: ['ignore', full, full] });
    closeSync(full);
    const exited = once(child, 'exit');
    try {
      const url = `http://127.0.0.1:${port}`;
      await waitFor('ready', async () => {
        if (child.exitCode !== null) throw new GiveUp(`it ended with ${child.exitCode}`);
        return (await fetch(`${url}/ready`)).status === 200 ? true : undefined;
      });
      // A query that fails is logged.
      const { httpStatus } = await ask({ baseUrl: `${url}/prometheus` }, 'query', { query: 'up', timeout: '0' });
      assert.equal(httpStatus, 503);
      child.kill('SIGTERM');
      assert.deepEqual(await exited, [0, null]);
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
  });

  it('prints no URL of a room that does not run', async () => {
    await using maru = await startMaru({ args: ['--target=store-gateway'] });
    assert.match(maru.log(), /data folder/);
    assert.doesNotMatch(maru.log(), /write to|Grafana/);
  });

  it('--help prints the reference and ends with 0', async () => {
    const child = runMaru(['--help']);
    assert.deepEqual(await child.exited, { code: 0, signal: null });
    for (const key of [
      '--target',
      '--data-dir',
      '--server.http-address',
      '--server.http-port',
      '--log.level',
      '--log.format',
      '--tenancy.missing-header',
      '--enable-feature',
      '--limits.past-grace-period',
    ]) {
      assert.ok(child.output().includes(key), `${key} in:\n${child.output()}`);
    }
    assert.match(child.output(), /9009/);
  });

  for (const { name, args, env, yaml, says } of [
    {
      name: 'an unknown flag',
      args: ['--server.http-prot=1'],
      says: [/server\.http-prot/, /flag|command line/i, /server\.http-port/],
    },
    {
      name: 'an ill-typed flag',
      args: ['--server.http-port=many'],
      says: [/server\.http-port/, /many/, /flag|command line/i],
    },
    { name: 'an empty list of rooms', args: ['--target='], says: [/--target/, /ingester/] },
    {
      name: 'an unknown variable',
      args: [],
      env: { MARU_SERVER_HTTP_PROT: '1' },
      says: [/MARU_SERVER_HTTP_PROT/, /environment/i, /MARU_SERVER_HTTP_PORT|http.port/],
    },
    {
      name: 'an ill-typed variable',
      args: [],
      env: { MARU_SERVER_HTTP_PORT: 'many' },
      says: [/MARU_SERVER_HTTP_PORT|server\.http.port/, /many/],
    },
    {
      name: 'an unknown key in the file',
      args: [],
      yaml: 'server:\n  http_prot: 1\n',
      says: [/http_prot/, /maru\.yaml/, /http_port/],
    },
    {
      name: 'an ill-typed key in the file',
      args: [],
      yaml: 'server:\n  http_port: many\n',
      says: [/http_port/, /maru\.yaml/],
    },
    {
      name: 'an unknown feature',
      args: ['--enable-feature=promql-experimental-function'],
      says: [/enable-feature/, /nearest known one is promql-experimental-functions/],
    },
    { name: 'an unknown target', args: ['--target=everything'], says: [/everything/, /target/] },
  ] as readonly { name: string; args: string[]; env?: Record<string, string>; yaml?: string; says: RegExp[] }[]) {
    it(`${name} is an error that names the key, its place and the nearest`, async () => {
      await using folder = await tempFolder('config');
      const file = join(folder.path, 'maru.yaml');
      if (yaml !== undefined) writeFileSync(file, yaml);
      const child = runMaru(
        [`--data-dir=${join(folder.path, 'data')}`, ...(yaml === undefined ? [] : [`--config.file=${file}`]), ...args],
        env === undefined ? {} : { env },
      );
      const stuck = setTimeout(() => child.signal('SIGKILL'), 10_000);
      const { code } = await child.exited;
      clearTimeout(stuck);
      assert.ok(code !== null && code > 0, `it ended with ${code}:\n${child.output()}`);
      for (const pattern of says) assert.match(child.output(), pattern);
      assert.ok(!existsSync(join(folder.path, 'data', 'wal')), 'nothing was begun');
    });
  }

  it('flags win over the environment, that over the file', async () => {
    await using folder = await tempFolder('config');
    const file = join(folder.path, 'maru.yaml');
    const [fromFile, fromEnvironment, fromFlag] = [await freePort(), await freePort(), await freePort()];
    writeFileSync(file, `server:\n  http_port: ${fromFile}\ndata_dir: ${join(folder.path, 'data')}\n`);
    for (const { port, args, env } of [
      { port: fromFile, args: [], env: {} },
      { port: fromEnvironment, args: [], env: { MARU_SERVER_HTTP_PORT: String(fromEnvironment) } },
      {
        port: fromFlag,
        args: [`--server.http-port=${fromFlag}`],
        env: { MARU_SERVER_HTTP_PORT: String(fromEnvironment) },
      },
    ] as const) {
      const child = runMaru([`--config.file=${file}`, ...args], { env });
      await waitFor(`ready on ${port}`, async () => (await fetch(`http://127.0.0.1:${port}/ready`)).ok || undefined);
      child.signal('SIGTERM');
      assert.deepEqual(await child.exited, { code: 0, signal: null });
      assert.ok(readdirSync(join(folder.path, 'data')).length > 0, 'the folder of the file is used');
    }
  });
});

describe('stopping', { timeout: 120_000 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`${signal} ends it with 0 and everything is kept`, async () => {
      await using maru = await startMaru();
      const now = Date.now();
      assert.equal((await push(maru.baseUrl, series(now, 3), { protocol: 'v2' })).status, 204);
      maru.signal(signal);
      assert.deepEqual(await maru.exited(), { code: 0, signal: null });
      maru.launch();
      await maru.ready();
      assert.deepEqual((await queryAt({ baseUrl: maru.queryUrl }, 'kept', now / 1000)).result[0].value?.[1], '3');
    });
  }

  it('the same signal on several ways is one: npm and a launcher pass on what a whole group was sent', async () => {
    await using maru = await startMaru();
    for (let i = 0; i < 3; i++) {
      maru.signal('SIGTERM');
      // Signals that wait for a process are one; these do not wait.
      await sleep(5);
    }
    assert.deepEqual(await maru.exited(), { code: 0, signal: null });
    assert.match(maru.log(), /"msg":"stopped"/);
  });

  it('finishes the requests that it has', async () => {
    await using maru = await startMaru();
    const now = Date.now();
    const pushes = Array.from({ length: 200 }, (_, i) =>
      push(maru.baseUrl, series(now - i * 1000, i), { protocol: 'v1' }).catch(() => undefined),
    );
    await Promise.race(pushes);
    assert.deepEqual(await maru.stop(), { code: 0, signal: null });
    const answers = await Promise.all(pushes);
    maru.launch();
    await maru.ready();
    const { result } = await queryAt({ baseUrl: maru.queryUrl }, 'kept[1h]', now / 1000);
    const found = new Set(result[0]?.values?.map(([, v]) => v));
    for (const [i, answer] of answers.entries()) {
      if (answer?.status === 204) assert.ok(found.has(String(i)), `push ${i} was acknowledged`);
      else if (answer !== undefined) assert.equal(answer.status, 503, answer.text);
    }
  });
});

describe('the lock of the data folder', { timeout: 120_000 }, () => {
  it('a second process is refused with the pid of the first, which goes on', async () => {
    await using maru = await startMaru();
    const second = runMaru([`--data-dir=${maru.dataDir}`, `--server.http-port=${await freePort()}`]);
    const { code } = await second.exited;
    assert.ok(code !== null && code > 0, second.output());
    assert.match(second.output(), new RegExp(`\\b${maru.pid()}\\b`));
    assert.equal((await push(maru.baseUrl, series(Date.now(), 1), { protocol: 'v1' })).status, 204);
    await maru.stop();
  });

  it('that a kill left behind is taken over', async () => {
    await using maru = await startMaru();
    await maru.kill();
    maru.launch();
    await maru.ready();
  });

  it('whose pid is alive, but another process, is taken over', async () => {
    await using maru = await startMaru();
    const pid = maru.pid();
    await maru.kill();
    // As in a container that was killed and started again: the pid of the first is somebody else's now (here: ours).
    const locks = readdirSync(maru.dataDir).filter((name) => /^lock(?!.spare)/i.test(name));
    assert.equal(locks.length, 1, `one lock in ${readdirSync(maru.dataDir)}`);
    const path = join(maru.dataDir, locks[0]);
    const text = readFileSync(path, 'utf8');
    assert.match(text, new RegExp(`\\b${pid}\\b`));
    writeFileSync(path, text.replace(new RegExp(`\\b${pid}\\b`), String(process.pid)));
    maru.launch();
    await maru.ready();
  });

  it('that is no lock at all is taken over', async () => {
    await using maru = await startMaru();
    await maru.kill();
    const lock = readdirSync(maru.dataDir).find((name) => /lock/i.test(name)) ?? 'lock';
    for (const text of ['', '{', 'null', '{"pid":"x"}']) {
      writeFileSync(join(maru.dataDir, lock), text);
      maru.launch();
      await maru.ready();
      await maru.kill();
    }
  });
});

describe('pages', { timeout: 120_000 }, () => {
  it('say what they must', async () => {
    await using maru = await startMaru();
    const page = async (path: string) => {
      const answer = await fetch(`${maru.baseUrl}${path}`);
      return { status: answer.status, text: await answer.text(), type: answer.headers.get('content-type') ?? '' };
    };
    assert.equal((await page('/healthz')).status, 200);
    assert.equal((await page('/ready')).status, 200);
    assert.equal((await page('/no/such/page')).status, 404);
    const metrics = await page('/metrics');
    assert.equal(metrics.status, 200);
    assert.match(metrics.type, /^text\/plain; version=0\.0\.4/);
    assert.match(metrics.text, /^maru_/m);
    for (const line of metrics.text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
      assert.match(line, /^(maru|process|nodejs)_/, 'every metric has a prefix of ours or of the runtime');
    }
    const build = (await ask({ baseUrl: maru.queryUrl }, 'status/buildinfo')).data as Record<string, string>;
    assert.equal(build.version, '3.15.0');
    assert.match(JSON.stringify(build), /Maru/);
    for (const prefix of ['', '/prometheus']) {
      const target = { baseUrl: `${maru.baseUrl}${prefix}` };
      assert.deepEqual((await ask(target, 'rules')).data, { groups: [] });
      assert.deepEqual((await ask(target, 'alerts')).data, { alerts: [] });
    }
  });

  it('a first query has an answer: Maru writes its own metrics', async () => {
    await using maru = await startMaru();
    const found = await waitFor(
      'a metric of Maru in the anonymous tenant',
      async () => {
        const { result } = await queryAt({ baseUrl: maru.queryUrl }, '{__name__=~"maru_.+"}', Date.now() / 1000);
        return result.length > 0 ? result : undefined;
      },
      { deadlineMs: 60_000, everyMs: 500 },
    );
    assert.ok(found.length > 5);
  });
});

function series(t: number, v: number): SentSeries[] {
  return [{ labels: [['__name__', 'kept']], samples: [{ t, v }] }];
}
