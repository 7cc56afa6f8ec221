/**
 * Writing single bits, highest first, into bytes that belong to the caller.
 * Owns no state: the caller keeps the position, as a number of bits from `begin`, so that an arena of any size can be written
 * to. The bits behind the position in its own byte must be zero, and are zero again afterwards; the bytes behind may hold anything.
 */

/** Writes the low `count` (1 to 32) bits of `value`; returns the new position. */
export function writeBits(bytes: Uint8Array, begin: number, position: number, value: number, count: number): number {
  let at = begin + (position >>> 3);
  const used = position & 7;
  let rest = value << (32 - count);
  const first = rest >>> (24 + used);
  bytes[at] = used === 0 ? first : bytes[at] | first;
  rest <<= 8 - used;
  for (let left = count + used - 8; left > 0; left -= 8) {
    bytes[++at] = rest >>> 24;
    rest <<= 8;
  }
  return position + count;
}

/** Writes the low `count` (1 to 64) bits of the 64-bit value hi:lo; returns the new position. */
export function writeBits64(
  bytes: Uint8Array,
  begin: number,
  position: number,
  hi: number,
  lo: number,
  count: number,
): number {
  if (count <= 32) return writeBits(bytes, begin, position, lo, count);
  return writeBits(bytes, begin, writeBits(bytes, begin, position, hi, count - 32), lo, 32);
}

/** Writes an unsigned LEB128 of a whole number from 0 to 2^53 at any bit position; returns the new position. */
export function writeUvarintBits(bytes: Uint8Array, begin: number, position: number, value: number): number {
  let rest = value;
  let end = position;
  while (rest >= 0x80) {
    end = writeBits(bytes, begin, end, (rest % 0x80) | 0x80, 8);
    rest = Math.floor(rest / 0x80);
  }
  return writeBits(bytes, begin, end, rest, 8);
}

/** Writes a zigzag LEB128 (Go's binary.PutVarint) of a whole number from -2^53 to 2^53; returns the new position. */
export function writeVarintBits(bytes: Uint8Array, begin: number, position: number, value: number): number {
  const sign = value < 0 ? 1 : 0;
  const magnitude = sign === 1 ? -value - 1 : value;
  // Twice the magnitude may pass 2^53, so the lowest group is taken off before the sign bit goes in.
  const group = (magnitude % 0x40) * 2 + sign;
  const rest = Math.floor(magnitude / 0x40);
  if (rest === 0) return writeBits(bytes, begin, position, group, 8);
  return writeUvarintBits(bytes, begin, writeBits(bytes, begin, position, group | 0x80, 8), rest);
}
