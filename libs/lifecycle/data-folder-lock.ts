/**
 * One process per data folder. The lock is a file that names its owner by pid, start time and boot, so that a stale one is
 * known as stale: pid 1 of a container that was killed is not pid 1 of the next. Nor is it that of another container that lives: a
 * process whose pids cannot be looked up here is known by the time of its file, which it touches as long as it lives.
 * Owns the files `lock` and `lock.*`. A lock is made by a hard link, which fails if there is one already. A stale lock is
 * replaced by whoever holds its succession: the file `lock.after.<nonce of the dead owner>`, made by a hard link too. If the
 * successor dies half-way, the succession of its own nonce is the next to be had, and so on; no name of this chain is free
 * again before another owner stands in `lock`. So of several that start at once exactly one has the folder. Surprising: the file
 * `lock.spare` says nothing. It holds the block in which a start on a full disk writes its lock.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, open, readdir, readFile, rename, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, isDiskFull, realDisk } from '../std/disk.ts';

interface Owner {
  readonly pid: number;
  /** Clock ticks since boot at which the process started; '' where the system does not tell. */
  readonly startTicks: string;
  readonly bootId: string;
  /** Where its pid means something; '' where the system does not tell. */
  readonly pidNamespace: string;
  readonly nonce: string;
}

/** Somebody else has the folder. */
export class DataFolderInUse extends Error {
  override readonly name = 'DataFolderInUse';
}

export interface DataFolderLock {
  release(): Promise<void>;
}

/** Successors that died half-way, and starts that crossed an end; more of either is not to be believed. */
const triesMax = 40;
/** How long another start gets to finish what it is doing. */
const crossingMs = 25;
const spare = 'lock.spare';
/** More than an owner's text takes. */
const spareBytes = 512;
/** How often an owner touches its lock, and how long none that lives leaves it alone. */
const touchEveryMs = 1_000;
const untouchedMsMax = 5_000;
const lookEveryMs = 200;
/** Stands for the nonce of a lock that cannot be read. */
const unreadable = 'unreadable';

/**
 * Takes the folder for this process.
 * @throws DataFolderInUse naming the pid of the process that has it
 */
export async function lockDataFolder(directory: string): Promise<DataFolderLock> {
  await realDisk.makeDirectory(directory);
  const path = join(directory, 'lock');
  const own: Owner = {
    pid: process.pid,
    startTicks: startTicksOf(process.pid),
    bootId: bootId(),
    pidNamespace: pidNamespace(),
    nonce: randomUUID(),
  };
  const mine = join(directory, `lock.${own.nonce}`);
  await writeOwner(directory, mine, own);
  try {
    for (let tries = 0; tries < triesMax; tries++) {
      if (await linked(mine, path)) return await taken(directory, own);
      const owner = await readOwner(path);
      if (owner === 'absent') continue; // it was released in between
      if (owner !== unreadable && (await isAlive(owner, path))) throw inUse(directory, owner);
      if (await replaced(directory, mine, owner)) return await taken(directory, own);
    }
    throw new DataFolderInUse(`data folder ${directory}: its lock changes hands all the time`);
  } finally {
    await removeIfThere(mine);
  }
}

/**
 * Puts `mine` in the place of the lock of a dead owner. False if the lock is no longer that owner's, or another process is
 * doing the same: look again.
 */
async function replaced(directory: string, mine: string, dead: Owner | typeof unreadable): Promise<boolean> {
  const path = join(directory, 'lock');
  let nonce = nonceOf(dead);
  for (let tries = 0; tries < triesMax; tries++) {
    const succession = join(directory, `lock.after.${nonce}`);
    if (await linked(mine, succession)) {
      const still = await readOwner(path);
      if (still === 'absent' || nonceOf(still) !== nonceOf(dead)) {
        // Somebody has been here, and has tidied up: what we hold is the succession of nobody.
        await removeIfThere(succession);
        return false;
      }
      await rename(mine, path);
      return true;
    }
    const successor = await readOwner(succession);
    if (successor === 'absent') return false;
    if (successor !== unreadable && (await isAlive(successor, succession))) {
      // It may win or find that another one has: in a moment `lock` says who.
      await new Promise((resolve) => setTimeout(resolve, crossingMs));
      return false;
    }
    nonce = nonceOf(successor);
  }
  return false;
}

const nonceOf = (owner: Owner | typeof unreadable): string => (owner === unreadable ? unreadable : owner.nonce);

