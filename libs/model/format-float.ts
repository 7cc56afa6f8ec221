/**
 * Floats as Go and therefore Prometheus write them: strconv.FormatFloat and the verbs %g and %f. The digits are those of
 * JavaScript, which, like Go, takes the shortest that read back as the same number; what differs is when there is an exponent and
 * how it looks.
 */

/** Value whose decimal digits, without point, are `digits`: 0.d1d2d3... times 10^point. */
interface Decimal {
  readonly digits: string;
  readonly point: number;
}

/** The shortest digits of a finite number that is not negative. */
function shortestDecimal(value: number): Decimal {
  return parseExponential(value.toExponential());
}

/** So many digits of a finite number that is not negative, halves rounded to even as Go does; JavaScript rounds them up. */
function roundedDecimal(value: number, digitCount: number): Decimal {
  const longer = parseExponential(value.toExponential(digitCount + 40));
  const half = /^50*$/.test(longer.digits.slice(digitCount));
  const lastIsEven = Number(longer.digits[digitCount - 1]) % 2 === 0;
  if (half && lastIsEven) return { digits: longer.digits.slice(0, digitCount), point: longer.point };
  return parseExponential(value.toExponential(digitCount - 1));
}

function parseExponential(text: string): Decimal {
  const exponentAt = text.indexOf('e');
  const digits = text.slice(0, exponentAt).replace('.', '');
  return { digits, point: Number(text.slice(exponentAt + 1)) + 1 };
}

function withExponent({ digits, point }: Decimal): string {
  const exponent = point - 1;
  const size = Math.abs(exponent);
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`;
}

function withoutExponent({ digits, point }: Decimal): string {
  if (point <= 0) return `0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return digits + '0'.repeat(point - digits.length);
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Go's names of what is no finite number, '' for what is. */
function nameOf(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : '';
}

function signOf(value: number): string {
  return value < 0 || Object.is(value, -0) ? '-' : '';
}

/** FormatFloat(value, 'f', -1, 64): the shortest digits, never an exponent. */
export function formatFloat(value: number): string {
  const name = nameOf(value);
  if (name !== '') return name;
  const size = Math.abs(value);
  // Within these bounds JavaScript writes the same, and faster.
  if (size === 0 || (size >= 1e-6 && size < 1e21)) return Object.is(value, -0) ? '-0' : String(value);
  return signOf(value) + withoutExponent(shortestDecimal(size));
}

/** A float in Prometheus' JSON (util/jsonutil MarshalFloat), without the quotes: an exponent below 1e-6 and from 1e21 on. */
export function formatFloatJson(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-6 && size < 1e21) || !Number.isFinite(value)) return formatFloat(value);
  return signOf(value) + withExponent(shortestDecimal(size));
}

/** FormatFloat(value, 'g', -1, 64), %g and %v: the shortest digits, with an exponent below 1e-4 and from 1e6 on. */
export function formatFloatGeneral(value: number): string {
  const name = nameOf(value);
  if (name !== '') return name;
  const decimal = shortestDecimal(Math.abs(value));
  const exponent = decimal.point - 1;
  return signOf(value) + (exponent < -4 || exponent >= 6 ? withExponent(decimal) : withoutExponent(decimal));
}

/** %.<digits>g: so many significant digits at most, zeros at the end dropped, an exponent below 1e-4 and from 10^digits on. */
export function formatFloatDigits(value: number, digits: number): string {
  const name = nameOf(value);
  if (name !== '') return name;
  const rounded = roundedDecimal(Math.abs(value), digits);
  const decimal = { digits: rounded.digits.replace(/(?<=.)0+$/, ''), point: rounded.point };
  const exponent = decimal.point - 1;
  return signOf(value) + (exponent < -4 || exponent >= digits ? withExponent(decimal) : withoutExponent(decimal));
}

/** %f: six digits after the point, never an exponent. */
export function formatFloatSixPlaces(value: number): string {
  const name = nameOf(value);
  if (name !== '') return name;
  const size = Math.abs(value);
  if (size >= 2 ** 53) return `${signOf(value)}${BigInt(size)}.000000`;
  // A half at the seventh place has at most seven binary places: toFixed would round it up, Go rounds it to even.
  const parts = size * 128;
  const millionths = BigInt(Math.trunc(parts)) * 1_000_000n;
  const half = Number.isInteger(parts) && millionths % 128n === 64n && (millionths / 128n) % 2n === 0n;
  if (!half) return signOf(value) + size.toFixed(6);
  const digits = String(millionths / 128n).padStart(7, '0');
  return `${signOf(value)}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}
