/**
 * Who is alive, by leases that every process of the cluster renews in Redis.
 * Owns the own lease and what was read of the others'. Nothing is refused for want of a lease: who has none is asked last, and
 * while Redis is away, or has just come back empty, it is as if everybody had one.
 */
import type { KeyValue } from '../../libs/kv/key-value.ts';

interface LeasesOptions {
  readonly store: KeyValue;
  readonly clusterId: string;
  readonly instance: string;
  /** What the lease says of this process, for people. */
  readonly value: () => string;
  readonly leaseMs: number;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

export class Leases {
  readonly #options: LeasesOptions;
  readonly #group: string;
  #held: ReadonlyMap<string, string> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** Since when the store has answered without a break; leases from before may be missing in it. */
  #answeringSinceMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#group = `maru:${options.clusterId}:members`;
  }

  start(): void {
    const tick = (): void => {
      this.#renewing ??= this.renew().finally(() => {
        this.#renewing = undefined;
      });
    };
    tick();
    this.#timer = setInterval(tick, this.#options.leaseMs / 3);
    this.#timer.unref();
  }

  /** Gives the own lease back. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    await this.#options.store.remove(this.#group, this.#options.instance).catch(() => undefined);
    await this.#options.store.close();
  }

  /** Renews the own lease and reads those of the others. */
  async renew(): Promise<void> {
    const { store, instance, value, leaseMs, nowMs } = this.#options;
    try {
      await store.put(this.#group, instance, value(), leaseMs);
      this.#held = await store.list(this.#group);
      this.#readAtMs = nowMs();
      this.#answeringSinceMs = Math.min(this.#answeringSinceMs, this.#readAtMs);
    } catch {
      // Told by whoever opened the store.
      this.#answeringSinceMs = Number.POSITIVE_INFINITY;
    }
  }

  /** Whether a process holds a lease; undefined while that cannot be known. */
  holds(instance: string): boolean | undefined {
    const { leaseMs, nowMs } = this.#options;
    const now = nowMs();
    if (now - this.#readAtMs > leaseMs || now - this.#answeringSinceMs < leaseMs) return undefined;
    return this.#held.has(instance);
  }
}
