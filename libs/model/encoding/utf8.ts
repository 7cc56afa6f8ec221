/**
 * Is this UTF-8? Owns the answer for a byte range in place, without a string.
 * Table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF. Same as Go's utf8.Valid.
 */

/** Whether all of bytes[begin, end) are below 0x80: then they are UTF-8, whatever piece of them is looked at. */
export function isAscii(bytes: DataView, begin: number, end: number): boolean {
  let at = begin;
  let seen = 0;
  for (const lastWord = end - 4; at <= lastWord; at += 4) seen |= bytes.getInt32(at, true);
  for (; at < end; at++) seen |= bytes.getUint8(at);
  return (seen & 0x80808080) === 0;
}

/** Whether bytes[begin, end) are valid UTF-8. */
export function isUtf8(bytes: Uint8Array, begin: number, end: number): boolean {
  let at = begin;
  while (at < end) {
    const first = bytes[at++] as number;
    if (first < 0x80) continue;
    let tail: number;
    let low = 0x80;
    let high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) tail = 1;
    else if (first >= 0xe0 && first <= 0xef) {
      tail = 2;
      if (first === 0xe0) low = 0xa0;
      else if (first === 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      tail = 3;
      if (first === 0xf0) low = 0x90;
      else if (first === 0xf4) high = 0x8f;
    } else return false;
    if (at + tail > end) return false;
    const second = bytes[at++] as number;
    if (second < low || second > high) return false;
    for (let i = 1; i < tail; i++) if (((bytes[at++] as number) & 0xc0) !== 0x80) return false;
  }
  return true;
}

/** How many code points valid UTF-8 holds. */
export function countCodePoints(bytes: Uint8Array, begin: number, end: number): number {
  let count = 0;
  for (let at = begin; at < end; at++) if (((bytes[at] as number) & 0xc0) !== 0x80) count++;
  return count;
}
