/**
 * Memory of one thread that was used and serves whoever comes next.
 * Owns how much of it is kept. V8 counts what lies outside of its heap: a few megabytes that each query takes anew make it mark the whole
 * heap every few queries, which costs more than the memory does.
 */

const keptMax = 4;
const keptBytesMax = 8 << 20;
/** What is smaller lies in the heap of the allocator, and is had as fast. */
const keptBytesMin = 64 << 10;

class SpareMemory {
  /** From the smallest to the largest. */
  readonly #kept: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;

  /** Memory of `bytesMin` to `bytesMax`, the largest there is; where there is none, `bytesMin` anew. What it holds is left over. */
  take(bytesMin: number, bytesMax: number): Uint8Array<ArrayBuffer> {
    if (bytesMax < keptBytesMin) return new Uint8Array(bytesMin);
    const at = this.#kept.findLastIndex(({ length }) => length <= bytesMax);
    const found = this.#kept[at];
    if (found === undefined || found.length < bytesMin) return new Uint8Array(bytesMin);
    this.#kept.splice(at, 1);
    this.#bytes -= found.length;
    return found;
  }

  /** Nobody looks at it any more. Where too much is kept, the smallest goes. */
  give(memory: Uint8Array<ArrayBuffer>): void {
    const { length } = memory;
    if (length < keptBytesMin || this.#bytes + length > keptBytesMax) return;
    const at = this.#kept.findIndex((one) => one.length >= length);
    this.#kept.splice(at < 0 ? this.#kept.length : at, 0, memory);
    this.#bytes += length;
    if (this.#kept.length > keptMax) this.#bytes -= this.#kept.shift()?.length ?? 0;
  }
}

/** Of this thread. */
export const spareMemory: SpareMemory = new SpareMemory();
