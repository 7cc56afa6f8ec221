/**
 * Columns of 64-bit values that are each encoded as the xor with the value before, every one with its own window of significant
 * bits: what histogram chunks do with their floats (xorWrite and xorRead in Prometheus' tsdb/chunkenc/xor.go).
 * Owns the last bits and the window of each column; the sums of integer histograms are one such column.
 */
import type { BitCursor } from './bit-cursor.ts';
import { corruptChunk } from './bit-reader.ts';
import { writeBits, writeBits64 } from './bit-writer.ts';
import { trailingZeros64, xorNoWindow } from './float-chunk.ts';

export class XorValues {
  /** Last values; `bits` is over the same memory, low word first. */
  readonly values: Float64Array;
  readonly bits: Int32Array;
  readonly leading: Uint8Array;
  readonly trailing: Uint8Array;

  constructor(columns: number) {
    this.values = new Float64Array(columns);
    this.bits = new Int32Array(this.values.buffer);
    this.leading = new Uint8Array(columns).fill(xorNoWindow);
    this.trailing = new Uint8Array(columns);
  }

  /** Begins anew: no column has a window. */
  begin(): void {
    this.leading.fill(xorNoWindow);
    this.trailing.fill(0);
  }

  /** Writes the first value of a column; returns the new position. */
  writeFirst(bytes: Uint8Array, position: number, column: number, hi: number, lo: number): number {
    this.bits[column * 2] = lo;
    this.bits[column * 2 + 1] = hi;
    return writeBits64(bytes, 0, position, hi, lo, 64);
  }

  /** Writes a further value of a column; returns the new position. At most 77 bits. */
  write(bytes: Uint8Array, position: number, column: number, hi: number, lo: number): number {
    const xorHi = hi ^ this.bits[column * 2 + 1];
    const xorLo = lo ^ this.bits[column * 2];
    if ((xorHi | xorLo) === 0) return writeBits(bytes, 0, position, 0, 1);
    this.bits[column * 2] = lo;
    this.bits[column * 2 + 1] = hi;
    const leading = xorHi === 0 ? 31 : Math.clz32(xorHi);
    const trailing = trailingZeros64(xorHi, xorLo);
    let at: number;
    if (this.leading[column] <= leading && this.trailing[column] <= trailing) {
      at = writeBits(bytes, 0, position, 2, 2);
    } else {
      this.leading[column] = leading;
      this.trailing[column] = trailing;
      at = writeBits(bytes, 0, position, (3 << 11) | (leading << 6) | ((64 - leading - trailing) & 63), 13);
    }
    const shift = this.trailing[column];
    const significant = 64 - this.leading[column] - shift;
    if (shift >= 32) return writeBits(bytes, 0, at, xorHi >>> (shift - 32), significant);
    const low = (xorLo >>> shift) | ((xorHi << 1) << (31 - shift));
    return writeBits64(bytes, 0, at, xorHi >>> shift, low, significant);
  }

  /** Reads the first value of a column. */
  readFirst(cursor: BitCursor, column: number): void {
    this.bits[column * 2 + 1] = cursor.bits(32);
    this.bits[column * 2] = cursor.bits(32);
  }

  /** Reads a further value of a column. @throws Failure `internal` where the bits make no sense. */
  read(cursor: BitCursor, column: number): void {
    if (cursor.bits(1) === 0) return;
    if (cursor.bits(1) === 1) {
      const leading = cursor.bits(5);
      const significant = cursor.bits(6) || 64;
      if (leading + significant > 64) throw corruptChunk('a value has more than 64 bits');
      this.leading[column] = leading;
      this.trailing[column] = 64 - leading - significant;
    }
    // A window that was never set covers the whole word: Prometheus' reader has it so, and a reopened chunk may rely on it.
    const leading = this.leading[column] === xorNoWindow ? 0 : this.leading[column];
    const shift = this.trailing[column];
    const significant = 64 - leading - shift;
    const hi = significant > 32 ? cursor.bits(significant - 32) : 0;
    const lo = cursor.bits(Math.min(significant, 32));
    // hi:lo moved left by `shift`.
    this.bits[column * 2 + 1] ^= shift >= 32 ? lo << (shift - 32) : (hi << shift) | ((lo >>> 1) >>> (31 - shift));
    if (shift < 32) this.bits[column * 2] ^= lo << shift;
  }
}
