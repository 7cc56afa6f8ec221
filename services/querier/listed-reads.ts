/**
 * Reads that the main thread answers itself: lists of labels, of series, of exemplars. Each works in short slices, but hundreds of them
 * side by side are one long slice to everybody else.
 * Owns how many of a tenant go on at once, how many wait, and how long one may take. Does not own what is read (prometheus-api.ts).
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';

export interface ListedReadsOptions {
  /** Most that go on at once of one tenant. */
  readonly atOnceMax: number;
  /** Most that wait of one tenant. */
  readonly waitingMax: number;
  /** Waiting included. */
  readonly timeoutMs: number;
}

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
  async take<T>(tenant: TenantId, signal: AbortSignal, read: (signal: AbortSignal) => Promise<T>): Promise<T> {
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
      try {
        ended.throwIfAborted();
        return await read(ended);
      } finally {
        this.#passOn(tenant, reads);
      }
    } finally {
      clearTimeout(timer);
    }
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
