/**
 * What a header such as `multipart/form-data; boundary="b"` or `form-data; name*=utf-8''a%20b` says.
 * Owns Go's reading of it (mime.ParseMediaType), with the encodings and the parts of parameters that RFC 2231 has. A character
 * of a text stands for a byte, as in what node gives of a header. Owns nothing of what a parameter means.
 */

export interface MediaValue {
  /** In lower case; '' where the parameters cannot be told from one another. */
  readonly type: string;
  /** By their names in lower case. None where there is an error. */
  readonly parameters: ReadonlyMap<string, string>;
  /** In Go's words. */
  readonly error: string | undefined;
}

const noParameters: ReadonlyMap<string, string> = new Map();

const token = /[\w!#$%&'*+.^`{|}~-]+/y;
const space = /[\t-\r ]*/y;
/** Behind a backslash these stand for themselves; before others the backslash does, as in paths of Windows. */
const special = '()<>@,;:\\"/[]?=';

/** Reads the value of a header. */
export function parseMediaValue(text: string): MediaValue {
  const semicolon = text.indexOf(';');
  const typeEnd = semicolon < 0 ? text.length : semicolon;
  const type = text.slice(0, typeEnd).trim().toLowerCase();
  const typeError = errorOfType(type);
  if (typeError !== undefined) return { type: '', parameters: noParameters, error: typeError };
  const parameters = new Map<string, string>();
  /** What has a star in its name, by the name in front of the star. */
  const starred = new Map<string, Map<string, string>>();
  for (let at = typeEnd; ; ) {
    at = endOf(space, text, at);
    if (at === text.length) break;
    const found = parameterAt(text, at);
    if (found === undefined) {
      if (text.slice(at).trim() === ';') break;
      return { type, parameters: noParameters, error: 'mime: invalid media parameter' };
    }
    const { name, value } = found;
    const star = name.indexOf('*');
    const among = star < 0 ? parameters : piecesOf(starred, name.slice(0, star));
    if ((among.get(name) ?? value) !== value) {
      return { type: '', parameters: noParameters, error: 'mime: duplicate parameter name' };
    }
    among.set(name, value);
    at = found.end;
  }
  for (const [name, pieces] of starred) {
    const whole = pieces.get(`${name}*`);
    const value = whole === undefined ? joinedPieces(name, pieces) : decodeCharset(whole);
    if (value !== undefined) parameters.set(name, value);
  }
  return { type, parameters, error: undefined };
}

function errorOfType(type: string): string | undefined {
  let at = endOf(token, type, 0);
  if (at === 0) return 'mime: no media type';
  if (at === type.length) return undefined;
  if (type.charAt(at) !== '/') return 'mime: expected slash after first token';
  const begin = ++at;
  at = endOf(token, type, begin);
  if (at === begin) return 'mime: expected token after slash';
  return at === type.length ? undefined : 'mime: unexpected content after media subtype';
}

interface Parameter {
  readonly name: string;
  readonly value: string;
  readonly end: number;
}

/** The parameter whose semicolon stands at `begin`. */
function parameterAt(text: string, begin: number): Parameter | undefined {
  if (text.charAt(begin) !== ';') return undefined;
  const nameBegin = endOf(space, text, begin + 1);
  const nameEnd = endOf(token, text, nameBegin);
  const equals = endOf(space, text, nameEnd);
  if (nameEnd === nameBegin || text.charAt(equals) !== '=') return undefined;
  const name = text.slice(nameBegin, nameEnd).toLowerCase();
  const valueBegin = endOf(space, text, equals + 1);
  if (text.charAt(valueBegin) === '"') {
    const found = quoted(text, valueBegin + 1);
    return found === undefined ? undefined : { name, value: found.value, end: found.end };
  }
  const end = endOf(token, text, valueBegin);
  return end === valueBegin ? undefined : { name, value: text.slice(valueBegin, end), end };
}

/** What stands up to the next quote. */
function quoted(text: string, begin: number): { readonly value: string; readonly end: number } | undefined {
  let value = '';
  let from = begin;
  for (let at = begin; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '"') return { value: value + text.slice(from, at), end: at + 1 };
    if (char !== '\\' || at + 1 === text.length || !special.includes(text.charAt(at + 1))) continue;
    value += text.slice(from, at);
    from = ++at;
  }
  return undefined;
}

function piecesOf(starred: Map<string, Map<string, string>>, name: string): Map<string, string> {
  const known = starred.get(name);
  if (known !== undefined) return known;
  const pieces = new Map<string, string>();
  starred.set(name, pieces);
  return pieces;
}

/** `name*0`, `name*1*` and so on, up to the first that is not there. */
function joinedPieces(name: string, pieces: ReadonlyMap<string, string>): string | undefined {
  let joined: string | undefined;
  for (let n = 0; ; n++) {
    const plain = pieces.get(`${name}*${n}`);
    const encoded = pieces.get(`${name}*${n}*`);
    if (plain === undefined && encoded === undefined) return joined;
    const piece = plain ?? (n === 0 ? decodeCharset(encoded ?? '') : decodePercents(encoded ?? ''));
    joined = (joined ?? '') + (piece ?? '');
  }
}

/** `utf-8'en'a%20b`: of other character sets nothing is known. */
function decodeCharset(text: string): string | undefined {
  const [charset = '', , ...rest] = text.split("'", 3);
  if (rest.length === 0 || !/^(?:us-ascii|utf-8)$/i.test(charset)) return undefined;
  return decodePercents(text.slice(text.indexOf("'", charset.length + 1) + 1));
}

function decodePercents(text: string): string | undefined {
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined;
  return text.replace(/%(..)/g, (_all, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** Where what the pattern takes from `begin` on ends; `begin` where it takes nothing. */
function endOf(pattern: RegExp, text: string, begin: number): number {
  pattern.lastIndex = begin;
  return pattern.test(text) ? pattern.lastIndex : begin;
}
