/**
 * A section of an index, read from its begin to its end through a window: length, content, checksum (FORMAT.md).
 * Owns the window and the running checksum. Surprising: what an entry says is handed out before the checksum of the section is
 * known; `finish` checks it, and whoever acts on entries must not act for good before.
 */
import { crc32c } from '../../model/encoding/crc32c.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { checksumBytes } from './index-layout.ts';

/** One entry of a section (a symbol, a row) is never longer. */
const entryBytesMax = 64 << 20;

export class SectionReader {
  readonly #reader: RangeReader;
  readonly #signal: AbortSignal;
  readonly #windowBytes: number;
  #memory: Uint8Array;
  /** The window. */
  bytes: Uint8Array = new Uint8Array(0);
  /** What is not taken of the window: bytes[at, end). Whoever takes moves `at`. */
  at = 0;
  end = 0;
  /** Place in the file of bytes[end]. */
  #fileEnd: number;
  /** Where the content ends in the file. */
  readonly #contentEnd: number;
  #checksum = 0;
  #checked = 0;

  private constructor(
    reader: RangeReader,
    begin: number,
    contentEnd: number,
    windowBytes: number,
    signal: AbortSignal,
  ) {
    this.#reader = reader;
    this.#fileEnd = begin;
    this.#contentEnd = contentEnd;
    this.#windowBytes = windowBytes;
    this.#memory = new Uint8Array(Math.min(windowBytes, contentEnd - begin));
    this.#signal = signal;
  }

  /**
   * Opens the section at `begin` of the file, which must end before `limit`.
   * @throws CorruptBlock where its length lies
   */
  static async open(
    reader: RangeReader,
    begin: number,
    limit: number,
    windowBytes: number,
    signal: AbortSignal,
  ): Promise<SectionReader> {
    const contentBegin = begin + 4;
    if (contentBegin + checksumBytes > limit) throw new CorruptBlock(reader.name, begin, 'a section has no room');
    const length = uint32At(await reader.read(begin, contentBegin, signal), 0);
    if (contentBegin + length + checksumBytes > limit) {
      throw new CorruptBlock(reader.name, begin, `a section of ${length} bytes ends behind the next one's begin`);
    }
    return new SectionReader(reader, contentBegin, contentBegin + length, windowBytes, signal);
  }

  get name(): string {
    return this.#reader.name;
  }

  /** Place in the file of what comes next. */
  get offset(): number {
    return this.#fileEnd - (this.end - this.at);
  }

  /** Bytes of the content not taken yet, in the window or not. */
  get remaining(): number {
    return this.#contentEnd - this.offset;
  }

  /** Whether `count` bytes are in the window, or all that are left. */
  has(count: number): boolean {
    return this.end - this.at >= count || this.#fileEnd === this.#contentEnd;
  }

  /** Reads on, so that `count` bytes are in the window (or all that are left). */
  async fill(count: number): Promise<void> {
    if (count > entryBytesMax) throw new CorruptBlock(this.name, this.offset, `an entry of ${count} bytes is none`);
    if (this.has(count)) return;
    const rest = this.end - this.at;
    // Most sections are shorter than a window.
    const wanted = Math.min(Math.max(count, this.#windowBytes), rest + this.#contentEnd - this.#fileEnd);
    if (this.#memory.length < wanted) {
      const grown = new Uint8Array(wanted);
      grown.set(this.bytes.subarray(this.at, this.end));
      this.#memory = grown;
    } else if (rest > 0) {
      this.#memory.set(this.bytes.subarray(this.at, this.end));
    }
    const readEnd = Math.min(this.#contentEnd, this.#fileEnd + wanted - rest);
    const target = this.#memory.subarray(rest);
    const read = await this.#reader.read(this.#fileEnd, readEnd, this.#signal, target);
    if (read.buffer !== target.buffer || read.byteOffset !== target.byteOffset) target.set(read);
    this.#checksum = crc32c(read, 0, read.length, this.#checksum);
    this.#checked += read.length;
    this.#fileEnd = readEnd;
    this.bytes = this.#memory;
    this.at = 0;
    this.end = rest + read.length;
  }

  /** An unsigned LEB128 from the window. @throws CorruptBlock where it does not end there */
  takeUvarint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      if (this.at >= this.end) throw new CorruptBlock(this.name, this.offset, 'a number ends behind its section');
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new CorruptBlock(this.name, this.offset, 'a number is too large');
  }

  /** Checks the checksum, after everything was taken. @throws CorruptBlock */
  async finish(): Promise<void> {
    if (this.remaining > 0) throw new CorruptBlock(this.name, this.offset, `${this.remaining} bytes are left over`);
    const stored = uint32At(
      await this.#reader.read(this.#contentEnd, this.#contentEnd + checksumBytes, this.#signal),
      0,
    );
    if (stored !== this.#checksum) {
      throw new CorruptBlock(
        this.name,
        this.#contentEnd - this.#checked,
        `the checksum of ${this.#checked} bytes does not match`,
      );
    }
  }
}

/** The big-endian number at bytes[at]. */
export function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}
