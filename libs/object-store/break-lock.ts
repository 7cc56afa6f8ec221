/**
 * The file of a lock: which one stands there, and that no other than that one is removed.
 * Owns that two who both saw a lock that was left behind do not take each other's away.
 */
import type { BigIntStats } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { errorCode } from '../std/disk.ts';

const pollMs = 20;
/** Two calls take milliseconds. */
const leftBehindMs = 60_000;

/** Removes the lock if it is that one: another may have been made since it was looked at. One process at a time looks and removes. */
export async function breakLock(path: string, standing: string): Promise<void> {
  const breaking = `${path}-breaking`;
  while ((await make(breaking)) === undefined) {
    // Whoever makes this one holds it for two calls: a minute later it was left behind.
    const left = await stat(breaking).catch(() => undefined);
    if (left !== undefined && Math.abs(Date.now() - left.mtimeMs) > leftBehindMs) await rm(breaking, { force: true });
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  try {
    if ((await standingAt(path)) === standing) await rm(path, { force: true });
  } finally {
    await rm(breaking, { force: true });
  }
}

/** The identity of a file that was made; undefined where there is one. */
export async function make(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'wx');
    try {
      return identityOf(await file.stat({ bigint: true }));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return undefined;
    throw error;
  }
}

export async function standingAt(path: string): Promise<string | undefined> {
  try {
    return identityOf(await stat(path, { bigint: true }));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function identityOf({ ino, mtimeNs }: BigIntStats): string {
  return `${ino}-${mtimeNs}`;
}
