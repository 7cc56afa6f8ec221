/**
 * The text of a PromQL test script as commands: load samples, evaluate and expect, clear.
 * Owns the format, which is that of Prometheus' own scripts (promql/promqltest/test.go, README.md). The notation of one series is
 * syntax/series-description.ts; carrying commands out is run-script.ts. Surprising: a comment line counts as an empty one, and an
 * empty line ends a block.
 */
import { RE2JS } from 're2js';
import type { Labels } from '../../model/labels.ts';
import { parseDurationMs, parseNumber, unquote } from '../syntax/literals.ts';
import { parseSeriesDescription, type SequenceValue } from '../syntax/series-description.ts';

/** All times and durations are whole milliseconds since the epoch; line numbers count from 1. */
export type ScriptCommand = ClearCommand | LoadCommand | EvalCommand;

export interface ClearCommand {
  readonly kind: 'clear';
  readonly line: number;
}

export interface LoadCommand {
  readonly kind: 'load';
  readonly line: number;
  readonly stepMs: number;
  /** Also store a native histogram with custom buckets for every classic one. */
  readonly withCustomBuckets: boolean;
  readonly series: readonly LoadedSeries[];
}

/** Value i is the sample at i steps. */
export interface LoadedSeries {
  readonly labels: Labels;
  readonly values: readonly SequenceValue[];
  /** Start time of each sample less its own time, undefined where it has none; undefined if none has. */
  readonly startOffsetsMs: readonly (number | undefined)[] | undefined;
}

/** What a message or annotation must be. */
export interface TextExpectation {
  matches(text: string): boolean;
  /** For reports. */
  readonly description: string;
}

export interface ExpectedSeries {
  readonly labels: Labels;
  /** From 0, in the order of the script. */
  readonly position: number;
  readonly values: readonly SequenceValue[];
}

export type ExpectedResult =
  /** By Labels.key. */
  | { readonly kind: 'series'; readonly byKey: ReadonlyMap<string, ExpectedSeries> }
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string };

export type AnnotationKind = 'warn' | 'no_warn' | 'info' | 'no_info';

export interface EvalCommand {
  readonly kind: 'eval';
  readonly line: number;
  readonly expr: string;
  readonly range: boolean;
  /** When it is evaluated; for an instant query both are equal and the step is 0. */
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  readonly ordered: boolean;
  /** Defined if the evaluation is to fail. */
  readonly fail: TextExpectation | undefined;
  readonly annotations: Readonly<Record<AnnotationKind, readonly TextExpectation[]>>;
  readonly expected: ExpectedResult;
  /** Where expected value i stands in time: firstMs + i * stepMs, not after lastMs. Of an instant query that gives a matrix, or of a range query. */
  readonly expectedTimes: { readonly firstMs: number; readonly lastMs: number; readonly stepMs: number } | undefined;
}

/** A fault of the script itself. */
class ScriptError extends Error {
  readonly line: number;

  constructor(line: number, message: string, cause?: unknown) {
    super(`line ${line}: ${message}`, cause === undefined ? undefined : { cause });
    this.name = 'ScriptError';
    this.line = line;
  }
}

const loadPattern = /^load(?:_(with_nhcb))?\s+(.+?)$/;
const instantPattern = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$/;
const rangePattern = /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$/;
const expectPattern = /^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$/;
const expectRangePattern = /^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$/;
const expectStringPrefix = 'expect string';
const anyText: TextExpectation = { matches: () => true, description: 'any text' };

/** @throws ScriptError */
export function parseScript(text: string): ScriptCommand[] {
  return new ScriptParser(text).parse();
}

class ScriptParser {
  readonly #lines: readonly string[];
  /** Index of the line that is next. */
  #next = 0;

