/**
 * The parameters of one request: what stands in the URL and, for POST, in a form body.
 * Owns Go's reading of a form (net/url ParseQuery, net/http FormValue), because Prometheus' clients were written against it:
 * body values come before those of the URL, a pair that cannot be decoded is left out and remembered as the form's error,
 * which most endpoints ignore. Does not own what a parameter means (query-parameters.ts).
 */
import { quoteText } from '../promql/syntax/go-text.ts';

/** Parameters by name, in order. Names are data: never keys of a plain object. */
export class RequestForm {
  readonly #values = new Map<string, string[]>();
  /** The first pair that could not be decoded, in Go's words; undefined if there is none. */
  error: string | undefined;
  #encoded = '';

  /** All that was appended, in one. */
  get encoded(): string {
    return this.#encoded;
  }

  /** First value of the name, '' if absent. */
  get(name: string): string {
    return this.#values.get(name)?.[0] ?? '';
  }

  /** All values of the name. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Adds the pairs of `encoded` (application/x-www-form-urlencoded) after those that are there. */
  append(encoded: string): void {
    this.#encoded = this.#encoded === '' ? encoded : `${this.#encoded}&${encoded}`;
    for (const pair of encoded.split('&')) {
      if (pair === '') continue;
      if (pair.includes(';')) {
        this.error ??= 'invalid semicolon separator in query';
        continue;
      }
      const equals = pair.indexOf('=');
      const name = this.#decode(equals < 0 ? pair : pair.slice(0, equals));
      if (name === undefined) continue;
      const value = this.#decode(equals < 0 ? '' : pair.slice(equals + 1));
      if (value === undefined) continue;
      const known = this.#values.get(name);
      if (known === undefined) this.#values.set(name, [value]);
      else known.push(value);
    }
  }

  #decode(text: string): string | undefined {
    const broken = invalidEscape(text);
    if (broken !== undefined) {
      this.error ??= `invalid URL escape ${quoteText(broken)}`;
      return undefined;
    }
    const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
    return spaced.includes('%') ? decodeEscapes(spaced) : spaced;
  }
}

const escapeSequence = /%(?![0-9a-fA-F]{2}).{0,2}/s;

function invalidEscape(text: string): string | undefined {
  return escapeSequence.exec(text)?.[0];
}

function decodeEscapes(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The escapes are well formed, so it is the UTF-8 that is not: replacement characters stand for it.
    const bytes = Buffer.from(text, 'utf8');
    let length = 0;
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== 0x25) {
        bytes[length++] = bytes[i];
        continue;
      }
      bytes[length++] = 16 * hexDigit(bytes[i + 1]) + hexDigit(bytes[i + 2]);
      i += 2;
    }
    return bytes.toString('utf8', 0, length);
  }
}

/** What a digit stands for: 0-9, A-F or a-f. */
function hexDigit(char: number): number {
  return char <= 0x39 ? char - 0x30 : (char & 0xdf) - 0x37;
}
