/**
 * The variable bit width integers of Prometheus' histogram and XOR2 chunks (tsdb/chunkenc/varbit.go): a run of ones says how
 * many bits follow, from one bit for zero to nine bytes. Owns the widths. Both kinds take numbers; what a chunk holds beyond
 * 2^53 comes back rounded.
 */
import { int64ToNumber, peekBits } from './bit-reader.ts';
import { writeBits } from './bit-writer.ts';

/** Bits behind a prefix of so many ones (and a zero, but for the last). */
const widths: readonly number[] = [0, 3, 6, 9, 12, 18, 25, 56, 64];
const twoTo32 = 0x1_0000_0000;

/** Writes a whole number; n bits hold -(2^(n-1) - 1) to 2^(n-1). Returns the new position. At most 64 bits (72 from 2^55). */
export function writeVarbitInt(bytes: Uint8Array, begin: number, position: number, value: number): number {
  if (value === 0) return writeBits(bytes, begin, position, 0, 1);
  if (value >= -3 && value <= 4) return writeBits(bytes, begin, position, 0x10 | (value & 0x7), 5);
  if (value >= -31 && value <= 32) return writeBits(bytes, begin, position, 0x180 | (value & 0x3f), 9);
  if (value >= -255 && value <= 256) return writeBits(bytes, begin, position, 0x1c00 | (value & 0x1ff), 13);
  if (value >= -2047 && value <= 2048) return writeBits(bytes, begin, position, 0x1e000 | (value & 0xfff), 17);
  if (value >= -131071 && value <= 131072) {
    return writeBits(bytes, begin, position, 0xf80000 | (value & 0x3ffff), 24);
  }
  if (value >= -16777215 && value <= 16777216) {
    return writeBits(bytes, begin, position, 0xfc000000 | (value & 0x1ffffff), 32);
  }
  return writeWide(bytes, begin, position, value, value > -(2 ** 55) && value <= 2 ** 55);
}

/** Writes a whole number that is not negative; n bits hold 0 to 2^n - 1. Returns the new position. */
export function writeVarbitUint(bytes: Uint8Array, begin: number, position: number, value: number): number {
  if (value === 0) return writeBits(bytes, begin, position, 0, 1);
  if (value < 2 ** 3) return writeBits(bytes, begin, position, 0x10 | value, 5);
  if (value < 2 ** 6) return writeBits(bytes, begin, position, 0x180 | value, 9);
  if (value < 2 ** 9) return writeBits(bytes, begin, position, 0x1c00 | value, 13);
  if (value < 2 ** 12) return writeBits(bytes, begin, position, 0x1e000 | value, 17);
  if (value < 2 ** 18) return writeBits(bytes, begin, position, 0xf80000 | value, 24);
  if (value < 2 ** 25) return writeBits(bytes, begin, position, 0xfc000000 | value, 32);
  return writeWide(bytes, begin, position, value, value < 2 ** 56);
}

function writeWide(bytes: Uint8Array, begin: number, position: number, value: number, fits56: boolean): number {
  let at = writeBits(bytes, begin, position, fits56 ? 0xfe : 0xff, 8);
  at = writeBits(bytes, begin, at, Math.floor(value / twoTo32), fits56 ? 24 : 32);
  return writeBits(bytes, begin, at, value, 32);
}

/** Bits that the number at `position` takes, prefix included. */
export function varbitLength(words: Int32Array, position: number): number {
  const ones = Math.clz32(~peekBits(words, position));
  return ones >= 8 ? 72 : ones + 1 + widths[ones];
}

/** The unsigned number at `position`. */
export function peekVarbitUint(words: Int32Array, position: number): number {
  const bits = peekBits(words, position);
  const ones = Math.clz32(~bits);
  if (ones === 0) return 0;
  if (ones < 7) return (bits << (ones + 1)) >>> (32 - widths[ones]);
  const hi = peekBits(words, position + 8) >>> (ones === 7 ? 8 : 0);
  const lo = peekBits(words, position + (ones === 7 ? 32 : 40));
  return hi * twoTo32 + (lo >>> 0);
}

/** The signed number at `position`. Of n bits, 2^(n-1) is positive; only all 64 are two's complement as everywhere else. */
export function peekVarbitInt(words: Int32Array, position: number): number {
  const ones = Math.clz32(~peekBits(words, position));
  if (ones < 7) {
    const raw = peekVarbitUint(words, position);
    const half = 1 << (widths[ones] - 1);
    return ones !== 0 && raw > half ? raw - half * 2 : raw;
  }
  if (ones > 7) return int64ToNumber(peekBits(words, position + 8), peekBits(words, position + 40));
  const hi = peekBits(words, position + 8) >>> 8;
  const lo = peekBits(words, position + 32);
  // The sign goes to the high half first: both halves of a negative number together would pass 2^53 and be rounded.
  const negative = hi > 0x80_0000 || (hi === 0x80_0000 && lo !== 0);
  return int64ToNumber(negative ? hi - 0x100_0000 : hi, lo);
}

/** Bits of a look into the table below, and how far the 32 bits of a look at the stream are shifted for it. */
const shortVarbitBits = 13;
export const shortVarbitShift = 32 - shortVarbitBits;
export const shortVarbitLengthBits = 4;
export const shortVarbitLengthMask = 15;

/** By the next 13 bits: the signed number there shifted by four, and in those its length in bits; 0 where it is longer. */
export const shortVarbitInts: Int16Array = new Int16Array(1 << shortVarbitBits);

for (let next = 0; next < shortVarbitInts.length; next++) {
  const words = Int32Array.of(next << shortVarbitShift, 0);
  const length = varbitLength(words, 0);
  if (length <= shortVarbitBits) shortVarbitInts[next] = (peekVarbitInt(words, 0) << shortVarbitLengthBits) | length;
}
