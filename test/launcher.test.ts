/**
 * bin/maru.js as a user meets it: a copy of it in a folder of its own, with a server that is three lines and an npm that only
 * writes down that it was called.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

const server = `
  if (process.argv.includes('--fail')) process.exit(7);
  console.log('args', ...process.argv.slice(2));
  if (process.argv.includes('--stay')) {
    setInterval(() => undefined, 1000);
    for (const name of ['SIGTERM', 'SIGINT']) process.on(name, () => { console.log('got', name); process.exit(0); });
    console.log('here');
  }
`;
const npm = `#!/bin/sh
echo "$@" >> npm-calls
[ -f npm-fails ] && exit 3
mkdir -p node_modules
`;

describe('bin/maru.js', { timeout: 60_000 }, () => {
  let root = '';
  const place = (path: string) => join(root, path);
  const env = () => ({ ...process.env, PATH: `${place('fake')}${delimiter}${process.env['PATH']}` });
  const launch = (...args: string[]) => {
    const done = spawnSync(process.execPath, [place('bin/maru.js'), ...args], { env: env(), encoding: 'utf8' });
    return { status: done.status, out: done.stdout, err: done.stderr };
  };
  const npmCalls = () =>
    existsSync(place('npm-calls')) ? readFileSync(place('npm-calls'), 'utf8').trim().split('\n') : [];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'maru-launcher-'));
    for (const folder of ['bin', 'services', 'fake']) mkdirSync(place(folder));
    copyFileSync(join(import.meta.dirname, '../bin/maru.js'), place('bin/maru.js'));
    writeFileSync(place('package.json'), '{ "type": "module" }');
    writeFileSync(place('package-lock.json'), '{}');
    writeFileSync(place('services/main.ts'), server);
    writeFileSync(place('fake/npm'), npm, { mode: 0o755 });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('installs once, says so, and passes the arguments on', () => {
    const first = launch('start', '--a=1', 'b c');
    assert.deepEqual([first.status, first.out], [0, 'args --a=1 b c\n']);
    assert.match(first.err, /installing packages/);
    const second = launch('start', '--a=2');
    assert.deepEqual([second.status, second.out, second.err], [0, 'args --a=2\n', '']);
    assert.equal(npmCalls().length, 1);
    assert.match(npmCalls()[0], /^ci /);
  });

  it('takes flags alone for those of start', () => {
    assert.equal(launch('--help').out, 'args --help\n');
    assert.equal(launch().out, 'args\n');
  });

  it('installs again when the lockfile is another', () => {
    launch('start');
    writeFileSync(place('package-lock.json'), '{ "another": true }');
    launch('start');
    launch('start');
    assert.equal(npmCalls().length, 2);
  });

  it('leaves alone what npm has installed itself', () => {
    mkdirSync(place('node_modules'));
    writeFileSync(place('node_modules/.package-lock.json'), '{}');
    assert.equal(launch('start').status, 0);
    assert.deepEqual(npmCalls(), []);
  });

  it('does not start on half an install', () => {
    writeFileSync(place('npm-fails'), '');
    const { status, out, err } = launch('start');
    assert.deepEqual([status, out], [1, '']);
    assert.match(err, /npm ci failed/);
    rmSync(place('npm-fails'));
    assert.equal(launch('start').status, 0);
    assert.equal(npmCalls().length, 2);
  });

  it('ends as what it started ends', () => {
    assert.equal(launch('start', '--fail').status, 7);
  });

  for (const command of ['strat', '__proto__', 'constructor']) {
    it(`names its commands when asked for ${command}`, () => {
      const { status, err } = launch(command);
      assert.equal(status, 2);
      assert.match(err, /start, blocks, test, bench/);
      assert.deepEqual(npmCalls(), []);
    });
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`passes ${signal} on and waits for the end`, async () => {
      launch('start');
      const child = spawn(process.execPath, [place('bin/maru.js'), 'start', '--stay'], {
        env: env(),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let out = '';
      for await (const text of child.stdout.setEncoding('utf8')) {
        out += text;
        if (out.endsWith('here\n')) child.kill(signal);
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      assert.deepEqual([child.exitCode, out.split('\n').at(-2)], [0, `got ${signal}`]);
    });
  }
});
