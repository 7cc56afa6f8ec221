/**
 * The fields of a multipart form, as curl -F and browsers send them: Go's FormValue reads them as well, so Prometheus' clients may use
 * them. Owns nothing of what they mean. Files are no fields, and a form that does not parse has none.
 */
export async function encodedFields(contentType: string, body: Uint8Array<ArrayBuffer>): Promise<string> {
  const fields = new URLSearchParams();
  try {
    const form = await new Response(body, { headers: { 'content-type': contentType } }).formData();
    for (const [name, value] of form) if (typeof value === 'string') fields.append(name, value);
  } catch {
    return '';
  }
  return fields.toString();
}
