/**
 * Random access to bytes that do not change: a file of a local disk and an object of a bucket look alike.
 * Owns the shape, and the adapters for a local file and for memory.
 */
import type { Disk, DiskFile } from './disk.ts';

export interface RangeReader {
  /** For errors: the path or key. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /**
   * The bytes [begin, end), which lie inside [0, size]. Fewer never come back: that is an error.
   * @param into memory to reuse, where the caller has some: it may or may not be what comes back
   */
  read(begin: number, end: number, signal: AbortSignal, into?: Uint8Array): Promise<Uint8Array>;
  /**
   * Told which ranges will be read, in rising order, each once: returns a reader of them that may read several at once and ahead.
   * Absent where a read costs the same whatever was read before.
   */
  plan?(ranges: readonly ByteRange[]): RangeReader;
}

/** Bytes [begin, end). */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/** A local file as a RangeReader; disposing closes it. */
export interface FileReader extends RangeReader, AsyncDisposable {}

/** Opens a local file for reading. Its size is taken once: it must not change. */
export async function openFileReader(disk: Disk, path: string): Promise<FileReader> {
  const file: DiskFile = await disk.open(path, 'read');
  let size: number;
  try {
    size = await file.size();
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    name: path,
    size,
    async read(begin, end, signal, into) {
      signal.throwIfAborted();
      const length = end - begin;
      if (!(begin >= 0 && length >= 0 && end <= size)) throw new RangeError(`${path}: [${begin}, ${end}) of ${size}`);
      const target = into !== undefined && into.length >= length ? into.subarray(0, length) : new Uint8Array(length);
      const count = await file.read(target, begin);
      if (count !== length) throw new Error(`${path}: ended at ${begin + count}, was ${size} bytes long`);
      return target;
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/** Bytes in memory as a RangeReader. */
export function memoryReader(name: string, bytes: Uint8Array): RangeReader {
  return {
    name,
    size: bytes.length,
    async read(begin, end, signal) {
      signal.throwIfAborted();
      if (!(begin >= 0 && begin <= end && end <= bytes.length)) {
        throw new RangeError(`${name}: [${begin}, ${end}) of ${bytes.length}`);
      }
      return bytes.subarray(begin, end);
    },
  };
}
