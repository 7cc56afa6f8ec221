/** The lock as several processes meet it: each contender is a child process that takes the lock and says so. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DataFolderInUse, lockDataFolder } from './data-folder-lock.ts';

const lockModule = join(import.meta.dirname, 'data-folder-lock.ts');
const contender = `
  import { lockDataFolder } from ${JSON.stringify(lockModule)};
  process.stdin.once('data', async () => {
    const said = await lockDataFolder(process.argv[1]).then(() => 'taken', (error) => error.message);
    process.stdout.write(said + '\\n');
  });
  process.stdout.write('here\\n');
`;

/** A process that waits for `go` before it takes the lock, and then keeps it. */
class Contender {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(folder: string) {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ['--input-type=module', '-e', contender, folder];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    this.child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value ?? 'ended';
  }

  go(): void {
    this.child.stdin?.write('go\n');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

describe('the lock of a data folder', { timeout: 120_000 }, () => {
  let folder = '';
  let contenders: Contender[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'maru-lock-'));
  });
  afterEach(async () => {
    for (const one of contenders) await one.kill();
    contenders = [];
    rmSync(folder, { recursive: true, force: true });
  });

  /** Lets `count` processes take the lock at the same time; returns what each said. */
  async function race(count: number): Promise<string[]> {
    const racers = Array.from({ length: count }, () => new Contender(folder));
    contenders.push(...racers);
    for (const one of racers) assert.equal(await one.line(), 'here');
    for (const one of racers) one.go();
    return Promise.all(racers.map((one) => one.line()));
  }

  function assertOneWinner(said: readonly string[], pids: readonly (number | undefined)[]): void {
    assert.equal(said.filter((text) => text === 'taken').length, 1, said.join('\n'));
    const winner = pids[said.indexOf('taken')];
    for (const text of said) {
      if (text !== 'taken') assert.equal(text, `data folder ${folder} is in use by process ${winner}`);
    }
    assert.equal(JSON.parse(readFileSync(join(folder, 'lock'), 'utf8')).pid, winner);
  }

