/**
 * A growing byte buffer to write records into: fixed widths (little-endian unless the name says more), varints, raw copies.
 * Owns growth and position. Reused between records: `reset` keeps the memory, so whoever keeps bytes must copy them.
 */

const firstCapacity = 1024;

export class ByteSink {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
  /** Bytes written. */
  length = 0;

  constructor(capacity = firstCapacity) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  reset(): void {
    this.length = 0;
  }

  /** Makes room for `count` more bytes; call once per batch, then write through `bytes`/`view` directly. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    let capacity = Math.max(this.bytes.length * 2, firstCapacity);
    while (capacity < needed) capacity *= 2;
    const grown = new Uint8Array(capacity);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  writeUint8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  writeUint32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  writeUint32BigEndian(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value);
    this.length += 4;
  }

  /** A whole number from 0 to 2^53. */
  writeUint64BigEndian(value: number): void {
    this.writeUint32BigEndian(Math.floor(value / 0x1_0000_0000));
    this.writeUint32BigEndian(value >>> 0);
  }

  writeFloat64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  /** Unsigned LEB128 of a whole number from 0 to 2^53. */
  writeUvarint(value: number): void {
    this.reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.length++] = rest;
  }

  /** Zigzag LEB128 of a whole number from -2^52 to 2^52 - 1. */
  writeVarint(value: number): void {
    this.writeUvarint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  writeBytes(source: Uint8Array, begin: number, end: number): void {
    const count = end - begin;
    this.reserve(count);
    if (count < 48) {
      // A short copy is cheaper than the subarray that `set` would need.
      const target = this.bytes;
      let at = this.length;
      for (let i = begin; i < end; i++) target[at++] = source[i] as number;
    } else {
      this.bytes.set(source.subarray(begin, end), this.length);
    }
    this.length += count;
  }

  /** Length-prefixed UTF-8 text. */
  writeText(text: string): void {
    const encoded = textEncoder.encode(text);
    this.writeUvarint(encoded.length);
    this.writeBytes(encoded, 0, encoded.length);
  }

  /** The written part, as a view: valid until the next write. */
  written(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}

const textEncoder = new TextEncoder();
