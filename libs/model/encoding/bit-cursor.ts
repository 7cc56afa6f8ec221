/**
 * A cursor over the bits of one chunk, for the encodings whose samples are too varied for a flat loop: histograms.
 * Owns the position and the check against the end. Its words are bit-reader.ts' scratch: one cursor at a time.
 */
import { corruptChunk, loadBitWords, peekBits, peekVarint, uvarintLength } from './bit-reader.ts';
import {
  peekVarbitInt,
  peekVarbitUint,
  shortVarbitInts,
  shortVarbitLengthBits,
  shortVarbitLengthMask,
  shortVarbitShift,
  varbitLength,
} from './varbit.ts';

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
   * Adds the next numbers to values[begin, end), and what these come to then to those of `sums`. Most are short: they are looked up, two
   * in one look at the bits.
   */
  varbitIntsInto(values: Float64Array, sums: Float64Array, begin: number, end: number): void {
    const { words } = this;
    let position = this.position;
    for (let i = begin; i < end; ) {
      const bits = peekBits(words, position);
      const first = shortVarbitInts[bits >>> shortVarbitShift];
      if (first === 0) {
        values[i] += peekVarbitInt(words, position);
        sums[i] += values[i];
        position += varbitLength(words, position);
        i++;
        continue;
      }
      values[i] += first >> shortVarbitLengthBits;
      sums[i] += values[i];
      i++;
      const used = first & shortVarbitLengthMask;
      position += used;
      if (i === end) break;
      const second = shortVarbitInts[(bits << used) >>> shortVarbitShift];
      if (second === 0) continue;
      values[i] += second >> shortVarbitLengthBits;
      sums[i] += values[i];
      i++;
      position += second & shortVarbitLengthMask;
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
