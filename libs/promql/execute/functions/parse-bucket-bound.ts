/** The upper bound that a label `le` names, as Go's strconv.ParseFloat reads it. */

// Each digit has one place in a pattern: labels can be made so long that their length times their length is minutes.
const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const hexadecimal = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?\d+)$/;
const infinite = /^([+-]?)(?:inf|infinity)$/i;

/** Undefined for what is no number; NaN is one. */
export function parseBucketBound(text: string): number | undefined {
  if (decimal.test(text)) {
    const value = Number(text);
    // Too large a number is an error in Go.
    return Number.isFinite(value) ? value : undefined;
  }
  const endless = infinite.exec(text);
  if (endless !== null) return endless[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(text)) return Number.NaN;
  const hex = hexadecimal.exec(text);
  if (hex === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = hex;
  if (whole + fraction === '') return undefined;
  const digits = Number(`0x${whole}${fraction}`);
  return (sign === '-' ? -1 : 1) * digits * 2 ** (Number(exponent) - 4 * fraction.length);
}