  constructor(text: string) {
    this.#lines = text.split('\n').map((line) => {
      const trimmed = line.trim();
      return trimmed.startsWith('#') ? '' : trimmed;
    });
  }

  parse(): ScriptCommand[] {
    const commands: ScriptCommand[] = [];
    while (this.#next < this.#lines.length) {
      const line = this.#lines[this.#next++];
      if (line === '') continue;
      const word = line.split(/[\t ]+/, 1)[0].toLowerCase();
      if (word === 'clear') commands.push({ kind: 'clear', line: this.#next });
      else if (word.startsWith('load')) commands.push(this.#load(line));
      else if (word.startsWith('eval')) commands.push(this.#eval(line));
      else this.#fail(`no command: ${line}`);
    }
    return commands;
  }

  #fail(message: string, cause?: unknown): never {
    throw new ScriptError(this.#next, message, cause);
  }

  /** The next line of the block, undefined at its end. */
  #blockLine(): string | undefined {
    const line = this.#lines[this.#next];
    if (line === undefined || line === '') return undefined;
    this.#next++;
    return line;
  }

  #duration(text: string): number {
    if (text === '0') return 0;
    const ms = text === '' ? { problem: 'empty duration' } : parseDurationMs(text);
    if (typeof ms !== 'number') this.#fail(ms.problem);
    return ms;
  }

  #series(text: string): { readonly labels: Labels; readonly values: readonly SequenceValue[] } {
    try {
      return parseSeriesDescription(text);
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error), error);
    }
  }

  // load

  #load(line: string): LoadCommand {
    const match = loadPattern.exec(line);
    if (match === null) this.#fail(`no load command: ${line}`);
    const [, suffix, step = ''] = match;
    const commandLine = this.#next;
    const stepMs = this.#duration(step);
    // The last of equal series in a block counts.
    const byKey = new Map<string, LoadedSeries>();
    for (let text = this.#blockLine(); text !== undefined; text = this.#blockLine()) {
      const series = isStartTimeLine(text) ? this.#seriesWithStartTimes(text) : this.#seriesAlone(text);
      byKey.set(series.labels.key, series);
    }
    const withCustomBuckets = suffix !== undefined;
    return { kind: 'load', line: commandLine, stepMs, withCustomBuckets, series: [...byKey.values()] };
  }

  #seriesAlone(text: string): LoadedSeries {
    const { labels, values } = this.#series(text);
    return { labels, values, startOffsetsMs: undefined };
  }

  /** A line `metric@st ...` and the one with the samples. */
  #seriesWithStartTimes(text: string): LoadedSeries {
    const space = text.search(/[ \t]/);
    const { labels } = this.#series(`${text.slice(0, space - '@st'.length)} _`);
    const items = text.slice(space).trim().split(/\s+/);
    const startOffsetsMs = items.flatMap((item) => this.#startOffsets(item));
    const samples = this.#blockLine();
    if (samples === undefined || isStartTimeLine(samples)) this.#fail('no samples follow a line of start times');
    const { labels: sampleLabels, values } = this.#series(samples);
    if (sampleLabels.key !== labels.key) this.#fail('start times and samples are of different series');
    if (values.length !== startOffsetsMs.length) {
      this.#fail(`${startOffsetsMs.length} start times for ${values.length} samples`);
    }
    return { labels, values, startOffsetsMs };
  }

  /** `_`, `_x3`, `-1m`, `-1mx3`, `-1m+10sx3`: what repeats holds one value more than it says, but for blanks. */
  #startOffsets(item: string): (number | undefined)[] {
    const blank = /^_(?:x([1-9][0-9]*))?$/.exec(item);
    if (blank !== null) return new Array<undefined>(Number(blank[1] ?? 1)).fill(undefined);
    const match = /^([+-]?)([0-9]+[a-z]*?)(?:([+-])([+-]?)([0-9]+[a-z]*?))?(?:x([0-9]+))?$/.exec(item);
    if (match === null || (match[5] !== undefined && match[6] === undefined)) this.#fail(`no start time: ${item}`);
    const [, sign, size, direction, stepSign, stepSize, count = '0'] = match;
    const firstMs = (sign === '-' ? -1 : 1) * this.#duration(size);
    const stepMs = stepSize === undefined ? 0 : this.#duration(stepSize);
    const signedStepMs = (direction === '-') === (stepSign === '-') ? stepMs : -stepMs;
    return Array.from({ length: Number(count) + 1 }, (_, i) => firstMs + i * signedStepMs);
  }

  // eval

  #eval(line: string): EvalCommand {
    const instant = instantPattern.exec(line);
    if (instant !== null) {
      const atMs = this.#duration(instant[2] ?? '');
      return this.#expectations(instant[1], instant[3], { range: false, startMs: atMs, endMs: atMs, stepMs: 0 });
    }
    const range = rangePattern.exec(line);
    if (range === null) this.#fail(`no eval command: ${line}`);
    return this.#expectations(range[1], range[5], { range: true, ...this.#times(range[2], range[3], range[4]) });
  }

  #times(from: string, to: string, step: string): { startMs: number; endMs: number; stepMs: number } {
    const startMs = this.#duration(from);
    const endMs = this.#duration(to);
    if (endMs < startMs) this.#fail('the end lies before the start');
    return { startMs, endMs, stepMs: this.#duration(step) };
  }

  #expectations(
    suffix: string | undefined,
    expr: string,
    times: Pick<EvalCommand, 'range' | 'startMs' | 'endMs' | 'stepMs'>,
  ): EvalCommand {
    const commandLine = this.#next;
    const annotations: Record<AnnotationKind, TextExpectation[]> = { warn: [], no_warn: [], info: [], no_info: [] };
    if (suffix === 'warn' || suffix === 'info') annotations[suffix].push(anyText);
    let ordered = suffix === 'ordered';
    let fail = suffix === 'fail' ? anyText : undefined;
    let evaluated = times;
    let expectedTimes: EvalCommand['expectedTimes'];
    if (times.range) expectedTimes = { firstMs: times.startMs, lastMs: times.endMs, stepMs: times.stepMs };
    const byKey = new Map<string, ExpectedSeries>();
    let expected: ExpectedResult = { kind: 'series', byKey };
    for (let line = this.#blockLine(); line !== undefined; line = this.#blockLine()) {
      const deprecated = /^expected_fail_(message|regexp)\b(.*)$/.exec(line);
      const range = expectRangePattern.exec(line);
      if (suffix === 'fail' && deprecated !== null) {
        fail = this.#textExpectation(deprecated[1] === 'message' ? 'msg' : 'regex', deprecated[2]);
      } else if (range !== null) {
        const { startMs, endMs, stepMs } = this.#times(range[1], range[2], range[3]);
        expectedTimes = { firstMs: startMs, lastMs: endMs, stepMs };
        if (!times.range) evaluated = { range: false, startMs: endMs, endMs, stepMs: 0 };
      } else if (line.startsWith(expectStringPrefix)) {
        expected = { kind: 'string', value: this.#stringLiteral(line.slice(expectStringPrefix.length).trim()) };
      } else if (line.split(' ', 1)[0] === 'expect') {
        const match = expectPattern.exec(line);
        if (match === null) this.#fail(`no expectation: ${line}`);
        const [, kind, form, text] = match;
        if (kind === 'ordered') ordered = true;
        else if (kind === 'fail') {
          if (fail !== undefined) this.#fail('more than one failure is expected');
          fail = this.#textExpectation(form, text);
        } else annotations[kind as AnnotationKind].push(this.#textExpectation(form, text));
      } else if (scalarOf(line) !== undefined) {
        expected = { kind: 'scalar', value: scalarOf(line) ?? 0 };
        break;
      } else {
        const { labels, values } = this.#series(line);
        if (values.length > 1 && expectedTimes === undefined) this.#fail('several values at one instant');
        byKey.set(labels.key, { labels, position: byKey.size, values });
      }
    }
    if (annotations.warn.length > 0 && annotations.no_warn.length > 0)
      this.#fail('warn and no_warn exclude each other');
    if (annotations.info.length > 0 && annotations.no_info.length > 0)
      this.#fail('info and no_info exclude each other');
    return { kind: 'eval', line: commandLine, expr, ...evaluated, ordered, fail, annotations, expected, expectedTimes };
  }

  #textExpectation(form: string | undefined, text: string | undefined): TextExpectation {
    const wanted = text?.trim() ?? '';
    if (form === undefined) return anyText;
    if (form === 'msg') return { matches: (actual) => actual === wanted, description: wanted };
    try {
      const pattern = RE2JS.compile(wanted);
      return { matches: (actual) => pattern.matcher(actual).find(), description: `/${wanted}/` };
    } catch (error) {
      this.#fail(`no regular expression: ${wanted}`, error);
    }
  }

  #stringLiteral(text: string): string {
    if (!/^(?:"(?:[^"\\]|\\.)*"|`[^`]*`)$/s.test(text)) this.#fail('a quoted string is expected');
    return unquote(text);
  }
}

/** Whether the first word ends in `@st`. */
function isStartTimeLine(line: string): boolean {
  return /^[^ \t]*@st[ \t]/.test(line);
}

/** The number that is all of the line. */
function scalarOf(line: string): number | undefined {
  const value = parseNumber(line.replace(/^[+-]/, ''));
  if (typeof value !== 'number') return undefined;
  return line.startsWith('-') ? -value : value;
}