  it('is taken over from a process that is dead although its parent does not look', async () => {
    // `sleep` never waits for the child that the shell left it, so that the child stays a zombie.
    const parent = spawn('sh', ['-c', 'sleep 30 & echo $!; exec sleep 31'], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const said = await createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next();
      const zombie = Number(said.value);
      const stat = (): string[] => {
        const text = readFileSync(`/proc/${zombie}/stat`, 'latin1');
        return text.slice(text.lastIndexOf(')') + 2).split(' ');
      };
      const isSleep = () => readFileSync(`/proc/${parent.pid}/comm`, 'latin1') === 'sleep\n';
      while (!isSleep()) await new Promise((resolve) => setTimeout(resolve, 5));
      process.kill(zombie, 'SIGKILL');
      while (stat()[0] !== 'Z') await new Promise((resolve) => setTimeout(resolve, 5));
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
      const owner = { pid: zombie, startTicks: stat()[19], bootId: boot, nonce: '1' };
      writeFileSync(join(folder, 'lock'), JSON.stringify(owner));
      await (await lockDataFolder(folder)).release();
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('is taken, refuses a second, and is gone when it is released', async () => {
    const lock = await lockDataFolder(folder);
    await assert.rejects(
      lockDataFolder(folder),
      new DataFolderInUse(`data folder ${folder} is in use by process ${process.pid}`),
    );
    assert.deepEqual(readdirSync(folder), ['lock', 'lock.spare']);
    await lock.release();
    assert.deepEqual(readdirSync(folder), ['lock.spare']);
    await (await lockDataFolder(folder)).release();
  });

  it('goes to exactly one of several that start at once, also where a killed process left its own', async () => {
    for (let round = 0; round < 3; round++) {
      const said = await race(4);
      assertOneWinner(
        said,
        contenders.map(({ child }) => child.pid),
      );
      // The next round finds the lock of a killed process.
      for (const one of contenders) await one.kill();
      contenders = [];
      assert.deepEqual(readdirSync(folder), ['lock', 'lock.spare']);
    }
  });

  it('is taken over where its process is gone, or the pid is another process now', async () => {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    for (const stale of [
      { pid: process.pid, startTicks: '1', bootId, nonce: 'aa' },
      { pid: 1, startTicks: '99999999999', bootId, nonce: 'aa' },
      { pid: 2 ** 22 + 1, startTicks: ownStartTicks(), bootId, nonce: 'aa' },
      { pid: process.pid, startTicks: ownStartTicks(), bootId: 'another boot', nonce: 'aa' },
    ]) {
      writeFileSync(join(folder, 'lock'), JSON.stringify(stale));
      await (await lockDataFolder(folder)).release();
      assert.deepEqual(readdirSync(folder), ['lock.spare']);
    }
  });

  it('is not taken over from a process that lives', async () => {
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const alive = { pid: process.pid, startTicks: ownStartTicks(), bootId, nonce: 'aa' };
    writeFileSync(join(folder, 'lock'), JSON.stringify(alive));
    await assert.rejects(lockDataFolder(folder), DataFolderInUse);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'lock'), 'utf8')), alive);
  });

  describe('of a process in another container, where the same pid is another process', () => {
    const other = () => {
      const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      return { pid: 1, startTicks: '1', bootId, pidNamespace: 'pid:[1]', nonce: 'aa' };
    };

    it('is not taken over as long as that lives', async () => {
      writeFileSync(join(folder, 'lock'), JSON.stringify(other()));
      const touch = () => utimesSync(join(folder, 'lock'), new Date(), new Date());
      const touching = setInterval(touch, 20);
      await assert
        .rejects(lockDataFolder(folder), new DataFolderInUse(`data folder ${folder} is in use by process 1`))
        .finally(() => clearInterval(touching));
      assert.deepEqual(JSON.parse(readFileSync(join(folder, 'lock'), 'utf8')), other());
    });

    for (const [when, ageMs] of [
      ['long ago', 60_000],
      ['just now', 0],
    ] as const) {
      it(`is taken over where that was killed ${when}`, async () => {
        writeFileSync(join(folder, 'lock'), JSON.stringify(other()));
        const touched = new Date(Date.now() - ageMs);
        utimesSync(join(folder, 'lock'), touched, touched);
        const lock = await lockDataFolder(folder);
        // Whoever comes now, from yet another container, sees that this one lives.
        assert.ok(Date.now() - statSync(join(folder, 'lock')).mtimeMs < 1_000);
        await lock.release();
      });
    }

    it('is touched by whoever has it', async () => {
      const path = join(folder, 'lock');
      const lock = await lockDataFolder(folder);
      utimesSync(path, 1, 1);
      while (statSync(path).mtimeMs === 1000) await new Promise((resolve) => setTimeout(resolve, 20));
      await lock.release();
    });
  });

  for (const text of [
    '',
    '{',
    'null',
    '{"pid":"x"}',
    '{"pid":-1,"startTicks":"","bootId":"","nonce":""}',
    '{"pid":1,"startTicks":"1","bootId":"b","nonce":"../../x"}',
  ]) {
    it(`is taken over where it says ${JSON.stringify(text)}`, async () => {
      writeFileSync(join(folder, 'lock'), text);
      assertOneWinner(
        await race(3),
        contenders.map(({ child }) => child.pid),
      );
    });
  }

  it('is taken over where one that was taking it over died half-way', async () => {
    const dead = (nonce: string) => JSON.stringify({ pid: 1, startTicks: '1', bootId: 'another boot', nonce });
    writeFileSync(join(folder, 'lock'), dead('a1'));
    writeFileSync(join(folder, 'lock.b2'), dead('b2'));
    linkSync(join(folder, 'lock.b2'), join(folder, 'lock.after.a1'));
    writeFileSync(join(folder, 'lock.after.b2'), dead('c3'));
    assertOneWinner(
      await race(4),
      contenders.map(({ child }) => child.pid),
    );
    for (const one of contenders) await one.kill();
    assert.deepEqual(readdirSync(folder), ['lock', 'lock.spare']);
  });
});

function ownStartTicks(): string {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
