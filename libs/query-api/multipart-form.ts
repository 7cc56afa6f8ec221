/**
 * The fields of a multipart form, as curl -F and browsers send them: Go's FormValue reads them as well, so Prometheus' clients may use
 * them. Owns Go's reading of such a form (mime/multipart, net/textproto). Owns nothing of what they mean, nor what a header's parameters are
 * (media-value.ts). Files are no fields, and a form that does not parse has none. It is read at once, in a few milliseconds where it is as
 * large as may be.
 */
import { Failure } from '../errors/failure.ts';
import { parseMediaValue } from './media-value.ts';
import { decodeQuotedPrintable } from './quoted-printable.ts';

/** Fields of a form: a Go server takes no more parts either. */
const fieldsMax = 1_000;
/** Characters in front of what the parts hold, of all parts together: more than names take. */
const headerLengthMax = 256 << 10;

export interface FormField {
  readonly name: string;
  readonly value: string;
}

/**
 * The fields of a form whose type says that this stands between them; none where that is nothing. A character of it stands for a byte.
 * @throws Failure `bad_data` where there are too many fields, or their headers are too long
 */
export function multipartFields(boundary: string, body: Uint8Array): readonly FormField[] {
  if (boundary === '') return [];
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // A character a byte: what is found in the text stands at the same place in the bytes.
  return fieldsIn(bytes.toString('latin1'), bytes, `--${boundary}`) ?? [];
}

/** What may stand behind a boundary: the end of the form, or of the line. */
const formEnd = /--[ \t]*(\r?\n|$)/y;
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
    if (isFormEnd(text, at, '\r\n')) return fields;
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
    // A form that ends within a header ends in front of it.
    if (header === 'cut off') return fields;
    headersLeft -= header.end - at;
    const begin = header.end;
    let end = text.startsWith(dashes, begin) ? begin - newline.length : text.indexOf(newline + dashes, begin);
    for (; end >= 0; end = text.indexOf(newline + dashes, end + 1)) {
      count();
      const behind = end + newline.length + dashes.length;
      if (' \t\r\n'.includes(text.charAt(behind)) || text.startsWith('--', behind)) break;
    }
    if (end < 0) return undefined;
    const { name, isFile } = nameOf(header.disposition);
    if (name !== '') {
      const value = textOfPart(bytes.subarray(begin, Math.max(begin, end)), header.encoding);
      if (value === undefined) return undefined;
      if (!isFile) fields.push({ name: Buffer.from(name, 'latin1').toString(), value });
    }
    at = end + newline.length + dashes.length;
    if (isFormEnd(text, at, newline)) return fields;
    const line = matchAt(lineEnd, text, at);
    if (line?.[1] !== newline) return undefined;
    at += line[0].length;
  }
}

/** The name of what a part holds; '' where it has none. */
function nameOf(disposition: string): { readonly name: string; readonly isFile: boolean } {
  const { type, parameters } = parseMediaValue(disposition);
  const name = type === 'form-data' ? (parameters.get('name') ?? '') : '';
  return { name, isFile: (parameters.get('filename') ?? '') !== '' };
}

/** The text of a part, undefined where it is not encoded as its header says. */
function textOfPart(bytes: Buffer, encoding: string): string | undefined {
  if (encoding.toLowerCase() !== 'quoted-printable') return bytes.toString();
  const decoded = decodeQuotedPrintable(bytes);
  return decoded === undefined ? undefined : Buffer.from(decoded.buffer, 0, decoded.byteLength).toString();
}

interface PartHeader {
  readonly disposition: string;
  /** Of what the part holds. */
  readonly encoding: string;
  readonly end: number;
}

/** What may stand in front of a colon, and behind it. */
const headerName = /^[\w!#$%&'*+.^`|~ -]+$/;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The header of a part and where it ends. Undefined where it is none. @throws Failure `bad_data` where it is longer than it may be */
function readHeader(text: string, begin: number, lengthMax: number): PartHeader | 'cut off' | undefined {
  // The first of each name counts.
  const values = new Map<string, string>();
  let [name, value] = ['', ''];
  let at = begin;
  for (;;) {
    const found = text.indexOf('\n', at);
    const end = found < 0 ? text.length : found;
    if (end - begin > lengthMax) {
      throw new Failure(
        'bad_data',
        `headers of fields are too long: at most ${headerLengthMax} characters are allowed`,
      );
    }
    const line = text.slice(at, found > at && text.charAt(end - 1) === '\r' ? end - 1 : end);
    const isMore = /^[ \t]/.test(line);
    if (isMore && at === begin) return undefined;
    const isLast = at === text.length;
    at = found < 0 ? end : end + 1;
    if (isMore) {
      value += ` ${trimBlanks(line)}`;
      continue;
    }
    if (!headerValue.test(value)) return undefined;
    if (name !== '' && !values.has(name)) values.set(name, value.replace(/^[ \t]+/, ''));
    if (isLast) return 'cut off';
    if (line === '') break;
    const colon = line.indexOf(':');
    name = line.slice(0, Math.max(0, colon)).toLowerCase();
    if (!headerName.test(name)) return undefined;
    value = trimBlanks(line.slice(colon + 1));
  }
  const disposition = values.get('content-disposition') ?? '';
  return { disposition, encoding: values.get('content-transfer-encoding') ?? '', end: at };
}

/** Without the blanks around it. Not trim, to which other characters are blank as well. */
function trimBlanks(text: string): string {
  let [begin, end] = [0, text.length];
  while (begin < end && isBlank(text.charCodeAt(begin))) begin++;
  while (end > begin && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(begin, end);
}

function isBlank(char: number): boolean {
  return char === 0x20 || char === 0x09;
}

/** Whether the form ends behind the boundary that ends at `at`, in a line that ends so or not at all. */
function isFormEnd(text: string, at: number, newline: string): boolean {
  const found = matchAt(formEnd, text, at);
  return found !== undefined && (found[1] === '' || found[1] === newline);
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}
