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

/** What a name costs beside its bytes. */
const overheadBytes = 200;

/** Keeps what was used last, within so many bytes. */
export class MemoryCache implements ByteCache {
  readonly #bytesMax: number;
  /** In the order of their last use. */
  readonly #kept = new Map<string, Uint8Array>();
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  async get(names: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return names.map((name) => {
      const bytes = this.#kept.get(name);
      if (bytes === undefined) return undefined;
      this.#kept.delete(name);
      this.#kept.set(name, bytes);
      return bytes;
    });
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#drop(name);
    if (bytes.length + overheadBytes > this.#bytesMax) return;
    this.#kept.set(name, bytes);
    this.bytes += bytes.length + overheadBytes;
    for (const oldest of this.#kept.keys()) {
      if (this.bytes <= this.#bytesMax) break;
      this.#drop(oldest);
    }
  }

  async close(): Promise<void> {
    this.#kept.clear();
    this.bytes = 0;
  }

  #drop(name: string): void {
    const bytes = this.#kept.get(name);
    if (bytes === undefined) return;
    this.#kept.delete(name);
    this.bytes -= bytes.length + overheadBytes;
  }
}
