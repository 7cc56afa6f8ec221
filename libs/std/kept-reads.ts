/**
 * Small ranges of files that were read a moment ago: a dashboard asks for the same ones again and again, and a read takes longer than
 * what is done with it.
 * Owns how many bytes are kept, of all files together; what was not asked for longest goes first. The files must not change.
 */
import type { RangeReader } from './range-reader.ts';

/** A larger range is read for more than to look something up. */
const rangeBytesMax = 64 << 10;
/** Beside the bytes of a range. */
const overheadBytes = 200;

export class KeptReads {
  readonly #bytesMax: number;
  /** In the order of their last use. */
  readonly #ranges = new Map<string, Uint8Array>();
  #files = 0;
  /** Of what is kept. */
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A reader of the same file. What it hands out is shared: it must not be written to. */
  readerOf(reader: RangeReader): RangeReader {
    const { name, size } = reader;
    const file = ++this.#files;
    return {
      name,
      size,
      read: async (begin, end, signal, into) => {
        // Who brings memory reads all of the file.
        if (into !== undefined || end - begin > rangeBytesMax) return reader.read(begin, end, signal, into);
        signal.throwIfAborted();
        const key = `${file} ${begin} ${end}`;
        const kept = this.#ranges.get(key);
        if (kept !== undefined) {
          this.#ranges.delete(key);
          this.#ranges.set(key, kept);
          return kept;
        }
        const bytes = await reader.read(begin, end, signal);
        this.#keep(key, bytes);
        return bytes;
      },
    };
  }

  #keep(key: string, bytes: Uint8Array): void {
    // Another read of the same may have been under way.
    if (this.#ranges.has(key)) return;
    this.#ranges.set(key, bytes);
    this.bytes += bytes.length + overheadBytes;
    for (const [oldest, { length }] of this.#ranges) {
      if (this.bytes <= this.#bytesMax) return;
      this.#ranges.delete(oldest);
      this.bytes -= length + overheadBytes;
    }
  }
}
