/**
 * The fields of a multipart form, as curl -F and browsers send them: Go's FormValue reads them as well, so Prometheus' clients may use
 * them. Owns nothing of what they mean. Files are no fields, and a form that does not parse has none.
 */
import { Failure } from '../errors/failure.ts';

/** Fields of a form: reading so many takes the thread that takes writes some tens of milliseconds. */
const fieldsMax = 1_000;

/** @throws Failure `bad_data` where there are too many fields */
export async function encodedFields(contentType: string, body: Uint8Array<ArrayBuffer>): Promise<string> {
  const fields = new URLSearchParams();
  if (hasManyLines(body)) throw new Failure('bad_data', `too many fields: at most ${fieldsMax} are allowed`);
  try {
    const form = await new Response(body, { headers: { 'content-type': contentType } }).formData();
    for (const [name, value] of form) if (typeof value === 'string') fields.append(name, value);
  } catch {
    return '';
  }
  return fields.toString();
}

/** Whether more lines begin as a boundary does than there may be fields. */
function hasManyLines(body: Uint8Array<ArrayBuffer>): boolean {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let count = 0;
  for (let at = bytes.indexOf('\n--'); at >= 0; at = bytes.indexOf('\n--', at + 1)) {
    // The first line is not among them, the one behind the last field is.
    if (++count > fieldsMax) return true;
  }
  return false;
}
