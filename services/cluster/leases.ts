/**
 * Who is alive, by leases that every process of the cluster renews in Redis.
 * Owns the own lease and what was read of the others'. Nothing is refused for want of a lease: who has none is asked last, and
 * while Redis is away, or has just come back empty, it is as if everybody had one.
 */
import type { KeyValue } from '../../libs/kv/key-value.ts';

/** Processes that lost the store together come back to it within this. */
const returnMs = 3_000;

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
  /** The rooms of each process that holds a lease. */
  #held: ReadonlyMap<string, readonly string[]> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** Since when the store has answered without a break; leases from before may be missing in it. */
  #answeringSinceMs = Number.POSITIVE_INFINITY;
  /** Resolves when leases were read for the first time. */
  readonly #firstRead = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#group = `maru:${options.clusterId}:members`;
  }

  start(): void {
    this.renewSoon();
    this.#timer = setInterval(() => this.renewSoon(), this.#options.leaseMs / 3);
    this.#timer.unref();
  }

  /** The store may have come back. */
  renewSoon(): void {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
  }

  /** Resolves when leases were read once, or `waitMs` later. */
  async known(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMs);
    });
    await Promise.race([this.#firstRead.promise, late]);
    clearTimeout(timer);
  }

  /** Gives the own lease back. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    await this.#options.store.remove(this.#group, this.#options.instance).catch(() => undefined);
    await this.#options.store.close();
  }

  /** Renews the own lease and reads those of the others. */
  async #renew(): Promise<void> {
    const { store, instance, value, leaseMs, nowMs } = this.#options;
    try {
      await store.put(this.#group, instance, value(), leaseMs);
      const leases = await store.list(this.#group);
      const held = new Map([...leases].map(([holder, lease]) => [holder, roomsOf(lease)] as const));
      this.#readAtMs = nowMs();
      this.#answeringSinceMs = Math.min(this.#answeringSinceMs, this.#readAtMs);
      this.#held = this.#mayLack() ? new Map([...this.#held, ...held]) : held;
      this.#firstRead.resolve();
    } catch {
      // Told by whoever opened the store.
      this.#answeringSinceMs = Number.POSITIVE_INFINITY;
    }
  }

  /** Whether a process holds a lease; undefined while that cannot be known. */
  holds(instance: string): boolean | undefined {
    const { leaseMs, nowMs } = this.#options;
    if (nowMs() - this.#readAtMs > leaseMs || this.#mayLack()) return undefined;
    return this.#held.has(instance);
  }

  /**
   * Who runs a room, as their leases say; this process in any case. While the store is away, or has just come back, those who were
   * last seen to.
   */
  membersOf(room: string): readonly string[] {
    const members = new Set([this.#options.instance]);
    for (const [instance, rooms] of this.#held) if (rooms.includes(room)) members.add(instance);
    return [...members];
  }

  /** Whether the store may have lost leases, and their holders have not had the time to renew them. */
  #mayLack(): boolean {
    return this.#options.nowMs() - this.#answeringSinceMs < this.#options.leaseMs + returnMs;
  }
}

/** What a process wrote into its lease. Another release may write what this one cannot read. */
function roomsOf(value: string): readonly string[] {
  try {
    const { rooms } = JSON.parse(value) as { readonly rooms?: unknown };
    return Array.isArray(rooms) ? rooms : [];
  } catch {
    return [];
  }
}
