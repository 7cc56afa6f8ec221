/**
 * Label names in a path that are no UTF-8: no router finds a route for them, and Prometheus says what is wrong with the name.
 * Owns which paths those are and the words.
 */
import { Failure } from '../errors/failure.ts';
import { quoteText } from '../promql/syntax/go-text.ts';

const labelPath = /^(?:\/prometheus)?\/api\/v1\/label\/([^/?]*)\/values(?:\?|$)/;
const escapes = /^(?:[^%]|%[0-9a-fA-F]{2})*$/;

/** What is wrong with a URL that could not be decoded; undefined where it is none of these paths. */
export function badLabelPath(url: string): Failure | undefined {
  const name = labelPath.exec(url)?.[1];
  if (name === undefined || !escapes.test(name)) return undefined;
  const bytes = Buffer.from(
    name.replace(/%(..)/g, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  return new Failure('bad_data', `invalid label name: ${quoteBytes(bytes)}`);
}

/** As Go quotes a text that need not be UTF-8. */
function quoteBytes(bytes: Buffer): string {
  let quoted = '';
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at];
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const part = bytes.subarray(at, at + length);
    const text = part.toString('utf8');
    if (Buffer.from(text).equals(part)) {
      quoted += quoteText(text).slice(1, -1);
      at += length;
    } else {
      quoted += `\\x${lead.toString(16).padStart(2, '0')}`;
      at++;
    }
  }
  return `"${quoted}"`;
}
