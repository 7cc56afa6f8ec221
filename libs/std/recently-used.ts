/**
 * What was used last, as far as there is room for it.
 * Owns the count of bytes, which whoever puts something in says, and that what was not used for longest goes first.
 */

import { ownText } from './own-text.ts';

/** Beside what is said. */
const overheadBytes = 200;

export class RecentlyUsed<T> {
  readonly #bytesMax: number;
  /** In the order of their last use. */
  readonly #kept = new Map<string, { readonly key: string; readonly value: T; readonly bytes: number }>();
  /** Of what is kept. */
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: string): T | undefined {
    const found = this.#kept.get(key);
    if (found === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(found.key, found);
    return found.value;
  }

  /** Keeps a value in the place of what the key had. @returns whether there is room for it */
  set(key: string, value: T, bytes: number): boolean {
    this.#drop(key);
    if (bytes + overheadBytes > this.#bytesMax) return false;
    const own = ownText(key);
    this.#kept.set(own, { key: own, value, bytes: bytes + overheadBytes });
    this.bytes += bytes + overheadBytes;
    for (const oldest of this.#kept.keys()) {
      if (this.bytes <= this.#bytesMax) break;
      this.#drop(oldest);
    }
    return true;
  }

  #drop(key: string): void {
    this.bytes -= this.#kept.get(key)?.bytes ?? 0;
    this.#kept.delete(key);
  }
}
