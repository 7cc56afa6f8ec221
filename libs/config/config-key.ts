/**
 * A key of the configuration: its type, its default, and the sentence that explains it.
 * Owns how a text becomes a value. A tree of keys is a plain object; names are camelCase here, `http_port` in YAML,
 * `http-port` in flags and `HTTP_PORT` in the environment.
 */

/** A text that is not of the key's type; the message says what is wanted. */
export class KeyTypeError extends Error {
  override readonly name = 'KeyTypeError';
}

export interface ConfigKey<T> {
  readonly isKey: true;
  /** What a value looks like, for the reference and for errors. */
  readonly type: string;
  readonly defaultValue: T;
  /** The default as an operator would write it. */
  readonly defaultText: string;
  readonly sentence: string;
  /** @throws KeyTypeError */
  readonly parse: (text: string) => T;
}

export interface ConfigTree {
  readonly [name: string]: ConfigKey<unknown> | ConfigTree;
}

/** The values of a tree of keys. */
export type ValuesOf<T> = { readonly [K in keyof T]: T[K] extends ConfigKey<infer V> ? V : ValuesOf<T[K]> };

function key<T>(type: string, defaultText: string, sentence: string, parse: (text: string) => T): ConfigKey<T> {
  return { isKey: true, type, defaultText, sentence, parse, defaultValue: parse(defaultText) };
}

/** Any text. */
export function text(defaultText: string, sentence: string): ConfigKey<string> {
  return key('text', defaultText, sentence, (value) => value);
}

/** A whole number between two bounds, both allowed. */
export function integer(
  defaultValue: number,
  sentence: string,
  min = 0,
  max: number = Number.MAX_SAFE_INTEGER,
): ConfigKey<number> {
  return key('whole number', String(defaultValue), sentence, (value) => {
    const number = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new KeyTypeError(`a whole number from ${min} to ${max}`);
    return number;
  });
}

/** One of a few words. */
export function oneOf<const W extends string>(words: readonly W[], defaultText: W, sentence: string): ConfigKey<W> {
  return key<W>(words.join(' | '), defaultText, sentence, (value) => {
    const word = words.find((one) => one === value);
    if (word === undefined) throw new KeyTypeError(`one of ${words.join(', ')}`);
    return word;
  });
}

/** Words between commas. */
export function list(defaultText: string, sentence: string): ConfigKey<readonly string[]> {
  return key('words between commas', defaultText, sentence, (value) =>
    value
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  );
}

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/** A size in bytes: `100MB`, `64MiB`, `1048576`. */
export function bytes(defaultText: string, sentence: string): ConfigKey<number> {
  return key('size', defaultText, sentence, (value) => {
    const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(value);
    const unit = byteUnits[(match?.[2] ?? '?').toLowerCase()];
    if (match === null || unit === undefined) throw new KeyTypeError('a size like 100MB or 64MiB');
    return Math.floor(Number(match[1]) * unit);
  });
}

const durationUnitsMs: readonly (readonly [string, number])[] = [
  ['y', 365 * 86_400_000],
  ['w', 7 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];
const durationPattern = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** A Prometheus duration (`12h`, `1h30m`, `0`) in milliseconds. */
export function duration(defaultText: string, sentence: string): ConfigKey<number> {
  return key('duration', defaultText, sentence, parseDuration);
}

/** A timer that is set to less, or to more than 31 bits of milliseconds hold, goes off at once. */
const timerMs = { min: 1, max: 24 * 86_400_000 };

/** A duration that a timer is set to. */
export function timer(defaultText: string, sentence: string): ConfigKey<number> {
  return key('duration', defaultText, sentence, (value) => {
    const ms = parseDuration(value);
    if (!(ms >= timerMs.min && ms <= timerMs.max)) throw new KeyTypeError('a duration from 1ms to 24d');
    return ms;
  });
}

/** @throws KeyTypeError */
function parseDuration(value: string): number {
  if (value === '0') return 0;
  const match = value === '' ? null : durationPattern.exec(value);
  if (match === null) throw new KeyTypeError('a duration like 12h, 1h30m or 15s');
  return durationUnitsMs.reduce((sum, [, ms], i) => sum + Number(match[i + 1] ?? 0) * ms, 0);
}
