/**
 * A cursor over the bits of one chunk, for the encodings whose samples are too varied for a flat loop: histograms.
 * Owns the position and the check against the end. Its words are bit-reader.ts' scratch: one cursor at a time.
 */
import { corruptChunk, loadBitWords, peekBits, peekVarint, uvarintLength } from './bit-reader.ts';
import { peekVarbitInt, peekVarbitUint, varbitLength } from './varbit.ts';

/** The longest number that is read without a call. */
const shortBitsMax = 17;

export class BitCursor {
  readonly words: Int32Array;
  readonly bitEnd: number;
  /** Bits from the begin of the chunk. */
  position: number;

  /** Reads bytes[begin, end), the first of them at `position` bits from begin. */
  constructor(bytes: Uint8Array, begin: number, end: number, position: number) {
    this.words = loadBitWords(bytes, begin, end);
    this.bitEnd = (end - begin) * 8;
    this.position = position;
  }

  get bitsLeft(): number {
    return this.bitEnd - this.position;
  }

  /** Goes on by `count` bits. @throws Failure `internal` where the chunk has not so many. */
  advance(count: number): void {
    this.position += count;
    if (this.position > this.bitEnd) throw corruptChunk('it ends within a sample');
  }

  /** The next `count` (1 to 32) bits, as int32 of which the low ones count. */
  bits(count: number): number {
    const bits = peekBits(this.words, this.position) >>> (32 - count);
    this.advance(count);
    return bits;
  }

  varbitInt(): number {
    const value = peekVarbitInt(this.words, this.position);
    this.advance(varbitLength(this.words, this.position));
    return value;
  }

  /**
   * Adds the next numbers to values[begin, end), and what these come to then to those of `sums`. Most are small, so they are read without
   * a call each.
   */
  varbitIntsInto(values: Float64Array, sums: Float64Array, begin: number, end: number): void {
    const { words } = this;
    let position = this.position;
    // The next bits of the stream, of which the first `left` count: one look serves several numbers.
    let bits = peekBits(words, position);
    let left = 32;
    for (let i = begin; i < end; i++) {
      if (left < shortBitsMax) {
        bits = peekBits(words, position);
        left = 32;
      }
      let used = 1;
      if (bits < 0) {
        const ones = Math.clz32(~bits);
        if (ones > 4) {
          values[i] += peekVarbitInt(words, position);
          sums[i] += values[i];
          position += varbitLength(words, position);
          bits = peekBits(words, position);
          left = 32;
          continue;
        }
        // One to four ones, and as many times three bits: see varbit.ts.
        const width = ones * 3;
        const raw = (bits << (ones + 1)) >>> (32 - width);
        const half = 1 << (width - 1);
        values[i] += raw > half ? raw - half * 2 : raw;
        used = ones + 1 + width;
      }
      sums[i] += values[i];
      position += used;
      bits <<= used;
      left -= used;
    }
    this.position = position;
    this.advance(0);
  }

  varbitUint(): number {
    const value = peekVarbitUint(this.words, this.position);
    this.advance(varbitLength(this.words, this.position));
    return value;
  }

  /** A zigzag LEB128 number. */
  varint(): number {
    const byteCount = uvarintLength(this.words, this.position);
    const value = peekVarint(this.words, this.position, byteCount);
    this.advance(byteCount * 8);
    return value;
  }

  /** The next 64 bits as a float. */
  float64(): number {
    scratchBits[1] = this.bits(32);
    scratchBits[0] = this.bits(32);
    return scratch[0];
  }
}

const scratch = new Float64Array(1);
const scratchBits = new Int32Array(scratch.buffer);
