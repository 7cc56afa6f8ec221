/**
 * Whose write is next: bodies that have arrived are taken up tenant by tenant, so that a tenant with hundreds of costly ones in the
 * process delays another's by one or two of them, not by all.
 * Owns the order and how long writes hold the event loop at a stretch. Does not own how many may wait: their bytes are counted where
 * they are read (libs/http/read-body.ts). Surprising: as long as nothing waits work begins at once, in the turn in which it came.
 */
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { keepTrace } from '../../libs/telemetry/trace.ts';

/** After so long the event loop looks at sockets again: a small write may have come. */
const stretchMs = 4;

export class FairTurns {
  readonly #nowMs: () => number;
  /** In order of their turn; a tenant with nothing to do has no entry. */
  readonly #waiting = new Map<TenantId, (() => void)[]>();
  #spentMs = 0;
  /** The next turn of the event loop is awaited. */
  #armed = false;

  /** @param nowMs a monotonic clock */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Calls `work` when it is the tenant's turn: what it does before it first waits is what is shared out. Settles as `work` does. */
  take<T>(tenant: TenantId, work: () => Promise<T>): Promise<T> {
    this.#arm();
    if (this.#waiting.size === 0 && this.#spentMs < stretchMs) return this.#timed(work);
    return new Promise((resolve, reject) => {
      const own = this.#waiting.get(tenant);
      const inTrace = keepTrace();
      const begin = (): void => {
        inTrace(() => this.#timed(work)).then(resolve, reject);
      };
      if (own === undefined) this.#waiting.set(tenant, [begin]);
      else own.push(begin);
    });
  }

  #timed<T>(work: () => Promise<T>): Promise<T> {
    const beginMs = this.#nowMs();
    const done = work();
    this.#spentMs += this.#nowMs() - beginMs;
    return done;
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(() => {
      this.#armed = false;
      this.#spentMs = 0;
      for (const [tenant, own] of this.#waiting) {
        // To the end of the line, which this walk reaches again if there is time.
        this.#waiting.delete(tenant);
        const begin = own.shift();
        if (own.length > 0) this.#waiting.set(tenant, own);
        begin?.();
        if (this.#spentMs >= stretchMs) break;
      }
      if (this.#waiting.size > 0) this.#arm();
    });
  }
}
