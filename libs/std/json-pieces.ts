/**
 * JSON that others wrote, in pieces, so that what a text costs is bounded by its length: JSON.parse takes minutes and gigabytes for tens of
 * megabytes that were made for it, and holds the thread meanwhile.
 * Owns where the members of an object and the elements of a list begin and end, and the look at a text before it is parsed as a whole. What a
 * piece says JSON.parse tells: here only strings and brackets are told apart.
 */

/** Bytes [begin, end) of the text. */
export interface JsonPiece {
  readonly begin: number;
  readonly end: number;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The elements of the list that stands at a piece. @throws SyntaxError */
export function* jsonElements(bytes: Uint8Array, { begin, end }: JsonPiece): Generator<JsonPiece> {
  let at = after(bytes, skipSpace(bytes, begin, end), end, '[');
  const isEmpty = bytes[at] === codeOf(']');
  while (!isEmpty) {
    const piece = valueAt(bytes, at, end);
    yield piece;
    at = skipSpace(bytes, piece.end, end);
    if (bytes[at] !== comma) break;
    at = skipSpace(bytes, at + 1, end);
  }
  if (after(bytes, at, end, ']') !== end) throw new SyntaxError('something stands behind the list');
}

/** The members of the object that stands at a piece, by the pieces of their names. @throws SyntaxError */
export function* jsonMembers(
  bytes: Uint8Array,
  { begin, end }: JsonPiece,
): Generator<{ readonly name: JsonPiece; readonly value: JsonPiece }> {
  let at = after(bytes, skipSpace(bytes, begin, end), end, '{');
  const isEmpty = bytes[at] === codeOf('}');
  while (!isEmpty) {
    const name = valueAt(bytes, at, end);
    at = skipSpace(bytes, name.end, end);
    if (bytes[name.begin] !== quote || bytes[at] !== colon) throw new SyntaxError(`no name of a member at byte ${at}`);
    const value = valueAt(bytes, skipSpace(bytes, at + 1, end), end);
    yield { name, value };
    at = skipSpace(bytes, value.end, end);
    if (bytes[at] !== comma) break;
    at = skipSpace(bytes, at + 1, end);
  }
  if (after(bytes, at, end, '}') !== end) throw new SyntaxError('something stands behind the object');
}

/** What a piece says, if it is no longer and no richer than that. @throws SyntaxError; TypeError where it is not UTF-8 */
export function parseJson(
  bytes: Uint8Array,
  { begin, end }: JsonPiece,
  max: { readonly bytes: number; readonly values: number; readonly depth: number },
): unknown {
  if (end - begin > max.bytes) throw new SyntaxError(`${end - begin} bytes, more than ${max.bytes}`);
  let depth = 0;
  let values = 0;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === quote) at = stringEnd(bytes, at, end) - 1;
    else if (isOpening(byte)) {
      values++;
      if (++depth > max.depth) throw new SyntaxError(`brackets more than ${max.depth} deep`);
    } else if (isClosing(byte)) depth--;
    else if (byte === comma) values++;
  }
  if (values > max.values) throw new SyntaxError(`more than ${max.values} values`);
  return JSON.parse(decoder.decode(bytes.subarray(begin, end)));
}

/** A value for an error message: short, whatever it is. */
export function shownJson(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : String(value);
}

/** The value that begins at a byte which is no space. */
function valueAt(bytes: Uint8Array, begin: number, end: number): JsonPiece {
  let depth = 0;
  let at = begin;
  do {
    if (at >= end) throw new SyntaxError('the text ends within a value');
    const byte = bytes[at] as number;
    if (byte === quote) at = stringEnd(bytes, at, end);
    else if (isOpening(byte)) {
      depth++;
      at++;
    } else if (isClosing(byte)) {
      depth--;
      at++;
    } else if (depth > 0) at++;
    else at = scalarEnd(bytes, at, end);
  } while (depth > 0);
  if (depth < 0 || at === begin) throw new SyntaxError(`no value at byte ${begin}`);
  return { begin, end: at };
}

function stringEnd(bytes: Uint8Array, begin: number, end: number): number {
  for (let at = begin + 1; at < end; at++) {
    if (bytes[at] === quote) return at + 1;
    if (bytes[at] === backslash) at++;
  }
  throw new SyntaxError('the text ends within a string');
}

function scalarEnd(bytes: Uint8Array, begin: number, end: number): number {
  let at = begin;
  while (at < end && !isSpace(bytes[at] as number) && bytes[at] !== comma && !isClosing(bytes[at] as number)) at++;
  return at;
}

/** The byte behind `bracket`, which must stand at `at`, and the spaces after it. */
function after(bytes: Uint8Array, at: number, end: number, bracket: string): number {
  if (at >= end || bytes[at] !== codeOf(bracket)) throw new SyntaxError(`no ${bracket} at byte ${at}`);
  return skipSpace(bytes, at + 1, end);
}

function skipSpace(bytes: Uint8Array, begin: number, end: number): number {
  let at = begin;
  while (at < end && isSpace(bytes[at] as number)) at++;
  return at;
}

const codeOf = (character: string): number => character.charCodeAt(0);
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
/** `[` and `{` differ in one bit, `]` and `}` too. */
const isOpening = (byte: number): boolean => (byte | 0x20) === 0x7b;
const isClosing = (byte: number): boolean => (byte | 0x20) === 0x7d;
