/**
 * Label names in a URL path: `U__` escaping, by which any UTF-8 name can be a path segment.
 * Facts: prometheus/common model.UnescapeName with value encoding: `__` is an underscore, `_41_` the character U+0041.
 */

const escapePrefix = 'U__';
const digitsMax = 6;
const escapedChar = /^_(?:(_)|([0-9a-fA-F]*)_)/;

/** The name that was escaped; the text itself where it is not a well-formed escape. */
export function unescapeLabelName(text: string): string {
  if (!text.startsWith(escapePrefix)) return text;
  let rest = text.slice(escapePrefix.length);
  let name = '';
  for (;;) {
    const underscore = rest.indexOf('_');
    if (underscore < 0) return name + rest;
    name += rest.slice(0, underscore);
    rest = rest.slice(underscore);
    const found = escapedChar.exec(rest.slice(0, digitsMax + 2));
    if (found === null) return text;
    if (found[1] === undefined) {
      const digits = found[2] ?? '';
      const code = Number.parseInt(digits, 16);
      if (digits.length >= digitsMax || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return text;
      name += String.fromCodePoint(code);
    } else {
      name += '_';
    }
    rest = rest.slice(found[0].length);
  }
}
