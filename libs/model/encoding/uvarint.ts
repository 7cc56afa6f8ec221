/** Lengths as canonical labels have them: numbers of seven bits a byte, the lowest first, of 32 bits at most. */

/** The number that begins at bytes[at]. */
export function uvarintAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at, shift = 0; ; i++, shift += 7) {
    const byte = bytes[i] as number;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

/** Where the number ends that begins at bytes[at]. */
export function uvarintEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  while ((bytes[end] as number) >= 0x80) end++;
  return end + 1;
}
