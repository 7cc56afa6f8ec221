/**
 * A lock that processes which share a folder hold in turn: a file that one of them makes.
 * Owns when a lock is taken for left behind, by the time for which the same one was seen standing: clocks of machines differ, and are set.
 * Whoever held one so long without having died finds, when he asks, that it is his no more.
 */
import { rm } from 'node:fs/promises';
import { breakLock, make, standingAt } from './break-lock.ts';

const pollMs = 20;
/** Holding one takes milliseconds. */
const staleMsDefault = 30_000;

/**
 * Does something while the lock is held; `isMine` says whether it still is.
 * @throws what `act` throws, what `signal` was aborted with, or what the file system throws
 */
export async function whileLocked<T>(
  path: string,
  signal: AbortSignal,
  act: (isMine: () => Promise<boolean>) => Promise<T>,
  staleMs: number = staleMsDefault,
): Promise<T> {
  const mine = await take(path, signal, staleMs);
  try {
    return await act(async () => (await standingAt(path)) === mine);
  } finally {
    if ((await standingAt(path)) === mine) await rm(path, { force: true });
  }
}

/** Makes the file, once there is none; returns which it is. */
async function take(path: string, signal: AbortSignal, staleMs: number): Promise<string> {
  let watched: string | undefined;
  let sinceMs = 0;
  for (;;) {
    signal.throwIfAborted();
    const made = await make(path);
    if (made !== undefined) return made;
    const standing = await standingAt(path);
    if (standing !== watched) {
      watched = standing;
      sinceMs = performance.now();
    } else if (standing !== undefined && performance.now() - sinceMs > staleMs) {
      await breakLock(path, standing);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
