/**
 * Texts that need not be UTF-8, as Go's strings need not: an expression may have any byte in its quotes.
 * Owns how they stand in JavaScript: a byte that makes no UTF-8 is half a surrogate pair, U+DC00 plus the byte, so that the text is not
 * well-formed, as Go's would not be valid.
 */
import { isUtf8 } from 'node:buffer';

/** The text that these bytes stand for: in a few nanoseconds a byte, since the thread that takes writes asks, and a text may be megabytes. */
export function textOfRaw(bytes: Uint8Array): string {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(whole)) return whole.toString();
  const units = new Uint16Array(bytes.length);
  let count = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    const first = bytes[at];
    if (length === 0) units[count++] = 0xdc00 + bytes[at++];
    else if (length === 1) units[count++] = bytes[at++];
    else {
      let code = first & (0x7f >> length);
      for (let i = 1; i < length; i++) code = (code << 6) | (bytes[at + i] & 0x3f);
      if (code < 0x10000) units[count++] = code;
      else {
        units[count++] = 0xd800 + ((code - 0x10000) >> 10);
        units[count++] = 0xdc00 + (code & 0x3ff);
      }
      at += length;
    }
  }
  return Buffer.from(units.buffer, 0, 2 * count).toString('utf16le');
}

const anySecondByte = [0x80, 0xbf] as const;
/** By the first bytes that leave less: others would be longer than need be, half a surrogate pair, or beyond the last character (Unicode, table 3-7). */
const secondBytes: ReadonlyMap<number, readonly [number, number]> = new Map([
  [0xe0, [0xa0, 0xbf]],
  [0xed, [0x80, 0x9f]],
  [0xf0, [0x90, 0xbf]],
  [0xf4, [0x80, 0x8f]],
]);

/** Bytes of the character that begins at `at`; 0 where none does. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (at + length > bytes.length) return 0;
  const [low, high] = secondBytes.get(first) ?? anySecondByte;
  if (length > 1 && (bytes[at + 1] < low || bytes[at + 1] > high)) return 0;
  for (let i = 2; i < length; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
  return length;
}

/** The bytes of such a text. */
export function rawOfText(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text);
  const bytes = Buffer.allocUnsafe(text.length * 3);
  let length = 0;
  let begin = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // The first half of a pair takes its second along.
    if (unit >= 0xd800 && unit < 0xdc00) i++;
    else if (unit >= 0xdc80 && unit <= 0xdcff) {
      if (begin < i) length += bytes.write(text.slice(begin, i), length);
      bytes[length++] = unit & 0xff;
      begin = i + 1;
    }
  }
  return bytes.subarray(0, length + bytes.write(text.slice(begin), length));
}
