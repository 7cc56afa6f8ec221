/**
 * Times, durations and limits as the Prometheus API writes them.
 * Owns their syntax and the words of their errors (Prometheus 3.15 web/api/v1/api.go, Go's strconv and time, model.ParseDuration).
 * Times and durations are whole nanoseconds (bigint) until the checks are done, because those checks see nanoseconds;
 * the engine gets whole milliseconds. Where Prometheus lets an int64 overflow we answer an error instead.
 */
import { Failure } from '../errors/failure.ts';
import { parseGoFloat } from '../model/parse-float.ts';
import { quoteText } from '../promql/syntax/go-text.ts';
import type { RequestForm } from './request-form.ts';

const int64Max = 2n ** 63n - 1n;
const nsPerMs = 1_000_000n;
const nsPerSecond = 1_000_000_000n;

/** Prometheus' own far ends of time, which clients send in this form to say "everything". */
const minTimeText = '-292273086-05-16T16:47:06Z';
const maxTimeText = '292277025-08-18T07:12:54.999999999Z';
const minTimeNs = (-(2n ** 63n) / 1000n + 62_135_596_801n) * nsPerSecond;
const maxTimeNs = (int64Max / 1000n - 62_135_596_801n) * nsPerSecond + 999_999_999n;

/** So many characters of a parameter stand in an error: quoting megabytes takes the thread that takes writes seconds. */
const givenMax = 1_000;

/** What was given, quoted for an error. */
export function quoteGiven(text: string): string {
  return quoteText(text.length > givenMax ? `${text.slice(0, givenMax)}...` : text);
}

/** A parameter that cannot be read, as Prometheus words it. */
export function invalidParameter(name: string, reason: string): Failure {
  return new Failure('bad_data', `invalid parameter ${quoteText(name)}: ${reason}`);
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** time.Parse(time.RFC3339Nano): nanoseconds since the epoch, undefined if it is no such time. */
function parseRfc3339(text: string): bigint | undefined {
  const parts = rfc3339.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as number[];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // A date that does not exist comes out as another one.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const seconds = BigInt(date.getTime() / 1000 + hour * 3600 + minute * 60 + second);
  const offsetHours = Number(parts[9] ?? 0);
  const offsetMinutes = Number(parts[10] ?? 0);
  if (offsetHours > 24 || offsetMinutes > 60) return undefined;
  const offset = BigInt((offsetHours * 60 + offsetMinutes) * 60) * (parts[8] === '-' ? -1n : 1n);
  const nanoseconds = BigInt((parts[7] ?? '').slice(0, 9).padEnd(9, '0'));
  return (seconds - offset) * nsPerSecond + nanoseconds;
}

/** Seconds as a float, rounded to milliseconds the way Prometheus does it. */
function secondsToNs(seconds: number): bigint {
  const whole = Math.trunc(seconds);
  const fraction = goRound((seconds - whole) * 1000) / 1000;
  return BigInt(whole) * nsPerSecond + BigInt(Math.trunc(fraction * 1e9));
}

/** Go's math.Round: halves go away from zero. */
function goRound(value: number): number {
  return value < 0 ? -Math.round(-value) : Math.round(value);
}

/** A time in nanoseconds since the epoch. @throws Error with Prometheus' words. */
function parseTimeNs(text: string): bigint {
  const seconds = parseGoFloat(text);
  if (seconds !== undefined && Number.isFinite(seconds)) return secondsToNs(seconds);
  const time = seconds === undefined ? parseRfc3339(text) : undefined;
  if (time !== undefined) return time;
  if (text === minTimeText) return minTimeNs;
  if (text === maxTimeText) return maxTimeNs;
  throw new Error(`cannot parse ${quoteGiven(text)} to a valid timestamp`);
}

const unitNs: ReadonlyMap<string, { readonly rank: number; readonly ns: bigint }> = new Map([
  ['y', { rank: 1, ns: 365n * 86_400n * nsPerSecond }],
  ['w', { rank: 2, ns: 7n * 86_400n * nsPerSecond }],
  ['d', { rank: 3, ns: 86_400n * nsPerSecond }],
  ['h', { rank: 4, ns: 3_600n * nsPerSecond }],
  ['m', { rank: 5, ns: 60n * nsPerSecond }],
  ['s', { rank: 6, ns: nsPerSecond }],
  ['ms', { rank: 7, ns: nsPerMs }],
]);
const unitsPattern = /^(?:\d+[a-z]+)+$/;
const onePart = /(\d+)([a-z]+)/g;

/** model.ParseDuration: `1h30m`, units from large to small, each once. */
function parseUnits(text: string): bigint | undefined {
  if (text === '0') return 0n;
  if (text.length > 200 || !unitsPattern.test(text)) return undefined;
  let total = 0n;
  let rankBefore = 0;
  for (const [, count, unit] of text.matchAll(onePart)) {
    const known = unitNs.get(unit ?? '');
    if (known === undefined || known.rank <= rankBefore) return undefined;
    rankBefore = known.rank;
    total += BigInt(count ?? '') * known.ns;
    if (total > int64Max) return undefined;
  }
  return total;
}

/** A duration in nanoseconds. @throws Error with Prometheus' words. */
function parseDurationNs(text: string): bigint {
  const seconds = parseGoFloat(text);
  if (seconds !== undefined) {
    // Prometheus turns NaN into the most negative duration.
    if (Number.isNaN(seconds)) return -int64Max;
    const ns = seconds * 1e9;
    if (ns > 2 ** 63 || ns < -(2 ** 63)) {
      throw new Error(`cannot parse ${quoteGiven(text)} to a valid duration. It overflows int64`);
    }
    return BigInt(Math.trunc(ns));
  }
  const ns = parseUnits(text);
  if (ns === undefined) throw new Error(`cannot parse ${quoteGiven(text)} to a valid duration`);
  return ns;
}

function floorMs(ns: bigint): number {
  const ms = ns / nsPerMs;
  return Number(ms * nsPerMs > ns ? ms - 1n : ms);
}

/** Whole milliseconds that the engine can count with; those before 1970 are cut off above. @throws Error where they are beyond 2^53. */
function engineMs(ns: bigint, text: string): number {
  const ms = Number(ns / nsPerMs);
  if (!Number.isSafeInteger(ms)) throw new Error(`cannot parse ${quoteGiven(text)} to a valid timestamp`);
  return ms;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs a parse whose errors are sentences and makes them the parameter's failure. */
function reading<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw invalidParameter(name, messageOf(error));
  }
}

