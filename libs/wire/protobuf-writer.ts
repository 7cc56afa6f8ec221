/**
 * Protobuf fields written into a growing buffer: tags, varints, fixed widths, and messages whose length is known once they are
 * written. Owns the encoding of numbers. A message inside another is written behind room for its length and moved if that took
 * less. Format: protobuf.dev/programming-guides/encoding.
 */
import { ByteSink } from '../std/byte-sink.ts';

const lengthRoom = 5;
const two32 = 0x100000000;

export class ProtobufWriter {
  readonly sink: ByteSink = new ByteSink(4096);

  /** A whole number, as int64 in two's complement; left out where it is 0, as proto3 does. */
  int64(field: number, value: number): void {
    if (value === 0) return;
    const { sink } = this;
    sink.writeUvarint(field * 8);
    if (value > 0) {
      sink.writeUvarint(value);
      return;
    }
    sink.reserve(10);
    let hi = Math.floor(value / two32);
    let lo = value - hi * two32;
    hi += two32;
    // Nine bytes of seven bits and one of the last.
    for (let i = 0; i < 9; i++) {
      sink.bytes[sink.length++] = (lo & 0x7f) | 0x80;
      lo = Math.floor(lo / 0x80) + (hi & 0x7f) * 2 ** 25;
      hi = Math.floor(hi / 0x80);
    }
    sink.bytes[sink.length++] = 1;
  }

  uint(field: number, value: number): void {
    this.sink.writeUvarint(field * 8);
    this.sink.writeUvarint(value);
  }

  /** Zigzag. */
  sint(field: number, value: number): void {
    this.sink.writeUvarint(field * 8);
    this.sint0(value);
  }

  /** Zigzag, without a tag: an element of a packed list. */
  sint0(value: number): void {
    this.sink.writeUvarint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  double(field: number, value: number): void {
    this.sink.writeUvarint(field * 8 + 1);
    this.sink.writeFloat64(value);
  }

  /** A double by its bits, so that a NaN keeps them. */
  doubleBits(field: number, hi: number, lo: number): void {
    this.sink.writeUvarint(field * 8 + 1);
    this.sink.writeUint32(lo >>> 0);
    this.sink.writeUint32(hi >>> 0);
  }

  text(field: number, text: string): void {
    this.sink.writeUvarint(field * 8 + 2);
    this.sink.writeText(text);
  }

  bytes(field: number, bytes: Uint8Array, begin: number, end: number): void {
    this.sink.writeUvarint(field * 8 + 2);
    this.sink.writeUvarint(end - begin);
    this.sink.writeBytes(bytes, begin, end);
  }

  /** Begins a message or a packed list; `end` takes what this returns. */
  begin(field: number): number {
    const { sink } = this;
    sink.writeUvarint(field * 8 + 2);
    sink.reserve(lengthRoom);
    sink.length += lengthRoom;
    return sink.length;
  }

  /** Ends what was begun last and is not yet ended. */
  end(begin: number): void {
    const { sink } = this;
    const { bytes } = sink;
    const count = sink.length - begin;
    // Into the room that was kept for it: a sink that grew here would lose what stands behind.
    let at = begin - lengthRoom;
    let rest = count;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
    bytes[at++] = rest;
    bytes.copyWithin(at, begin, begin + count);
    sink.length = at + count;
  }
}
