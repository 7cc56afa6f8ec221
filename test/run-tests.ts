/**
 * `npm test [-- <part of a path> | --option ...]`: types, lint, every bench tiny, then every test by node's own runner.
 * Owns the order, what is said at the end (which files took longest, what was skipped, what failed) and the exit code. A part of a path
 * narrows it to the test files that have it; options are passed on to node's runner (`--test-name-pattern=...`).
 */
import { spawn, spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough, type Readable } from 'node:stream';
import { type FileTime, readFileTimes } from './support/file-times.ts';

const root = join(import.meta.dirname, '..');
const folders = ['libs', 'services', 'load-tests', 'test'];
const options = process.argv.slice(2).filter((arg) => arg.startsWith('-'));
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));
const find = (pattern: string) =>
  folders.flatMap((folder) => globSync(`${folder}/**/${pattern}`, { cwd: root })).sort();
const bin = (name: string) => join(root, 'node_modules', '.bin', name);

/** Tests of many processes: they wait for leases, brokers and containers more than they compute, so others run beside them. */
const isWaiting = (path: string): boolean => path.startsWith('test/cluster/') || path.startsWith('test/compose/');
/** Files at once of each sort. */
const concurrency = 2;
/** Files that are named at the end. */
const slowestMax = 15;
/** What one sort may say before somebody reads it. */
const outputBytesMax = 64 * 1024 * 1024;

/** Each file is a process of its own: what V8 and the type stripper made of the sources for one of them is kept for the others. */
process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules/.cache/compile');

const failed: string[] = [];
if (wanted.length === 0 && options.length === 0) {
  run('types', bin('tsc'), ['-p', root]);
  run('lint', bin('biome'), ['check', '--error-on-warnings', ...folders, 'bin']);
  for (const bench of find('*.bench.ts')) {
    run(`bench, tiny: ${bench}`, process.execPath, [bench], { MARU_TEST_BENCH: 'smoke' });
  }
}
const files = find('*.test.ts').filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)));
const sorts = [files.filter((path) => !isWaiting(path)), files.filter(isWaiting)].filter((sort) => sort.length > 0);
if (sorts.length === 0) failed.push(`no test file has ${wanted.join(' or ')} in its path`);
else console.log(`\n── tests: ${files.length} files`);

const skipped: string[] = [];
const times: FileTime[] = [];
// At once, and one after the other to read.
for (const { output, ended } of sorts.map((sort) => startTests(sort))) {
  for await (const line of createInterface({ input: output })) {
    console.log(line);
    // The spec reporter tells of a skipped test as "﹣ name (0.1ms) # reason", in colours on a terminal.
    const [, name, reason] = /^\s*(?:\x1b\[\d+m)*\ufe63 (.*?) \([\d.]+ms\) # (.*?)(?:\x1b\[\d+m)*$/.exec(line) ?? [];
    if (name !== undefined) skipped.push(`  ${name}: ${reason}`);
  }
  const { isGood, fileTimes } = await ended;
  times.push(...fileTimes);
  if (!isGood) failed.push('tests');
}

if (times.length > slowestMax) {
  const slowest = times.toSorted((a, b) => b.seconds - a.seconds).slice(0, slowestMax);
  console.log(
    `\nLongest:\n${slowest.map(({ file, seconds }) => `  ${seconds.toFixed(0).padStart(4)} s ${file}`).join('\n')}`,
  );
}
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

interface TestRun {
  readonly output: Readable;
  readonly ended: Promise<{ readonly isGood: boolean; readonly fileTimes: readonly FileTime[] }>;
}

/** Starts node's own runner. What it says can be read at any time: it does not wait for its reader. */
function startTests(paths: readonly string[]): TestRun {
  const folder = mkdtempSync(join(tmpdir(), 'maru-file-times-'));
  const timesFile = join(folder, 'times');
  const args = [
    ...['--test', `--test-concurrency=${concurrency}`],
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...[`--test-reporter=${join(root, 'test/support/file-times.ts')}`, `--test-reporter-destination=${timesFile}`],
  ];
  const env = process.stdout.isTTY ? { ...process.env, FORCE_COLOR: '1' } : process.env;
  const child = spawn(process.execPath, [...args, ...options, ...paths], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = child.stdout.pipe(new PassThrough({ highWaterMark: outputBytesMax }));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve)).then((code) => {
    const fileTimes = readFileTimes(timesFile);
    rmSync(folder, { recursive: true });
    return { isGood: code === 0, fileTimes };
  });
  return { output, ended };
}
