/** `npm run bench [-- path]`: the micro benches in full, one process each. A path narrows them. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const wanted = process.argv[2] ?? '';
const benches = globSync('{libs,services}/**/*.bench.ts', { cwd: root })
  .filter((path) => path.includes(wanted))
  .sort();
for (const [index, path] of benches.entries()) {
  console.log(`\n[${index + 1}/${benches.length}] ${path}`);
  const { status } = spawnSync(process.execPath, [path], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
if (benches.length === 0) console.log(`no bench has ${JSON.stringify(wanted)} in its path`);
