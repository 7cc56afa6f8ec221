/** `npm run bench [-- <part of a path>]`: the micro benches in full, one process each, one after another. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const [wanted = ''] = process.argv.slice(2);
const benches = globSync('{libs,services}/**/*.bench.ts', { cwd: root }).filter((path) => path.includes(wanted));
if (benches.length === 0) {
  console.error(`no bench has ${JSON.stringify(wanted)} in its path`);
  process.exit(1);
}
for (const [index, path] of benches.sort().entries()) {
  console.log(`\n[${index + 1}/${benches.length}] ${path}`);
  const { status } = spawnSync(process.execPath, [path], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}
