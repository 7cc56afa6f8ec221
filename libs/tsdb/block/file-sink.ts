/**
 * A file that is written from its begin to its end, in large pieces. Owns the buffer, the position and a running checksum.
 */
import { crc32c } from '../../model/encoding/crc32c.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import type { Disk, DiskFile } from '../../std/disk.ts';

/** From here on it is worth a write. */
const flushBytes = 1 << 20;

export class FileSink {
  readonly #file: DiskFile;
  /** What is not written yet: append to it, then ask `isFull`. */
  readonly buffer: ByteSink = new ByteSink(flushBytes + (flushBytes >>> 2));
  #written = 0;
  #checksum = 0;
  /** Where in the buffer the bytes begin that the checksum does not have yet, -1 if none runs. */
  #checksumFrom = -1;

  private constructor(file: DiskFile) {
    this.#file = file;
  }

  /** Creates the file; it must not exist. */
  static async create(disk: Disk, path: string): Promise<FileSink> {
    return new FileSink(await disk.open(path, 'create'));
  }

  /** Bytes of the file so far. */
  get length(): number {
    return this.#written + this.buffer.length;
  }

  get isFull(): boolean {
    return this.buffer.length >= flushBytes;
  }

  /** Writes the buffer. Nothing may be appended until it resolves. */
  async flush(): Promise<void> {
    this.#takeChecksum();
    await this.#file.write(this.buffer.written(), this.#written);
    this.#written += this.buffer.length;
    this.buffer.reset();
    if (this.#checksumFrom >= 0) this.#checksumFrom = 0;
  }

  beginChecksum(): void {
    this.#checksum = 0;
    this.#checksumFrom = this.buffer.length;
  }

  /** CRC-32C of everything since beginChecksum. */
  endChecksum(): number {
    this.#takeChecksum();
    this.#checksumFrom = -1;
    return this.#checksum;
  }

  /** Zeros up to the next multiple of `alignment`. */
  pad(alignment: number): void {
    const count = (alignment - (this.length % alignment)) % alignment;
    this.buffer.reserve(count);
    this.buffer.bytes.fill(0, this.buffer.length, this.buffer.length + count);
    this.buffer.length += count;
  }

  /** Writes over bytes that were flushed before. */
  async patch(bytes: Uint8Array, position: number): Promise<void> {
    await this.#file.write(bytes, position);
  }

  /** Reads what was flushed before. */
  async read(target: Uint8Array, position: number): Promise<number> {
    return this.#file.read(target, position);
  }

  /** Flushes, makes it durable, closes it. */
  async seal(): Promise<void> {
    await this.flush();
    await this.#file.sync();
    await this.#file.close();
  }

  /** Closes it as it is. */
  async abandon(): Promise<void> {
    await this.#file.close();
  }

  #takeChecksum(): void {
    if (this.#checksumFrom < 0) return;
    this.#checksum = crc32c(this.buffer.bytes, this.#checksumFrom, this.buffer.length, this.#checksum);
    this.#checksumFrom = this.buffer.length;
  }
}