async function taken(directory: string, own: Owner): Promise<DataFolderLock> {
  const path = join(directory, 'lock');
  const touching = setInterval(() => void touch(path), touchEveryMs).unref();
  await keepSpare(directory);
  await realDisk.syncDirectory(directory);
  // The successions before this owner, and what a process left that died before it had the lock. What cannot be read may be
  // another start that is just writing.
  for (const name of await readdir(directory)) {
    if (!name.startsWith('lock.') || name === spare) continue;
    const owner = await readOwner(join(directory, name));
    if (owner === 'absent' || owner === unreadable) continue;
    const other = join(directory, name);
    // What a start in another container has just written is left for the next start to look at.
    const mayLive = isForeign(owner)
      ? (await touchedMs(other)) > Date.now() - untouchedMsMax
      : await isAlive(owner, other);
    if (owner.nonce === own.nonce || !mayLive) await removeIfThere(other);
  }
  return {
    release: async () => {
      clearInterval(touching);
      const owner = await readOwner(path);
      if (owner !== 'absent' && nonceOf(owner) === own.nonce) await removeIfThere(path);
    },
  };
}

function inUse(directory: string, owner: Owner): DataFolderInUse {
  return new DataFolderInUse(`data folder ${directory} is in use by process ${owner.pid}`);
}

/** Whether exactly the process that wrote the lock at `path` still runs, in this boot of the machine. */
async function isAlive(owner: Owner, path: string): Promise<boolean> {
  if (owner.bootId !== bootId()) return false;
  if (isForeign(owner)) return isTouched(path);
  if (owner.startTicks !== '') return startTicksOf(owner.pid) === owner.startTicks;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** Whether its pid is one of another container of this machine. */
function isForeign(owner: Owner): boolean {
  return owner.bootId === bootId() && owner.pidNamespace !== '' && owner.pidNamespace !== pidNamespace();
}

/** Says that its owner lives. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

/** When a file was touched last; 0 where there is none. */
async function touchedMs(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}

/** Whether somebody touches a file: one that was left alone for long is known at once, another is looked at for so long. */
async function isTouched(path: string): Promise<boolean> {
  const first = await touchedMs(path);
  if (first < Date.now() - untouchedMsMax) return false;
  for (let waitedMs = 0; waitedMs < untouchedMsMax; waitedMs += lookEveryMs) {
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    const now = await touchedMs(path);
    if (now !== first) return now !== 0;
  }
  return false;
}

/** Field 22 of /proc/<pid>/stat (proc(5)), counted behind the command's closing parenthesis; '' if there is none, or it is a zombie. */
function startTicksOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
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

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

async function readOwner(path: string): Promise<Owner | 'absent' | typeof unreadable> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? 'absent' : unreadable;
  }
  if (typeof parsed !== 'object' || parsed === null) return unreadable;
  const { pid, startTicks, bootId: boot, pidNamespace: space, nonce } = parsed as Partial<Record<keyof Owner, unknown>>;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return unreadable;
  if (typeof startTicks !== 'string' || typeof boot !== 'string') return unreadable;
  // It becomes part of a file's name.
  if (typeof nonce !== 'string' || !/^[0-9a-f-]{1,64}$/.test(nonce)) return unreadable;
  // Locks of older releases do not say it.
  return { pid, startTicks, bootId: boot, pidNamespace: typeof space === 'string' ? space : '', nonce };
}

async function linked(from: string, to: string): Promise<boolean> {
  // Written seconds ago where it was waited for another one's lock: what appears now is of one that lives now.
  await touch(from);
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** A new file, or where there is no room for it the spare one in its place. */
async function writeOwner(directory: string, path: string, owner: Owner): Promise<void> {
  const text = JSON.stringify(owner);
  try {
    await writeSynced(path, text, 'wx');
  } catch (error) {
    await removeIfThere(path);
    if (!isDiskFull(error)) throw error;
    try {
      await rename(join(directory, spare), path);
    } catch {
      throw error;
    }
    // In place: nothing is given back, nothing is taken.
    await writeSynced(path, text.padEnd(spareBytes), 'r+');
  }
}

/** For the next start. Without room for it there is none. */
async function keepSpare(directory: string): Promise<void> {
  const path = join(directory, spare);
  try {
    await writeSynced(path, ' '.repeat(spareBytes), 'wx');
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return;
    await removeIfThere(path);
    if (!isDiskFull(error)) throw error;
  }
}

async function writeSynced(path: string, text: string, flags: 'wx' | 'r+'): Promise<void> {
  const file = await open(path, flags);
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
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
