/**
 * Texts that need not be UTF-8, as Go's strings need not: an expression may have any byte in its quotes.
 * Owns how they stand in JavaScript: a byte that makes no UTF-8 is half a surrogate pair, U+DC00 plus the byte, so that the text is not
 * well-formed, as Go's would not be valid.
 */
import { isUtf8 } from 'node:buffer';

/** The text that these bytes stand for. */
export function textOfRaw(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return utf8Of(bytes);
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => isUtf8(bytes.subarray(at, at + count)));
    text += length === undefined ? String.fromCharCode(0xdc00 + bytes[at]) : utf8Of(bytes.subarray(at, at + length));
    at += length ?? 1;
  }
  return text;
}

function utf8Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

const halfPair = /([\udc80-\udcff])/u;

/** The bytes of such a text. */
export function rawOfText(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts = text.split(halfPair);
  return Buffer.concat(
    parts.map((part, i) => (i % 2 === 0 ? Buffer.from(part) : Buffer.of(part.charCodeAt(0) & 0xff))),
  );
}
