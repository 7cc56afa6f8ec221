import { RecentlyUsed } from '../std/recently-used.ts';

/**
 * Bytes under names, kept as long as there is room: in the memory of this process, or in a Redis that many share (redis-cache.ts).
 * Nothing may rest on finding something again.
 */
export interface ByteCache {
  /** What is kept under each name, undefined where nothing is. @throws Failure `unavailable` */
  get(names: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** @throws Failure `unavailable` */
  put(name: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Keeps what was used last, within so many bytes. */
export class MemoryCache implements ByteCache {
  readonly #bytesMax: number;
  #kept: RecentlyUsed<Uint8Array>;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#kept = new RecentlyUsed(bytesMax);
  }

  get bytes(): number {
    return this.#kept.bytes;
  }

  async get(names: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return names.map((name) => this.#kept.get(name));
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#kept.set(name, bytes, bytes.length);
  }

  async close(): Promise<void> {
    this.#kept = new RecentlyUsed(this.#bytesMax);
  }
}
