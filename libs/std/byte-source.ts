/**
 * Reads what a ByteSink wrote, within bounds (fixed widths little-endian unless the name says more). Owns the position; a read past the end throws ByteSourceError, never
 * returns something made up.
 */

/** The bytes ended, or do not mean what was expected. */
export class ByteSourceError extends Error {
  override readonly name = 'ByteSourceError';
}

// Without this a text that begins with a byte order mark would come back without it.
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class ByteSource {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  position: number;
  readonly end: number;

  constructor(bytes: Uint8Array, begin = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = begin;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** Moves over `count` bytes and returns where they begin. */
  take(count: number): number {
    const begin = this.position;
    if (count < 0 || count > this.end - begin) {
      throw new ByteSourceError(`${count} bytes wanted at ${begin}, ${this.end - begin} left`);
    }
    this.position = begin + count;
    return begin;
  }

  readUint8(): number {
    return this.bytes[this.take(1)] as number;
  }

  readUint32(): number {
    return this.#view.getUint32(this.take(4), true);
  }

  readUint32BigEndian(): number {
    return this.#view.getUint32(this.take(4));
  }

  /** A whole number up to 2^53. */
  readUint64BigEndian(): number {
    const value = this.readUint32BigEndian() * 0x1_0000_0000 + this.readUint32BigEndian();
    if (!Number.isSafeInteger(value)) throw new ByteSourceError(`number too large before ${this.position}`);
    return value;
  }

  readFloat64(): number {
    return this.#view.getFloat64(this.take(8), true);
  }

  /** Unsigned LEB128 up to 2^53. */
  readUvarint(): number {
    const at = this.position;
    if (at < this.end) {
      const first = this.bytes[at] as number;
      if (first < 0x80) {
        this.position = at + 1;
        return first;
      }
    }
    return this.#readLongUvarint();
  }

  #readLongUvarint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.readUint8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new ByteSourceError(`varint too long at ${this.position}`);
  }

  /** Zigzag LEB128 from -2^52 to 2^52 - 1. */
  readVarint(): number {
    const value = this.readUvarint();
    if (value > Number.MAX_SAFE_INTEGER) throw new ByteSourceError(`number too large before ${this.position}`);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  readText(): string {
    const length = this.readUvarint();
    const begin = this.take(length);
    try {
      return textDecoder.decode(this.bytes.subarray(begin, begin + length));
    } catch (cause) {
      throw new ByteSourceError(`no UTF-8 text at ${begin}`, { cause });
    }
  }
}
