/** Numbers as Go's strconv reads them: parameters of the API, and the bounds of classic buckets. */

const goInfinity = /^[+-]?inf(inity)?$/i;
const goNaN = /^nan$/i;
// Each digit has one place in a pattern: where two could take it, a long text would cost its length times its length.
const goDecimal = /^[+-]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)(e[+-]?[0-9][0-9_]*)?$/i;
/** An underscore that does not stand between two digits. */
const misplacedUnderscore = /(?<![0-9])_|_(?![0-9])/;
const goHex = /^([+-]?)0x([0-9a-f_]*)(?:\.([0-9a-f_]*))?p([+-]?[0-9][0-9_]*)$/i;
const misplacedHexUnderscore = /(?<![0-9a-fx])_|_(?![0-9a-f])/i;

/** strconv.ParseFloat(text, 64); undefined where it gives an error, also for what is too large. */
export function parseGoFloat(text: string): number | undefined {
  if (goNaN.test(text)) return NaN;
  if (goInfinity.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  let value: number;
  const hex = goHex.exec(text);
  if (hex !== null) {
    if (misplacedHexUnderscore.test(text)) return undefined;
    const whole = (hex[2] ?? '').replaceAll('_', '');
    const fraction = (hex[3] ?? '').replaceAll('_', '');
    if (whole === '' && fraction === '') return undefined;
    const mantissa = Number(BigInt(`0x${whole}${fraction}`));
    value = mantissa * 2 ** (Number((hex[4] ?? '').replaceAll('_', '')) - 4 * fraction.length);
    if (hex[1] === '-') value = -value;
  } else {
    if (!goDecimal.test(text) || misplacedUnderscore.test(text)) return undefined;
    value = Number(text.replaceAll('_', ''));
  }
  return Number.isFinite(value) ? value : undefined;
}
