/**
 * `npm test [-- <part of a path> | --option ...]`: types, lint, every bench tiny, then every test by node's own runner.
 * Owns the order, what is said at the end (what was skipped, what failed) and the exit code. A part of a path narrows it to the
 * test files that have it; options are passed on to node's runner (`--test-name-pattern=...`).
 */
import { spawn, spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '..');
const folders = ['libs', 'services', 'load-tests', 'test'];
const options = process.argv.slice(2).filter((arg) => arg.startsWith('-'));
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));
const find = (pattern: string) =>
  folders.flatMap((folder) => globSync(`${folder}/**/${pattern}`, { cwd: root })).sort();
const bin = (name: string) => join(root, 'node_modules', '.bin', name);

const failed: string[] = [];
if (wanted.length === 0 && options.length === 0) {
  run('types', bin('tsc'), ['-p', root]);
  run('lint', bin('biome'), ['check', '--error-on-warnings', ...folders, 'bin']);
  for (const bench of find('*.bench.ts')) {
    run(`bench, tiny: ${bench}`, process.execPath, [bench], { MARU_TEST_BENCH: 'smoke' });
  }
}
const files = find('*.test.ts').filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)));
let skipped: string[] = [];
if (files.length > 0) skipped = await runTests();
else failed.push(`no test file has ${wanted.join(' or ')} in its path`);

if (skipped.length > 0) console.log(`\nSkipped:\n${skipped.join('\n')}`);
console.log(failed.length === 0 ? '\nAll good.' : `\nFailed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);

function run(
  title: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): void {
  console.log(`\n── ${title}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) failed.push(title);
}

/** Node's runner, its output passed on, and listened to for what was skipped. */
async function runTests(): Promise<string[]> {
  console.log(`\n── tests: ${files.length} files`);
  const args = ['--test', '--test-concurrency=2', '--test-reporter=spec', ...options, ...files];
  const env = process.stdout.isTTY ? { ...process.env, FORCE_COLOR: '1' } : process.env;
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    // The spec reporter tells of a skipped test as "﹣ name (0.1ms) # reason", in colours on a terminal.
    const [, name, reason] = /^\s*(?:\x1b\[\d+m)*\ufe63 (.*?) \([\d.]+ms\) # (.*?)(?:\x1b\[\d+m)*$/.exec(line) ?? [];
    if (name !== undefined) lines.push(`  ${name}: ${reason}`);
  }
  if ((await ended) !== 0) failed.push('tests');
  return lines;
}
