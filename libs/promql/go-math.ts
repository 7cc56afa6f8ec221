/**
 * Float functions where JavaScript's answer differs from Go's (math package), so that PromQL has Go's.
 * Owns the special cases, and the ways that lose more than a last digit (an arc cosine is what an arc sine leaves of a quarter, a
 * logarithm to 2 is that of a fraction and an exponent); the rest is Math's. Facts: Go math.{Max,Min,Pow,Log2,Asin,Sinh}.
 * What Go has wrong on amd64 alone is not here: DIFFERENCES.md.
 */

/** math.Max: +Infinity wins over NaN. */
export function goMax(a: number, b: number): number {
  return a === Number.POSITIVE_INFINITY || b === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : Math.max(a, b);
}

/** math.Min: -Infinity wins over NaN. */
export function goMin(a: number, b: number): number {
  return a === Number.NEGATIVE_INFINITY || b === Number.NEGATIVE_INFINITY ? Number.NEGATIVE_INFINITY : Math.min(a, b);
}

/** math.Log2: whole for powers of two. */
export function goLog2(value: number): number {
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) return Math.log2(value);
  const power = exponentOf(value);
  const fraction = scaled(value, -power);
  return fraction === 0.5 ? power - 1 : Math.log(fraction) * (1 / Math.LN2) + power;
}

/** math.Asin, through an arc tangent. */
export function goAsin(value: number): number {
  const size = Math.abs(value);
  if (!(size > 0 && size <= 1)) return Math.asin(value);
  const other = Math.sqrt(1 - size * size);
  const angle = size > 0.7 ? Math.PI / 2 - Math.atan(other / size) : Math.atan(size / other);
  return value < 0 ? -angle : angle;
}

/** math.Acos */
export function goAcos(value: number): number {
  return Math.PI / 2 - goAsin(value);
}

/** From here on the smaller half of sinh and cosh does not show. */
const oneSided = 21;

/** math.Sinh: infinite where exp is. */
export function goSinh(value: number): number {
  return Math.abs(value) > oneSided ? Math.sign(value) * Math.exp(Math.abs(value)) * 0.5 : Math.sinh(value);
}

/** math.Cosh: infinite where exp is. */
export function goCosh(value: number): number {
  return Math.abs(value) > oneSided ? Math.exp(Math.abs(value)) * 0.5 : Math.cosh(value);
}

const wholeMax = 2 ** 63;
const smallestSafe = 2 ** -1000;
const largestSafe = 2 ** 1000;
const scratch = new DataView(new ArrayBuffer(8));

/**
 * math.Pow. 1 to any power is 1, and so is -1 to an infinite one; and a whole power is what repeated squaring makes of it, whose
 * rounding errors are far above those of an exact power where the exponent is large. What follows the point goes through exp and log.
 */
export function goPow(base: number, exponent: number): number {
  if (base === 1) return 1;
  if (base === -1 && (exponent === Number.POSITIVE_INFINITY || exponent === Number.NEGATIVE_INFINITY)) return 1;
  // Zero, infinite or no numbers at all are the same everywhere, and so is what surely leaves the range of a number.
  if (base === 0 || exponent === 0 || !Number.isFinite(base) || !Number.isFinite(exponent)) return base ** exponent;
  if (exponent === 1) return base;
  if (exponent === 0.5) return Math.sqrt(base);
  if (exponent === -0.5) return 1 / Math.sqrt(base);
  let whole = Math.trunc(Math.abs(exponent));
  let part = Math.abs(exponent) - whole;
  if (part !== 0 && base < 0) return Number.NaN;
  if (whole >= wholeMax) return base ** exponent;
  if (part > 0.5) {
    part--;
    whole++;
  }
  const start = part === 0 ? 1 : Math.exp(part * Math.log(base));
  const power = powerInRange(start, base, whole);
  if (power === undefined) return powerOfFraction(start, base, whole, exponent < 0);
  return exponent < 0 ? 1 / power : power;
}

/** start * base^whole by squaring; undefined where a number on the way, or its inverse, is too large or too small to have all digits. */
function powerInRange(start: number, base: number, whole: number): number | undefined {
  let result = start;
  let square = base;
  for (let left = whole; left !== 0; ) {
    if (left % 2 === 1) result *= square;
    left = Math.floor(left / 2);
    if (left === 0) break;
    square *= square;
    if (!(square >= smallestSafe && square <= largestSafe)) return undefined;
  }
  const size = Math.abs(result);
  return size >= smallestSafe && size <= largestSafe ? result : undefined;
}

/** The same with the base as a fraction in [0.5, 1) and a power of two apart, so that squaring it never leaves the range. */
function powerOfFraction(start: number, base: number, whole: number, inverse: boolean): number {
  let result = start;
  let power = exponentOf(base);
  let fraction = scaled(base, -power);
  let resultPower = 0;
  for (let left = whole; left !== 0; left = Math.floor(left / 2)) {
    if (Math.abs(power) > 4096) {
      resultPower += power;
      break;
    }
    if (left % 2 === 1) {
      result *= fraction;
      resultPower += power;
    }
    fraction *= fraction;
    power *= 2;
    if (fraction < 0.5) {
      fraction *= 2;
      power--;
    }
  }
  return inverse ? scaled(1 / result, -resultPower) : scaled(result, resultPower);
}

/** The exponent e of a finite number f * 2^e other than 0 with f in [0.5, 1). */
function exponentOf(value: number): number {
  scratch.setFloat64(0, value);
  const biased = (scratch.getUint16(0) >>> 4) & 0x7ff;
  return biased === 0 ? exponentOf(value * 2 ** 64) - 64 : biased - 1022;
}

/** value * 2^power, rounded once. */
function scaled(value: number, power: number): number {
  let [left, rest] = [value, power];
  // Upwards in steps that are numbers themselves.
  for (; rest > 1023 && Number.isFinite(left); rest -= 1023) left *= 2 ** 1023;
  if (rest >= -1022) return left * 2 ** Math.min(rest, 1023);
  // Downwards: only the last step may leave the normal numbers, which is where digits are lost.
  const own = exponentOf(left);
  if (own + rest < -1080) return left < 0 ? -0 : 0;
  left *= 2 ** -(own - 1);
  return left * 2 ** -1000 * 2 ** (rest + own - 1 + 1000);
}
