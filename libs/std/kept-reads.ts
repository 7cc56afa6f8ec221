/**
 * Small ranges of files that were read a moment ago: a dashboard asks for the same ones again and again, and a read takes longer than
 * what is done with it.
 * Owns what is kept. The files must not change.
 */
import type { RangeReader } from './range-reader.ts';
import { RecentlyUsed } from './recently-used.ts';

/** A larger range is read for more than to look something up. */
const rangeBytesMax = 64 << 10;

export class KeptReads {
  readonly #ranges: RecentlyUsed<Uint8Array>;
  #files = 0;

  /** @param bytesMax of all files together */
  constructor(bytesMax: number) {
    this.#ranges = new RecentlyUsed(bytesMax);
  }

  /** Of what is kept. */
  get bytes(): number {
    return this.#ranges.bytes;
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
        if (kept !== undefined) return kept;
        const bytes = await reader.read(begin, end, signal);
        this.#ranges.set(key, bytes, bytes.length);
        return bytes;
      },
    };
  }
}
