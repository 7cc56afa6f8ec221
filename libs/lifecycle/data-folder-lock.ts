/**
 * One process per data folder. The lock is a file that names its owner by pid, start time and boot, so that a stale one is
 * known as stale: pid 1 of a container that was killed is not pid 1 of the next.
 * Owns the files `lock` and, for a moment, `lock.takeover`. Surprising: a lock is made by a hard link, which fails if it is there
 * already, and a stale one is replaced only under `lock.takeover`, so two that start at once cannot both have it.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { realDisk } from '../std/disk.ts';

interface Owner {
  readonly pid: number;
  /** Clock ticks since boot at which the process started; '' where the system does not tell. */
  readonly startTicks: string;
  readonly bootId: string;
  readonly nonce: string;
}

/** Somebody else has the folder. */
export class DataFolderInUse extends Error {
  override readonly name = 'DataFolderInUse';
}

export interface DataFolderLock {
  release(): Promise<void>;
}

const triesMax = 20;

/**
 * Takes the folder for this process.
 * @throws DataFolderInUse naming the pid of the process that has it
 */
export async function lockDataFolder(directory: string): Promise<DataFolderLock> {
  await realDisk.makeDirectory(directory);
  const path = join(directory, 'lock');
  const takeover = join(directory, 'lock.takeover');
  const own: Owner = { pid: process.pid, startTicks: startTicksOf(process.pid), bootId: bootId(), nonce: randomUUID() };
  const mine = join(directory, `lock.${own.nonce}`);
  await writeSynced(mine, JSON.stringify(own));
  try {
    for (let tries = 0; tries < triesMax; tries++) {
      if (await linked(mine, path)) return await taken(directory, path, own);
      const owner = await readOwner(path);
      if (owner !== undefined && isAlive(owner)) throw inUse(directory, owner);
      if (await linked(mine, takeover)) {
        try {
          const still = await readOwner(path);
          if (still !== undefined && isAlive(still)) throw inUse(directory, still);
          await rename(mine, path);
          return await taken(directory, path, own);
        } finally {
          await removeIfThere(takeover);
        }
      }
      const other = await readOwner(takeover);
      if (other !== undefined && !isAlive(other)) await removeIfThere(takeover);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new DataFolderInUse(`data folder ${directory}: another process is taking it over`);
  } finally {
    await removeIfThere(mine);
  }
}

async function taken(directory: string, path: string, own: Owner): Promise<DataFolderLock> {
  await realDisk.syncDirectory(directory);
  return {
    release: async () => {
      if ((await readOwner(path))?.nonce === own.nonce) await removeIfThere(path);
    },
  };
}

function inUse(directory: string, owner: Owner): DataFolderInUse {
  return new DataFolderInUse(`data folder ${directory} is in use by process ${owner.pid}`);
}

/** Whether exactly the process that wrote the lock still runs, in this boot of the machine. */
function isAlive(owner: Owner): boolean {
  if (owner.bootId !== bootId()) return false;
  if (owner.startTicks !== '') return startTicksOf(owner.pid) === owner.startTicks;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Field 22 of /proc/<pid>/stat (proc(5)), counted behind the command's closing parenthesis; '' if it cannot be had. */
function startTicksOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/** Undefined where there is no lock, or one that no process finished writing. */
async function readOwner(path: string): Promise<Owner | undefined> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { pid, startTicks, bootId: boot, nonce } = parsed as Partial<Record<keyof Owner, unknown>>;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (typeof startTicks !== 'string' || typeof boot !== 'string' || typeof nonce !== 'string') return undefined;
  return { pid, startTicks, bootId: boot, nonce };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
