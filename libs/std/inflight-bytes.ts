/**
 * Bytes of which all in the process together have one maximum: bodies of requests, lists until they are answered.
 * Owns the count, and that none of several who share them takes all. Does not own what is counted.
 */
import { Failure } from '../errors/failure.ts';

/** Bytes that may be taken and are given back. */
export interface ByteAllowance {
  /** @throws Failure `unavailable` when there is no room now */
  take(count: number): void;
  give(count: number): void;
}

export class InflightBytes implements ByteAllowance {
  used = 0;
  readonly max: number;
  readonly #what: string;
  /** Of those who share; one who has nothing under way has no entry. */
  readonly #usedBy = new Map<string, number>();

  /** @param what it is that takes them, as a refusal says it */
  constructor(max: number, what: string) {
    this.max = max;
    this.#what = what;
  }

  take(count: number): void {
    if (this.used + count > this.max) throw this.#refusal(this.used, this.max);
    this.used += count;
  }

  give(count: number): void {
    this.used -= count;
  }

  /** The same bytes for one of several who share them: he may hold no more than he leaves for all others. */
  shareOf(name: string): ByteAllowance {
    return {
      take: (count) => {
        const own = this.#usedBy.get(name) ?? 0;
        const left = this.max - this.used - count;
        if (own + count > left) throw this.#refusal(own, own + Math.max(0, this.max - this.used));
        this.used += count;
        this.#usedBy.set(name, own + count);
      },
      give: (count) => {
        this.used -= count;
        const own = (this.#usedBy.get(name) ?? 0) - count;
        if (own > 0) this.#usedBy.set(name, own);
        else this.#usedBy.delete(name);
      },
    };
  }

  #refusal(used: number, max: number): Failure {
    return new Failure('unavailable', `too many ${this.#what} at once: ${used} of ${max} bytes are in use`, {
      retryAfterSeconds: 1,
    });
  }
}
