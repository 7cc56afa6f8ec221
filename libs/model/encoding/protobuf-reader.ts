/**
 * Reading protobuf fields one by one, within bounds: tags, varints, lengths, skips.
 * Owns the position and every error of the encoding; each names the byte. The hot loops of the remote_write scans
 * read common shapes themselves and come here for the rest. Rules are those of Go's generated decoders, which every sender is
 * tested against: varints up to 10 bytes in any padding, groups refused, field number 0 refused.
 * Format: protobuf.dev/programming-guides/encoding.
 */
import { Failure } from '../../errors/failure.ts';

const WireType = { varint: 0, fixed64: 1, length: 2, fixed32: 5 } as const;

const two32 = 0x100000000;

export class ProtobufReader {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  position = 0;
  /** Nothing at or past this byte belongs to the message being read. */
  end = 0;
  /** Low and high half of the varint that readVarint read last. */
  lo = 0;
  hi = 0;

  /** Starts over on bytes[begin, end). */
  reset(bytes: Uint8Array, view: DataView, begin: number, end: number): void {
    this.bytes = bytes;
    this.view = view;
    this.position = begin;
    this.end = end;
  }

  /** Reads a varint of up to 64 bits into `lo` and `hi` (signed 32-bit halves); bits beyond 64 are dropped, as Go does. */
  readVarint(what: string): void {
    const { bytes, end } = this;
    let at = this.position;
    let lo = 0;
    let hi = 0;
    for (let i = 0; i < 10; i++) {
      if (at >= end) cutOff(what, at);
      const byte = bytes[at++] as number;
      const bits = byte & 0x7f;
      if (i < 4) lo |= bits << (7 * i);
      else if (i === 4) {
        lo |= bits << 28;
        hi = bits >>> 4;
      } else hi |= bits << (7 * i - 32);
      if (byte < 0x80) {
        this.position = at;
        this.lo = lo;
        this.hi = hi;
        return;
      }
    }
    throw new Failure('bad_data', `protobuf: the varint of ${what} is longer than 10 bytes at byte ${this.position}`);
  }

  /**
   * Reads a tag: field number times 8 plus wire type, at most 2^32 - 1.
   * @throws Failure `bad_data` for field number 0 and for groups, which proto3 does not have
   */
  readTag(): number {
    const begin = this.position;
    this.readVarint('a tag');
    const tag = this.lo >>> 0;
    const wireType = tag & 7;
    if (this.hi !== 0 || tag < 8) throw new Failure('bad_data', `protobuf: illegal field number at byte ${begin}`);
    if (wireType === 3 || wireType === 4) throw new Failure('bad_data', `protobuf: a group at byte ${begin}`);
    if (wireType > 5) throw new Failure('bad_data', `protobuf: illegal wire type ${wireType} at byte ${begin}`);
    return tag;
  }

  /** Reads the length of what follows and returns where that ends. It lies inside the message, or this throws. */
  readEnd(what: string): number {
    const begin = this.position;
    this.readVarint(what);
    const length = this.lo >>> 0;
    if (this.hi !== 0 || length > this.end - this.position) {
      throw new Failure('bad_data', `protobuf: the length of ${what} at byte ${begin} reaches past its message`);
    }
    return this.position + length;
  }

  /** Reads a varint as uint32: higher bits are dropped, as protobuf says. */
  readUint32(what: string): number {
    this.readVarint(what);
    return this.lo >>> 0;
  }

  /** Reads a zigzag sint32. */
  readSint32(what: string): number {
    this.readVarint(what);
    return (this.lo >>> 1) ^ -(this.lo & 1);
  }

  /** Reads an int64. From 2^53 and down from -2^53 the answer is +-Infinity: not every such number is exact. */
  readInt64(what: string): number {
    this.readVarint(what);
    return exactInt64(this.lo, this.hi);
  }

  /** Reads a uint64, rounded to the nearest double from 2^53 on. */
  readUint64(what: string): number {
    this.readVarint(what);
    return (this.hi >>> 0) * two32 + (this.lo >>> 0);
  }

  /** Reads a zigzag sint64, rounded to the nearest double outside of +-2^53. */
  readSint64(what: string): number {
    this.readVarint(what);
    const negative = -(this.lo & 1);
    const lo = ((this.lo >>> 1) | (this.hi << 31)) ^ negative;
    const hi = (this.hi >>> 1) ^ negative;
    return hi * two32 + (lo >>> 0);
  }

  /** Moves over 8 bytes and returns where they began. */
  takeFixed64(what: string): number {
    const begin = this.position;
    if (this.end - begin < 8) cutOff(what, begin);
    this.position = begin + 8;
    return begin;
  }

  readDouble(what: string): number {
    return this.view.getFloat64(this.takeFixed64(what), true);
  }

  /** Moves over the field whose tag was read last. */
  skip(tag: number): void {
    switch (tag & 7) {
      case WireType.varint:
        this.readVarint('an unknown field');
        return;
      case WireType.fixed64:
        this.takeFixed64('an unknown field');
        return;
      case WireType.length:
        this.position = this.readEnd('an unknown field');
        return;
      default:
        if (this.end - this.position < 4) cutOff('an unknown field', this.position);
        this.position += 4;
    }
  }

  /**
   * What a field that is none of the expected ones means: an unknown field is skipped.
   * @param fields the field numbers of this message, as bits: one of them here came in a wrong wire type, which throws
   */
  skipUnknown(tag: number, fields: number, what: string): void {
    const field = tag >>> 3;
    if (field < 32 && ((fields >>> field) & 1) === 1) {
      throw new Failure(
        'bad_data',
        `protobuf: field ${field} of ${what} has wire type ${tag & 7} at byte ${this.position}`,
      );
    }
    this.skip(tag);
  }
}

/** An int64 in two signed halves as a number; +-Infinity where that is no safe integer. */
function exactInt64(lo: number, hi: number): number {
  const value = hi * two32 + (lo >>> 0);
  if (value > Number.MAX_SAFE_INTEGER) return Infinity;
  if (value < -Number.MAX_SAFE_INTEGER) return -Infinity;
  return value;
}

/** @throws Failure `bad_data`: the message ends in the middle of `what` */
export function cutOff(what: string, at: number): never {
  throw new Failure('bad_data', `protobuf: ${what} is cut off at byte ${at}`);
}
