/**
 * The fields of a multipart form, as curl -F and browsers send them: Go's FormValue reads them as well, so Prometheus' clients may use
 * them. Owns Go's reading of such a form (mime/multipart). Owns nothing of what they mean. Files are no fields, and a form that does not
 * parse has none. It is read at once, in a few milliseconds where it is as large as may be.
 */
import { Failure } from '../errors/failure.ts';

/** Fields of a form: a Go server takes no more parts either. */
const fieldsMax = 1_000;
/** Characters in front of what the parts hold, of all parts together: more than names take. */
const headerLengthMax = 256 << 10;

export interface FormField {
  readonly name: string;
  readonly value: string;
}

/** @throws Failure `bad_data` where there are too many fields, or their headers are too long */
export function multipartFields(contentType: string, body: Uint8Array): readonly FormField[] {
  const boundary = parameterOf(contentType, 'boundary');
  if (boundary === '') return [];
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // A character a byte: what is found in the text stands at the same place in the bytes.
  return fieldsIn(bytes.toString('latin1'), bytes, `--${Buffer.from(boundary).toString('latin1')}`) ?? [];
}

/** What may stand behind a boundary: the end of the form, or of the line. */
const formEnd = /--[ \t]*(?:\r?\n|$)/y;
const lineEnd = /[ \t]*(\r?\n)/y;

/** Undefined where the form does not parse. */
function fieldsIn(text: string, bytes: Buffer, dashes: string): FormField[] | undefined {
  const fields: FormField[] = [];
  let boundaries = 0;
  const count = (): void => {
    // The one in front of the first field and the one behind the last.
    if (++boundaries > fieldsMax + 1) {
      throw new Failure('bad_data', `too many fields: at most ${fieldsMax} are allowed`);
    }
  };
  let newline: string | undefined;
  let at = text.startsWith(dashes) ? 0 : text.indexOf(`\n${dashes}`) + 1;
  // The first boundary says how lines end. In front of it may stand anything.
  for (let isFound = at > 0 || text.startsWith(dashes); isFound; ) {
    count();
    at += dashes.length;
    if (matchAt(formEnd, text, at) !== undefined) return fields;
    const end = matchAt(lineEnd, text, at);
    newline = end?.[1];
    at += end?.[0].length ?? 0;
    if (newline !== undefined) break;
    at = text.indexOf(`\n${dashes}`, at) + 1;
    isFound = at > 0;
  }
  if (newline === undefined) return undefined;
  let headersLeft = headerLengthMax;
  for (;;) {
    const header = readHeader(text, at, headersLeft);
    if (header === undefined) return undefined;
    headersLeft -= header.end - at;
    const begin = header.end;
    let end = text.startsWith(dashes, begin) ? begin - newline.length : text.indexOf(newline + dashes, begin);
    for (; end >= 0; end = text.indexOf(newline + dashes, end + 1)) {
      count();
      const behind = end + newline.length + dashes.length;
      if (' \t\r\n'.includes(text.charAt(behind)) || text.startsWith('--', behind)) break;
    }
    if (end < 0) return undefined;
    const { disposition } = header;
    const name = /^form-data\s*(?:;|$)/i.test(disposition) ? parameterOf(disposition, 'name') : '';
    if (name !== '' && parameterOf(disposition, 'filename') === '') {
      const value = bytes.toString('utf8', begin, Math.max(begin, end));
      fields.push({ name: Buffer.from(name, 'latin1').toString(), value });
    }
    at = end + newline.length + dashes.length;
    if (matchAt(formEnd, text, at) !== undefined) return fields;
    const line = matchAt(lineEnd, text, at);
    if (line?.[1] !== newline) return undefined;
    at += line[0].length;
  }
}

interface PartHeader {
  readonly disposition: string;
  readonly end: number;
}

/** The header of a part and where it ends. Undefined where it is none. @throws Failure `bad_data` where it is longer than it may be */
function readHeader(text: string, begin: number, lengthMax: number): PartHeader | undefined {
  let disposition: string | undefined;
  let isOpen = false;
  for (let at = begin; ; ) {
    const end = text.indexOf('\n', at);
    if (end < 0) return undefined;
    if (end - begin > lengthMax) {
      throw new Failure(
        'bad_data',
        `headers of fields are too long: at most ${headerLengthMax} characters are allowed`,
      );
    }
    const line = text.slice(at, text.charAt(end - 1) === '\r' && end > at ? end - 1 : end);
    at = end + 1;
    if (line === '') return { disposition: disposition ?? '', end: at };
    const isMore = /^[ \t]/.test(line);
    if (isMore && isOpen) disposition += ` ${line.trim()}`;
    if (isMore) continue;
    const colon = line.indexOf(':');
    if (colon <= 0) return undefined;
    isOpen = disposition === undefined && /^content-disposition$/i.test(line.slice(0, colon));
    if (isOpen) disposition = line.slice(colon + 1).trim();
  }
}

const parameter = /;\s*([^\s;="]+)\s*=\s*/g;
const wordEnd = /[\s;]|$/g;
/** Behind a backslash these stand for themselves; before others the backslash does, as in paths of Windows. */
const special = '()<>@,;:\\"/[]?=';

/** The parameter of a value such as `form-data; name="a"`; '' where it has none of that name. */
function parameterOf(value: string, wanted: string): string {
  parameter.lastIndex = 0;
  for (let found = parameter.exec(value); found !== null; found = parameter.exec(value)) {
    const begin = parameter.lastIndex;
    const { text, end } = value.charAt(begin) === '"' ? quoted(value, begin + 1) : word(value, begin);
    if (found[1]?.toLowerCase() === wanted) return text;
    parameter.lastIndex = end;
  }
  return '';
}

function word(value: string, begin: number): { readonly text: string; readonly end: number } {
  wordEnd.lastIndex = begin;
  const end = wordEnd.exec(value)?.index ?? value.length;
  return { text: value.slice(begin, end), end };
}

/** What stands up to the next quote; nothing where there is none. */
function quoted(value: string, begin: number): { readonly text: string; readonly end: number } {
  let text = '';
  let from = begin;
  for (let at = begin; at < value.length; at++) {
    const char = value.charAt(at);
    if (char === '"') return { text: text + value.slice(from, at), end: at + 1 };
    if (char !== '\\' || !special.includes(value.charAt(at + 1) || ' ')) continue;
    text += value.slice(from, at);
    from = ++at;
  }
  return { text: '', end: value.length };
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}
