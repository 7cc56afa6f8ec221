/**
 * `npm test [-- file ...]`: types, lint, then every test by node's own runner, then benches tiny. Says at the end what was skipped.
 * Files may be named to run only them.
 */
import { spawn, spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '..');
const folders = ['libs', 'services', 'load-tests', 'test'];
const named = process.argv.slice(2);

function run(title: string, command: string, args: readonly string[], env: Record<string, string> = {}): void {
  console.log(`\n── ${title}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) {
    console.error(`\n${title}: failed`);
    process.exit(status ?? 1);
  }
}

const bin = (name: string) => join(root, 'node_modules', '.bin', name);
if (named.length === 0) {
  run('types', bin('tsc'), ['-p', root]);
  run('lint', bin('biome'), ['check', '--error-on-warnings', ...folders, 'bin']);
  for (const bench of globSync('{libs,services}/**/*.bench.ts', { cwd: root })) {
    run(`bench, tiny: ${bench}`, process.execPath, [bench], { MARU_TEST_BENCH: 'smoke' });
  }
}
const all =
  named.length > 0 ? named : folders.flatMap((folder) => globSync(`${folder}/**/*.test.ts`, { cwd: root })).sort();
const { status, skipped } = await runTests(all);
console.log(skipped.length === 0 ? '\nNothing was skipped.' : `\nSkipped:\n${skipped.join('\n')}`);
process.exit(status);

/** Node's runner, its output passed on and listened to for what was skipped. */
async function runTests(files: readonly string[]): Promise<{ status: number; skipped: string[] }> {
  console.log(`\n── tests: ${files.length} files`);
  const args = ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const skippedLines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line);
    // "﹣ name (0.1ms) # reason" is how the spec reporter tells of a skipped test.
    const skip = /^\s*(?:\u001b\[\d+m)*\ufe63 (.*?)(?: \([\d.]+ms\))? # (.*?)(?:\u001b\[\d+m)*$/.exec(line);
    if (skip !== null) skippedLines.push(`  ${skip[1]}: ${skip[2]}`);
  }
  const code = await new Promise<number>((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode);
    else child.on('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  return { status: code, skipped: skippedLines };
}
