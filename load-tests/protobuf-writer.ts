/** A growing buffer of protobuf fields: what the bodies of the load are written with. */
export class ProtobufWriter {
  bytes: Buffer;
  /** Bytes written; set it to 0 to begin anew. */
  length = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.alloc(capacity);
  }

  /** Makes room for so many further bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = Buffer.alloc(Math.max(this.bytes.length * 2, this.length + count));
    this.bytes.copy(grown);
    this.bytes = grown;
  }

  varint(value: number): void {
    this.reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.length++] = rest;
  }

  /** A field of type double. */
  double(tag: number, value: number): void {
    this.varint(tag);
    this.reserve(8);
    this.length = this.bytes.writeDoubleLE(value, this.length);
  }

  /** A field of bytes. */
  field(tag: number, content: Uint8Array): void {
    this.varint(tag);
    this.varint(content.length);
    this.reserve(content.length);
    this.bytes.set(content, this.length);
    this.length += content.length;
  }

  written(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}
