/**
 * Text as Go writes it, because Prometheus' errors and printed expressions are made of it: quoted strings and
 * characters, plain and short floats, durations. Owns the forms, not the places where they are used. Facts: Go strconv
 * (Quote, FormatFloat), fmt (%q, %#U, %f), prometheus/common model.Duration.String.
 */

const replacement = '\ufffd';
/** What Go's IsPrint accepts: letters, marks, numbers, punctuation, symbols and the ASCII space. */
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;
/** Texts made of these alone are quoted by putting quotes around them. */
const plainText = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const namedEscapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};

function escapeChar(char: string, quote: string): string {
  if (char === quote) return `\\${quote}`;
  const named = namedEscapes[char];
  if (named !== undefined) return named;
  const code = char.codePointAt(0) ?? 0;
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`; // a lone byte, see literals.ts
  if (code >= 0xd800 && code <= 0xdfff) return replacement;
  if (!unprintable.test(char)) return char;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}

/** strconv.Quote: the text in double quotes, everything unprintable escaped. */
export function quoteText(text: string): string {
  if (plainText.test(text)) return `"${text}"`;
  let quoted = '"';
  for (const char of text) quoted += escapeChar(char, '"');
  return `${quoted}"`;
}

/** strconv.QuoteRune: one character in single quotes; '' stands for the end of the input, which Go shows as U+FFFD. */
export function quoteChar(char: string): string {
  return `'${char === '' ? replacement : escapeChar(char, "'")}'`;
}

/** fmt's %#U: `U+0063 'c'`, without the picture if it has none. */
export function describeChar(char: string): string {
  const code = char === '' ? 0xfffd : (char.codePointAt(0) ?? 0);
  const hex = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  return unprintable.test(char) ? hex : `${hex} '${char === '' ? replacement : char}'`;
}

function specialFloat(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Infinity) return '+Inf';
  if (value === -Infinity) return '-Inf';
  return undefined;
}

/** strconv.FormatFloat(value, 'f', -1, 64): the shortest digits that read back, never an exponent. */
export function formatPlainFloat(value: number): string {
  const special = specialFloat(value);
  if (special !== undefined) return special;
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const text = Math.abs(value).toString();
  const exponentAt = text.indexOf('e');
  if (exponentAt < 0) return sign + text;
  const exponent = Number(text.slice(exponentAt + 1));
  const [whole = '', fraction = ''] = text.slice(0, exponentAt).split('.');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${whole}${fraction}`;
  return sign + whole + fraction.padEnd(exponent, '0');
}

const shortExponentMax = 6;

/** fmt's %v of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e6 on. */
export function formatShortFloat(value: number): string {
  const special = specialFloat(value);
  if (special !== undefined) return special;
  const scientific = value.toExponential();
  const exponentAt = scientific.indexOf('e');
  const exponent = Number(scientific.slice(exponentAt + 1));
  if (value === 0 || (exponent >= -4 && exponent < shortExponentMax)) return formatPlainFloat(value);
  const sign = exponent < 0 ? '-' : '+';
  return `${scientific.slice(0, exponentAt)}e${sign}${Math.abs(exponent).toString().padStart(2, '0')}`;
}

/** fmt's %f: six decimals, never an exponent. */
export function formatFixedFloat(value: number): string {
  const special = specialFloat(value);
  if (special !== undefined) return special;
  // toFixed falls back to exponents from 1e21 on, where every double is whole.
  return Math.abs(value) >= 1e21 ? `${BigInt(value)}.000000` : value.toFixed(6);
}

const durationUnits: readonly { readonly unit: string; readonly ms: number; readonly exact: boolean }[] = [
  // Years and weeks only if they leave no remainder: 90d reads better than 12w6d.
  { unit: 'y', ms: 365 * 86_400_000, exact: true },
  { unit: 'w', ms: 7 * 86_400_000, exact: true },
  { unit: 'd', ms: 86_400_000, exact: false },
  { unit: 'h', ms: 3_600_000, exact: false },
  { unit: 'm', ms: 60_000, exact: false },
  { unit: 's', ms: 1000, exact: false },
  { unit: 'ms', ms: 1, exact: false },
];

/** model.Duration.String of whole milliseconds: `1h30m`, `0s`. */
export function formatDurationMs(ms: number): string {
  if (ms === 0) return '0s';
  let rest = Math.abs(ms);
  let text = ms < 0 ? '-' : '';
  for (const { unit, ms: unitMs, exact } of durationUnits) {
    if (rest < unitMs || (exact && rest % unitMs !== 0)) continue;
    const count = Math.floor(rest / unitMs);
    text += `${count}${unit}`;
    rest -= count * unitMs;
  }
  return text;
}
