/**
 * What the text of a literal token is worth: numbers in Go's spelling, durations, quoted strings.
 * Owns the values and the words for bad ones. Facts: Go strconv.{ParseInt,ParseFloat}, prometheus/common
 * model.ParseDuration, prometheus util/strutil.Unquote.
 */
import { textOfRaw } from '../../model/raw-text.ts';
import { quoteText } from './go-text.ts';

const decimalInteger = /^(?:0|[1-9](?:_?[0-9])*)$/;
const octalInteger = /^0(?:_?[0-7])+$/;
const hexInteger = /^0[xX](?:_?[0-9a-fA-F])+$/;
const decimalFloat = /^(?=\.?[0-9])(?:[0-9](?:_?[0-9])*)?(?:\.(?:[0-9](?:_?[0-9])*)?)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?$/;
const int64Max = 0x7fff_ffff_ffff_ffffn;

/**
 * Value of a number token: decimal, 0x.., 0.. (octal, as in Go), inf and nan in any case; or the words of what is
 * wrong.
 */
export function parseNumber(text: string): number | { readonly problem: string } {
  const digits = text.includes('_') ? text.replaceAll('_', '') : text;
  if (decimalInteger.test(text)) return finite(Number(digits), text); // an int64 rounds to the same double
  if (octalInteger.test(text)) {
    const whole = BigInt(`0o${digits.slice(1)}`);
    if (whole <= int64Max) return Number(whole);
  }
  if (hexInteger.test(text)) {
    const whole = BigInt(digits);
    return whole <= int64Max ? Number(whole) : { problem: numberProblem(text, 'invalid syntax') };
  }
  if (decimalFloat.test(text)) return finite(Number(digits), text);
  switch (text.toLowerCase()) {
    case 'inf':
      return Infinity;
    case 'nan':
      return Number.NaN;
    default:
      return { problem: numberProblem(text, 'invalid syntax') };
  }
}

function finite(value: number, text: string): number | { readonly problem: string } {
  return Number.isFinite(value) ? value : { problem: numberProblem(text, 'value out of range') };
}

function numberProblem(text: string, reason: string): string {
  return `error parsing number: strconv.ParseFloat: parsing ${quoteText(text)}: ${reason}`;
}

const unitMs: ReadonlyMap<string, { readonly rank: number; readonly ms: number }> = new Map([
  ['y', { rank: 1, ms: 365 * 86_400_000 }],
  ['w', { rank: 2, ms: 7 * 86_400_000 }],
  ['d', { rank: 3, ms: 86_400_000 }],
  ['h', { rank: 4, ms: 3_600_000 }],
  ['m', { rank: 5, ms: 60_000 }],
  ['s', { rank: 6, ms: 1000 }],
  ['ms', { rank: 7, ms: 1 }],
]);
/** Whole milliseconds in the largest int64 of nanoseconds. */
const durationMsMax = 9_223_372_036_854;
const durationPart = /([0-9]*)([^0-9]*)/y;

/** Milliseconds of a duration token such as `1h30m`, units from large to small; or the words of what is wrong. */
export function parseDurationMs(text: string): number | { readonly problem: string } {
  let totalMs = 0;
  let lastRank = 0;
  durationPart.lastIndex = 0;
  while (durationPart.lastIndex < text.length) {
    const [, digits = '', unitName = ''] = durationPart.exec(text) ?? [];
    const count = Number(digits);
    const notValid = { problem: `not a valid duration string: ${quoteText(text)}` };
    if (digits === '' || unitName === '' || count >= 2 ** 64) return notValid;
    const unit = unitMs.get(unitName);
    if (unit === undefined) return { problem: `unknown unit ${quoteText(unitName)} in duration ${quoteText(text)}` };
    if (unit.rank <= lastRank) return notValid;
    lastRank = unit.rank;
    totalMs += count * unit.ms;
    if (totalMs > durationMsMax) return { problem: 'duration out of range' };
  }
  return totalMs;
}

/** Seconds of whole milliseconds, rounded as Go's Duration.Seconds does. */
export function secondsOfMs(ms: number): number {
  const rest = ms % 1000;
  return (ms - rest) / 1000 + rest / 1000;
}

/**
 * A duration in seconds as whole milliseconds, cut off below, by way of whole nanoseconds as in Prometheus.
 * `isZero` tells whether even the nanoseconds are 0; the sign of a cut off value stays in the zero.
 */
export function msOfSeconds(seconds: number): { readonly ms: number; readonly isZero: boolean } {
  const exactNs = seconds * 1e9;
  // Not a number becomes the smallest int64 on the machines that Prometheus runs on.
  if (Number.isNaN(exactNs)) return { ms: -durationMsMax, isZero: false };
  const size = roundHalfUp(Math.abs(exactNs)); // halves go away from zero
  return { ms: ((size - (size % 1e6)) / 1e6) * (exactNs < 0 ? -1 : 1), isZero: size === 0 };
}

function roundHalfUp(size: number): number {
  const whole = Math.floor(size);
  return size - whole >= 0.5 ? whole + 1 : whole;
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};
const escapeSequence = /\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\'"]))/g;

/**
 * Text inside a quoted token that the lexer has found sound. \x and octal escapes are single bytes. Such a byte that
 * makes no UTF-8 becomes half a surrogate pair, U+DC00 plus the byte: the text is then not well-formed, as Go's would
 * not be valid, and is printed as it was written.
 */
export function unquote(token: string): string {
  const body = token.slice(1, -1);
  if (token[0] === '`' || !body.includes('\\')) return body;
  let text = '';
  let bytes: number[] = [];
  let copied = 0;
  const flush = (): void => {
    if (bytes.length === 0) return;
    text += textOfRaw(Uint8Array.from(bytes));
    bytes = [];
  };
  for (const match of body.matchAll(escapeSequence)) {
    const [sequence, hexByte, octalByte, short, long, simple] = match;
    if (match.index > copied) {
      flush();
      text += body.slice(copied, match.index);
    }
    copied = match.index + sequence.length;
    if (hexByte !== undefined) bytes.push(Number.parseInt(hexByte, 16));
    else if (octalByte !== undefined) bytes.push(Number.parseInt(octalByte, 8));
    else {
      flush();
      text +=
        simple !== undefined ? simpleEscapes[simple] : String.fromCodePoint(Number.parseInt(short ?? long ?? '0', 16));
    }
  }
  flush();
  return text + body.slice(copied);
}
