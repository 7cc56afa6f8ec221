/**
 * Waiting for what another process will do: asked again and again until it holds, or a deadline with a sentence.
 * The deadline is there to end a test that hangs; no test measures with it.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks `attempt` every `everyMs` until it answers something other than undefined, and returns that. An attempt that
 * throws counts as "not yet"; its last error is the cause of the failure.
 * @throws Error naming `what` after `deadlineMs`.
 */
export async function waitFor<T>(
  what: string,
  attempt: () => Promise<T | undefined> | T | undefined,
  { deadlineMs = 30_000, everyMs = 50 } = {},
): Promise<T> {
  const giveUpAt = performance.now() + deadlineMs;
  for (;;) {
    let lastError: unknown;
    try {
      const found = await attempt();
      if (found !== undefined) return found;
    } catch (error) {
      if (error instanceof GiveUp) throw error;
      lastError = error;
    }
    if (performance.now() > giveUpAt) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`, { cause: lastError });
    await sleep(everyMs);
  }
}

/** Thrown by an attempt that knows that waiting longer is in vain. */
export class GiveUp extends Error {}
