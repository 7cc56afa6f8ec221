/**
 * Work on a thread that others need too: it looks now and then whether it has had its time, and lets the event loop go round.
 * Owns how long a turn is. Surprising: awaiting what is there already does not let the event loop go round.
 */

/** How long work may go on before others get their turn. */
const turnMs = 2;

export class Turns {
  #beganAt = performance.now();

  /** Whether it is time for `next`. */
  get isOver(): boolean {
    return performance.now() - this.#beganAt > turnMs;
  }

  /** Resolves when the event loop has been around. @throws what `signal` was aborted with */
  async next(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    this.#beganAt = performance.now();
  }
}
