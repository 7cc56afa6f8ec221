import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DataFolderInUse, lockDataFolder } from './data-folder-lock.ts';

const folder = () => mkdtempSync(join(tmpdir(), 'maru-lock-'));

/** A process that takes the lock, says so, and holds it until it is killed. */
function holder(directory: string): { pid: number; said: Promise<string>; kill: () => Promise<void> } {
  const module = join(import.meta.dirname, 'data-folder-lock.ts');
  const code = `import { lockDataFolder } from ${JSON.stringify(module)};
    lockDataFolder(${JSON.stringify(directory)}).then(() => { console.log('taken'); setInterval(() => {}, 1e6); }, (e) => { console.log(e.name); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = new Promise<string>((resolve) =>
    child.stdout.once('data', (data: Buffer) => resolve(data.toString().trim())),
  );
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid ?? 0,
    said,
    kill: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

describe('lockDataFolder', () => {
  it('refuses a second owner with the pid of the first, and lets go on release', async () => {
    const directory = folder();
    const lock = await lockDataFolder(directory);
    await assert.rejects(
      lockDataFolder(directory),
      (error) => error instanceof DataFolderInUse && error.message.includes(`process ${process.pid}`),
    );
    await lock.release();
    assert.deepEqual(readdirSync(directory), []);
    await (await lockDataFolder(directory)).release();
  });

  it('takes over from a process that was killed', async () => {
    const directory = folder();
    const first = holder(directory);
    assert.equal(await first.said, 'taken');
    await assert.rejects(lockDataFolder(directory), new RegExp(`process ${first.pid}$`));
    await first.kill();
    assert.ok(existsSync(join(directory, 'lock')));
    await (await lockDataFolder(directory)).release();
  });

  for (const { name, change } of [
    { name: 'the same pid, started at another time', change: { startTicks: '1' } },
    { name: 'the same pid in another boot', change: { bootId: 'another' } },
    { name: 'a pid that does not run', change: { pid: 2 ** 22 + 1 } },
  ]) {
    it(`is stale: ${name}`, async () => {
      const directory = folder();
      await lockDataFolder(directory);
      const path = join(directory, 'lock');
      const owner: object = JSON.parse(readFileSync(path, 'utf8'));
      writeFileSync(path, JSON.stringify({ ...owner, ...change }));
      await (await lockDataFolder(directory)).release();
    });
  }

  for (const content of ['', '{', 'null', '{"pid":"x"}', '{"pid":-1,"startTicks":"","bootId":"","nonce":""}']) {
    it(`is stale: a lock that says ${JSON.stringify(content)}`, async () => {
      const directory = folder();
      writeFileSync(join(directory, 'lock'), content);
      await (await lockDataFolder(directory)).release();
    });
  }

  it('has one winner when many start at once over a stale lock', async () => {
    const directory = folder();
    const first = holder(directory);
    await first.said;
    await first.kill();
    const many = Array.from({ length: 6 }, () => holder(directory));
    const said = await Promise.all(many.map((one) => one.said));
    for (const one of many) await one.kill();
    assert.deepEqual(said.toSorted(), [...Array.from({ length: 5 }, () => 'DataFolderInUse'), 'taken']);
  });
});
