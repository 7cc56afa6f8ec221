/**
 * The parameters of one request: what stands in the URL and, for POST, in a form body.
 * Owns Go's reading of a form (net/url ParseQuery, net/http FormValue), because Prometheus' clients were written against it:
 * body values come before those of the URL, a pair that cannot be decoded is left out and remembered as the form's error,
 * which most endpoints ignore. Also how many pairs there may be. Does not own what a parameter means (query-parameters.ts).
 */
import { Failure } from '../errors/failure.ts';
import { quoteText } from '../promql/syntax/go-text.ts';
import type { FormField } from './multipart-form.ts';

/** Pairs of a form: reading so many takes the thread that takes writes a few milliseconds. */
const pairsMax = 20_000;

/** Parameters by name, in order. Names are data: never keys of a plain object. */
export class RequestForm {
  readonly #values = new Map<string, string[]>();
  /** The first pair that could not be decoded, in Go's words; undefined if there is none. */
  error: string | undefined;
  readonly #parts: (string | FormField)[] = [];
  #pairs = 0;

  /** All that was added, in one: what reads back as this form does. */
  get encoded(): string {
    return this.#parts.map((part) => (typeof part === 'string' ? part : encodedField(part))).join('&');
  }

  /** First value of the name, '' if absent. */
  get(name: string): string {
    return this.#values.get(name)?.[0] ?? '';
  }

  /** All values of the name. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /**
   * Adds the pairs of `encoded` (application/x-www-form-urlencoded) after those that are there.
   * @throws Failure `bad_data` where there are too many
   */
  append(encoded: string): void {
    if (encoded !== '') this.#parts.push(encoded);
    for (const pair of pairsOf(encoded)) {
      this.#countPair();
      if (pair.includes(';')) {
        this.error ??= 'invalid semicolon separator in query';
        continue;
      }
      const equals = pair.indexOf('=');
      const name = this.#decode(equals < 0 ? pair : pair.slice(0, equals));
      if (name === undefined) continue;
      const value = this.#decode(equals < 0 ? '' : pair.slice(equals + 1));
      if (value === undefined) continue;
      this.#put(name, value);
    }
  }

  /**
   * Adds a pair as it stands after those that are there.
   * @throws Failure `bad_data` where there are too many
   */
  add(field: FormField): void {
    this.#countPair();
    this.#parts.push(field);
    this.#put(field.name, field.value);
  }

  #countPair(): void {
    if (++this.#pairs <= pairsMax) return;
    throw new Failure('bad_data', `too many parameters: at most ${pairsMax} are allowed`);
  }

  #put(name: string, value: string): void {
    const known = this.#values.get(name);
    if (known === undefined) this.#values.set(name, [value]);
    else known.push(value);
  }

  #decode(text: string): string | undefined {
    const broken = invalidEscape(text);
    if (broken !== undefined) {
      this.error ??= `invalid URL escape ${quoteText(broken)}`;
      return undefined;
    }
    return text.includes('%') || text.includes('+') ? decodeEscapes(text) : text;
  }
}

/** What stands between the ampersands, but for nothing. */
function* pairsOf(encoded: string): Generator<string> {
  for (let begin = 0; begin < encoded.length; ) {
    const found = encoded.indexOf('&', begin);
    const end = found < 0 ? encoded.length : found;
    if (end > begin) yield encoded.slice(begin, end);
    begin = end + 1;
  }
}

const escapeSequence = /%(?![0-9a-fA-F]{2}).{0,2}/s;

function invalidEscape(text: string): string | undefined {
  return escapeSequence.exec(text)?.[0];
}

/** What is no UTF-8 becomes replacement characters. Not decodeURIComponent, which throws there: a form may have a million such pairs. */
function decodeEscapes(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== 0x25) {
      // A plus is a space. Not by replaceAll, which takes as long for each of them as all else does.
      bytes[length++] = bytes[i] === 0x2b ? 0x20 : bytes[i];
      continue;
    }
    bytes[length++] = 16 * hexDigit(bytes[i + 1]) + hexDigit(bytes[i + 2]);
    i += 2;
  }
  return bytes.toString('utf8', 0, length);
}

function encodedField({ name, value }: FormField): string {
  return `${encodeEscapes(name)}=${encodeEscapes(value)}`;
}

/** Of ASCII, what means something else in a form than itself, or is no character of a line. */
const isEscaped = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte <= 0x20 || '%&+;='.includes(String.fromCharCode(byte)) ? 1 : 0,
);
const hexDigits = Buffer.from('0123456789ABCDEF');

/** The text as it stands in a form. */
function encodeEscapes(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  let count = 0;
  for (let i = 0; i < bytes.length; i++) count += isEscaped[bytes[i]];
  if (count === 0) return text;
  const encoded = Buffer.allocUnsafe(bytes.length + 2 * count);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (isEscaped[byte] === 0) {
      encoded[length++] = byte;
      continue;
    }
    encoded[length++] = 0x25;
    encoded[length++] = hexDigits[byte >> 4];
    encoded[length++] = hexDigits[byte & 15];
  }
  return encoded.toString('utf8');
}

/** What a digit stands for: 0-9, A-F or a-f. */
function hexDigit(char: number): number {
  return char <= 0x39 ? char - 0x30 : (char & 0xdf) - 0x37;
}
