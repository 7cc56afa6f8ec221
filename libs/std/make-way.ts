/**
 * How a thread that computes for long makes way for threads that somebody waits for.
 * Owns the two means: a lower priority, and pauses. Surprising: a lower priority alone does not help. A thread that wakes up gets the
 * core at once only from one that has had its slice, and whether it has is looked at in ticks of the system's clock (4 ms at 250 Hz),
 * once for every hop of a write between threads. Whoever sleeps for a moment lets in who waits at that moment.
 */
import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

const nicenessMax = 19;

/** Lowers the priority of the calling thread by so much niceness. Where the system has none for threads (not Linux) nothing happens. */
export function lowerPriority(niceness: number): void {
  if (process.platform !== 'linux') return;
  try {
    // <pid>/task/<tid> of the thread that asks.
    const thread = Number(readlinkSync('/proc/thread-self').split('/').pop());
    setPriority(thread, Math.min(nicenessMax, getPriority(thread) + niceness));
  } catch {
    // Without /proc or the right to do so all threads share the cores evenly.
  }
}

/** Rises whenever somebody comes who waits for this process; threads that compute are given it when they are started. */
export const arrivals: Int32Array = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** Somebody has come who waits: whatever computes for long makes way for a while. */
export function noteArrival(): void {
  Atomics.add(arrivals, 0, 1);
}

/** So long after an arrival others are thought to come: who sends once sends often. */
const expectMs = 1_000;
/** How long a thread computes between two pauses. */
const stretchMs = 1;
/** The system makes some 60 us of it. */
const pauseMs = 0.01;
/** Work that is over sooner needs none. */
const freeMs = 10;

/** Pauses of one thread, which must be one that may block. Where nobody else comes there are none. */
export class Pauses {
  readonly #arrivals: Int32Array;
  readonly #nowMs: () => number;
  readonly #pause: () => void;
  #dueAtMs = 0;
  #arrived = 0;
  #expectUntilMs = Number.NEGATIVE_INFINITY;

  /**
   * @param arrivals of the thread that started this one
   * @param nowMs a monotonic clock
   */
  constructor(arrivals: Int32Array, nowMs = () => performance.now(), pause = sleepForAMoment) {
    this.#arrivals = arrivals;
    this.#nowMs = nowMs;
    this.#pause = pause;
  }

  /** Before a piece of work of any length, whose asker has arrived. */
  begin(): void {
    this.#dueAtMs = this.#nowMs() + freeMs;
    this.#arrived = Atomics.load(this.#arrivals, 0);
  }

  /** To be called between parts of it that take less than a stretch. */
  takeIfDue(): void {
    const nowMs = this.#nowMs();
    if (nowMs < this.#dueAtMs) return;
    const arrived = Atomics.load(this.#arrivals, 0);
    if (arrived !== this.#arrived) {
      this.#arrived = arrived;
      this.#expectUntilMs = nowMs + expectMs;
    }
    if (nowMs < this.#expectUntilMs) this.#pause();
    this.#dueAtMs = this.#nowMs() + stretchMs;
  }
}

const neverChanges = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

function sleepForAMoment(): void {
  Atomics.wait(neverChanges, 0, 0, pauseMs);
}
