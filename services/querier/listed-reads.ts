/**
 * Reads that the main thread answers itself: lists of labels, of series, of exemplars. Each works in short slices, but hundreds of them
 * side by side are one long slice to everybody else.
 * Owns how many of a tenant go on at once, how many wait, and how long one may take. One whose answer is not out yet goes on: it holds all
 * that was found, and that counts until then. Does not own what is read (prometheus-api.ts) nor how much all may hold (list-memory.ts).
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import type { HeldList, ListMemory } from '../../libs/series/list-memory.ts';

export interface ListedReadsOptions {
  /** Most that go on at once of one tenant. */
  readonly atOnceMax: number;
  /** Most that wait of one tenant. */
  readonly waitingMax: number;
  /** Waiting included. */
  readonly timeoutMs: number;
  readonly memory: ListMemory;
}

/** @param held where what is found is counted */
type Read<T> = (signal: AbortSignal, held: HeldList) => Promise<T>;

interface TenantReads {
  running: number;
  readonly waiting: Set<() => void>;
}

export class ListedReads {
  readonly #options: ListedReadsOptions;
  /** One who reads nothing has no entry. */
  readonly #byTenant = new Map<TenantId, TenantReads>();

  constructor(options: ListedReadsOptions) {
    this.#options = options;
  }

  /**
   * What `read` comes to when it is its turn.
   * @throws Failure `rate_limited` where too many wait; `timeout`; what `signal` was aborted with
   */
  async take<T>(tenant: TenantId, signal: AbortSignal, read: Read<T>): Promise<T> {
    signal.throwIfAborted();
    const reads = this.#byTenant.get(tenant) ?? { running: 0, waiting: new Set() };
    if (reads.running >= this.#options.atOnceMax && reads.waiting.size >= this.#options.waitingMax) {
      throw new Failure('rate_limited', 'too many outstanding requests', { retryAfterSeconds: 1 });
    }
    this.#byTenant.set(tenant, reads);
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort(new Failure('timeout', 'the read of labels or series took too long'));
    }, this.#options.timeoutMs);
    const ended = AbortSignal.any([signal, late.signal]);
    try {
      if (reads.running < this.#options.atOnceMax) reads.running++;
      else if (!(await hasTurn(reads, ended))) throw ended.reason;
      const held = this.#options.memory.hold(tenant);
      try {
        ended.throwIfAborted();
        return await read(ended, held);
      } finally {
        held.release();
        this.#passOn(tenant, reads);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** As take: the turn is over when the answer is out, or `signal` has aborted. */
  answer(tenant: TenantId, signal: AbortSignal, read: Read<ApiAnswer>): Promise<ApiAnswer> {
    return new Promise((resolve, reject) => {
      const readAndGive: Read<void> = async (ended, held) => {
        const answer = await read(ended, held);
        const { body } = answer;
        if (body === undefined || body instanceof Uint8Array) {
          resolve(answer);
          return;
        }
        await new Promise<void>((out) => {
          signal.addEventListener('abort', () => out(), { once: true });
          resolve({ ...answer, body: tellingEnd(body, out) });
          if (signal.aborted) out();
        });
      };
      this.take(tenant, signal, readAndGive).catch(reject);
    });
  }

  /** The turn of one that has ended is that of the next. */
  #passOn(tenant: TenantId, reads: TenantReads): void {
    const [next] = reads.waiting;
    if (next !== undefined) {
      reads.waiting.delete(next);
      next();
    } else if (--reads.running === 0) {
      this.#byTenant.delete(tenant);
    }
  }
}

/** The same pieces; `onEnd` is called when there are no more, or nobody wants them: a generator that was never begun would not say so. */
function tellingEnd(pieces: AsyncIterableIterator<Uint8Array>, onEnd: () => void): AsyncIterableIterator<Uint8Array> {
  return {
    next: async () => {
      try {
        const next = await pieces.next();
        if (next.done === true) onEnd();
        return next;
      } catch (error) {
        onEnd();
        throw error;
      }
    },
    return: async () => {
      onEnd();
      await pieces.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Whether its turn has come before nobody wanted it any more. */
function hasTurn({ waiting }: TenantReads, ended: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const begin = (): void => {
      ended.removeEventListener('abort', leave);
      resolve(true);
    };
    const leave = (): void => {
      waiting.delete(begin);
      resolve(false);
    };
    waiting.add(begin);
    ended.addEventListener('abort', leave, { once: true });
  });
}