function readTimeParam<T>(form: RequestForm, name: string, absent: T, parse: (text: string) => T): T {
  return reading(name, () => parseTimeParam(form, name, absent, parse));
}

/** @throws Error with Prometheus' words. */
function parseTimeParam<T>(form: RequestForm, name: string, absent: T, parse: (text: string) => T): T {
  const text = form.get(name);
  if (text === '') return absent;
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`invalid time value for '${name}': ${messageOf(error)}`);
  }
}

/** `time` of an instant query in whole milliseconds. @throws Failure `bad_data`. */
export function readInstant(form: RequestForm, nowMs: number): number {
  return readTimeParam(form, 'time', nowMs, (text) => engineMs(parseTimeNs(text), text));
}

export interface TimeRangeMs {
  readonly startMs: number;
  readonly endMs: number;
}

/** `start` and `end` of an endpoint where both may be left out; clamped to what a number holds. */
export function readOptionalRange(form: RequestForm): TimeRangeMs {
  const startNs = readTimeParam(form, 'start', minTimeNs, parseTimeNs);
  const endNs = readTimeParam(form, 'end', maxTimeNs, parseTimeNs);
  return { startMs: clampMs(startNs), endMs: clampMs(endNs) };
}

/** The same with other defaults, and words that do not name the parameter twice. @throws Failure `bad_data`. */
export function readPlainRange(form: RequestForm, absent: TimeRangeMs): TimeRangeMs {
  const parse = (text: string) => clampMs(parseTimeNs(text));
  try {
    return {
      startMs: parseTimeParam(form, 'start', absent.startMs, parse),
      endMs: parseTimeParam(form, 'end', absent.endMs, parse),
    };
  } catch (error) {
    throw new Failure('bad_data', messageOf(error));
  }
}

function clampMs(ns: bigint): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, floorMs(ns)));
}

const pointsMax = 11_000n;

export interface StepsMs extends TimeRangeMs {
  readonly stepMs: number;
}

/** `start`, `end` and `step` of a range query. @throws Failure `bad_data`. */
export function readSteps(form: RequestForm): StepsMs {
  const [startText, endText] = [form.get('start'), form.get('end')];
  const startNs = reading('start', () => parseTimeNs(startText));
  const endNs = reading('end', () => parseTimeNs(endText));
  if (endNs < startNs) throw invalidParameter('end', 'end timestamp must not be before start time');
  const stepNs = reading('step', () => parseDurationNs(form.get('step')));
  if (stepNs <= 0n) {
    const reason = 'zero or negative query resolution step widths are not accepted. Try a positive integer';
    throw invalidParameter('step', reason);
  }
  const spanNs = endNs - startNs > int64Max ? int64Max : endNs - startNs;
  if (spanNs / stepNs > pointsMax) {
    throw new Failure(
      'bad_data',
      'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
    );
  }
  if (stepNs < nsPerMs) {
    throw invalidParameter('step', 'query resolution step widths below one millisecond are not accepted');
  }
  return {
    startMs: reading('start', () => engineMs(startNs, startText)),
    endMs: reading('end', () => engineMs(endNs, endText)),
    stepMs: Number(stepNs / nsPerMs),
  };
}

/** `timeout` in milliseconds, undefined if absent; not above zero means that the time is over already. */
export function readTimeoutMs(form: RequestForm): number | undefined {
  const text = form.get('timeout');
  if (text === '') return undefined;
  return Number(reading('timeout', () => parseDurationNs(text))) / 1e6;
}

/** `lookback_delta` in milliseconds, 0 for the server's own. The engine counts whole ones: within less than one it finds nothing. */
export function readLookbackMs(form: RequestForm): number {
  const text = form.get('lookback_delta');
  if (text === '') return 0;
  try {
    return Math.max(0, Number(parseDurationNs(text)) / 1e6);
  } catch (error) {
    throw new Failure('bad_data', `error parsing lookback delta duration: ${messageOf(error)}`);
  }
}

const atoiPattern = /^[+-]?[0-9]+$/;

/** strconv.Atoi. @throws Error with Go's words. */
export function parseGoInteger(text: string, call = 'Atoi'): number {
  if (!atoiPattern.test(text)) throw new Error(`strconv.${call}: parsing ${quoteGiven(text)}: invalid syntax`);
  const value = text.length > 25 ? 2n ** 64n : BigInt(text.replace('+', ''));
  if (value > int64Max || value < -int64Max - 1n) {
    throw new Error(`strconv.${call}: parsing ${quoteGiven(text)}: value out of range`);
  }
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(Number.MIN_SAFE_INTEGER, Number(value)));
}

/** `limit`, 0 for none. @throws Failure `bad_data`. */
export function readLimit(form: RequestForm): number {
  const text = form.get('limit');
  if (text === '') return 0;
  return reading('limit', () => {
    const limit = parseGoInteger(text);
    if (limit < 0) throw new Error('limit must be non-negative');
    return limit;
  });
}
