/**
 * The transfer encoding `quoted-printable`: `=3D` is an equals sign, and a line that ends with one goes on.
 * Owns Go's reading of it (mime/quotedprintable), which forgives more than RFC 2045 does.
 */

const [tab, lineFeed, carriageReturn, blank, equals, tilde] = [0x09, 0x0a, 0x0d, 0x20, 0x3d, 0x7e];
/** Go reads lines through a buffer of so many bytes, their end included. */
const lineBytesMax = 4096;

/** Undefined where it is no such text. */
export function decodeQuotedPrintable(bytes: Uint8Array): Uint8Array | undefined {
  const decoded = new Uint8Array(bytes.length);
  let length = 0;
  for (let begin = 0; begin < bytes.length; ) {
    const found = bytes.indexOf(lineFeed, begin);
    const next = found < 0 ? bytes.length : found + 1;
    if (next - begin > lineBytesMax) return undefined;
    let end = next;
    while (end > begin && isSpace(bytes[end - 1])) end--;
    const isOpen = end > begin && bytes[end - 1] === equals;
    if (isOpen && !endsLine(bytes, begin, end, next)) return undefined;
    const added = decodeLine(bytes.subarray(begin, isOpen ? end - 1 : end), decoded, length);
    if (added === undefined) return undefined;
    length += added;
    if (!isOpen && found >= 0) {
      if (next - begin > 1 && bytes[next - 2] === carriageReturn) decoded[length++] = carriageReturn;
      decoded[length++] = lineFeed;
    }
    begin = next;
  }
  return decoded.subarray(0, length);
}

/** Whether what follows the equals sign in front of `end` is the end of the line, or of a text that does not consist of the sign. */
function endsLine(bytes: Uint8Array, begin: number, end: number, next: number): boolean {
  let at = end;
  while (at < next && (bytes[at] === blank || bytes[at] === tab)) at++;
  if (at === next) return end - 1 > begin;
  return bytes[at] === lineFeed || (bytes[at] === carriageReturn && bytes[at + 1] === lineFeed);
}

/** Decodes what a line holds to `decoded` from `offset` on. @returns how many bytes it is; undefined where it is none */
function decodeLine(line: Uint8Array, decoded: Uint8Array, offset: number): number | undefined {
  let length = offset;
  for (let i = 0; i < line.length; i++) {
    const byte = line[i];
    if (byte === equals) {
      const value = hexByte(line, i + 1);
      if (value !== undefined) {
        decoded[length++] = value;
        i += 2;
        continue;
      }
      // An equals sign that begins nothing is one, but for the last byte.
      if (i + 1 === line.length || line[i + 1] === carriageReturn) return undefined;
    } else if (byte !== tab && byte !== carriageReturn && byte < 0x80 && (byte < blank || byte > tilde)) {
      return undefined;
    }
    decoded[length++] = byte;
  }
  return length - offset;
}

function hexByte(line: Uint8Array, at: number): number | undefined {
  if (at + 2 > line.length) return undefined;
  const [high, low] = [hexDigit(line[at]), hexDigit(line[at + 1])];
  return high < 0 || low < 0 ? undefined : 16 * high + low;
}

function hexDigit(char: number): number {
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  const letter = char | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function isSpace(byte: number): boolean {
  return byte === lineFeed || byte === carriageReturn || byte === blank || byte === tab;
}
