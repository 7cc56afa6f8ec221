/**
 * Carries out a test script against anything that evaluates queries, and reports each evaluation that is not as it should be.
 * Owns which questions one eval command asks: beside its own, the same with `@` set on every selector, asked at other times, and
 * each of these as the middle of a range query. Facts: Prometheus promql/promqltest/test.go (runInstantQuery,
 * atModifierTestCases). `@` is set in the tree, which is then printed and parsed again, so that the printer is tested too.
 */
import type { SeriesReader } from '../../series/series-reader.ts';
import type { Expr, TimeModifiers } from '../syntax/ast.ts';
import { parseExpr } from '../syntax/parser.ts';
import { formatExpr } from '../syntax/printer.ts';
import { type AnswerTexts, type AnswerValue, annotationDifferences, valueDifferences } from './compare-answer.ts';
import { MemorySource } from './memory-source.ts';
import { type EvalCommand, parseScript } from './parse-script.ts';

export interface Question {
  readonly expr: string;
  /** An instant query has equal ends and a step of 0. */
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

/** `failure` is the text of an expected error; what is thrown is a fault of the evaluator. */
export type Answer = ({ readonly value: AnswerValue } & AnswerTexts) | { readonly failure: string };

export type Evaluate = (question: Question, reader: SeriesReader) => Answer;

export interface EvalFailure {
  /** Of the eval command in the script, from 1. */
  readonly line: number;
  readonly expr: string;
  /** Which question was answered wrongly and how, in several lines. */
  readonly report: string;
}

export interface ScriptOutcome {
  /** Eval commands. */
  readonly total: number;
  /** One for each command that failed: what was wrong first. */
  readonly failures: readonly EvalFailure[];
}

/** All that the scripts use is on. */
const syntax = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };

/** Functions whose result depends on the time of evaluation even where all selectors have `@`. */
const timeDependent: ReadonlySet<string> = new Set(
  (
    'days_in_month day_of_month day_of_week day_of_year end hour minute month predict_linear range start step time ' +
    'timestamp year'
  ).split(' '),
);

/** A query of which other bounds make another query. */
const readsBounds = /(?:start|end|range|step)\(\)/;
const aroundMs = 60_000;
const differencesShownMax = 6;

/** @throws ScriptError, ParseError or Failure where the script itself is wrong */
export function runScript(text: string, evaluate: Evaluate): ScriptOutcome {
  const source = new MemorySource();
  const failures: EvalFailure[] = [];
  let total = 0;
  for (const command of parseScript(text)) {
    switch (command.kind) {
      case 'clear':
        source.clear();
        break;
      case 'load':
        source.load(command);
        break;
      case 'eval': {
        total++;
        const report = runEval(command, (question) => evaluate(question, source));
        if (report !== undefined) failures.push({ line: command.line, expr: command.expr, report });
      }
    }
  }
  return { total, failures };
}

export type Ask = (question: Question) => Answer;

/** Asks all questions of one eval command. Returns what was wrong first; undefined if nothing. */
export function runEval(command: EvalCommand, ask: Ask): string | undefined {
  const { expr, startMs, endMs, stepMs, range } = command;
  const own: Question = { expr, startMs, endMs, stepMs };
  if (range) return faultOf(command, own, ask);
  const questions = [own];
  const fixed = withAtEverywhere(expr, startMs);
  if (fixed !== undefined) {
    for (const t of otherTimes(startMs)) questions.push({ expr: fixed, startMs: t, endMs: t, stepMs: 0 });
  }
  for (const question of questions) {
    const fault = faultOf(command, question, ask) ?? faultAsRange(command, question, ask);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function otherTimes(t: number): number[] {
  return t === 0 ? [-1000, 0, 1000] : [-10 * t, 0, Math.trunc(t / 5), t, 10 * t];
}

/** The answer, or what was thrown as a report. */
function answerOf(question: Question, ask: Ask): Answer | string {
  try {
    return ask(question);
  } catch (error) {
    return report(question, [`the evaluation broke: ${error instanceof Error ? error.stack : String(error)}`]);
  }
}

function faultOf(command: EvalCommand, question: Question, ask: Ask): string | undefined {
  const answer = answerOf(question, ask);
  if (typeof answer === 'string') return answer;
  const { fail } = command;
  if ('failure' in answer) {
    if (fail === undefined) return report(question, [`failed: ${answer.failure}`]);
    if (fail.matches(answer.failure)) return undefined;
    return report(question, [`expected failure: ${fail.description}`, `got: ${answer.failure}`]);
  }
  if (fail !== undefined) return report(question, [`expected failure: ${fail.description}`, 'got a result']);
  const differences = [...annotationDifferences(command, answer), ...valueDifferences(command, answer.value)];
  return differences.length === 0 ? undefined : report(question, differences);
}

/** The same question as the middle of a range query; it is asked only where it means the same. */
function faultAsRange(command: EvalCommand, instant: Question, ask: Ask): string | undefined {
  const { expr, startMs: t } = instant;
  const isMatrix = command.expectedTimes !== undefined || command.expected.kind === 'string';
  if (command.fail !== undefined || isMatrix || readsBounds.test(expr)) return undefined;
  const question: Question = { expr, startMs: t - aroundMs, endMs: t + aroundMs, stepMs: aroundMs };
  const answer = answerOf(question, ask);
  if (typeof answer === 'string') return answer;
  if ('failure' in answer) return report(question, [`failed: ${answer.failure}`]);
  if (command.ordered) return undefined;
  const { value } = answer;
  if (value.kind !== 'matrix') return report(question, [`a range query gave a ${value.kind}`]);
  const middle = value.series
    .map(({ labels, points }) => ({ labels, points: points.filter((point) => point.t === t) }))
    .filter(({ points }) => points.length > 0);
  const scalar = middle[0]?.points[0]?.value ?? Number.NaN;
  const asInstant: AnswerValue =
    command.expected.kind === 'scalar' ? { kind: 'scalar', value: scalar } : { kind: 'vector', series: middle };
  const differences = valueDifferences(command, asInstant);
  return differences.length === 0 ? undefined : report(question, differences);
}

function report({ expr, startMs, endMs, stepMs }: Question, differences: readonly string[]): string {
  const when = startMs === endMs ? `at ${startMs}ms` : `from ${startMs}ms to ${endMs}ms step ${stepMs}ms`;
  const shown = differences.slice(0, differencesShownMax);
  if (shown.length < differences.length) shown.push(`and ${differences.length - shown.length} more`);
  return [`${when} ${expr}`, ...shown.map((line) => `    ${line}`)].join('\n');
}

/**
 * The text with `@ t` on each selector and subquery that has no `@`, those inside of a subquery with `@` apart; undefined where a
 * function looks at the time of evaluation all the same.
 */
function withAtEverywhere(text: string, t: number): string | undefined {
  const setter = new AtSetter(t);
  const expr = setter.set(parseExpr(text, syntax));
  return setter.foundTimeDependent ? undefined : formatExpr(expr);
}

class AtSetter {
  readonly #t: number;
  foundTimeDependent = false;

  constructor(t: number) {
    this.#t = t;
  }

  set(expr: Expr): Expr {
    switch (expr.kind) {
      case 'number':
      case 'string':
        return expr;
      case 'vectorSelector':
        return this.#at(expr);
      case 'matrixSelector':
        return { ...expr, selector: this.#at(expr.selector) };
      case 'subquery':
        // Outer nodes come first, so what is inside always finds an `@` above it.
        return this.#at(expr);
      case 'call':
        this.foundTimeDependent ||= timeDependent.has(expr.func.name);
        return { ...expr, args: expr.args.map((arg) => this.set(arg)) };
      case 'aggregate': {
        const param = expr.param === undefined ? undefined : this.set(expr.param);
        return { ...expr, param, expr: this.set(expr.expr) };
      }
      case 'binary':
        return { ...expr, lhs: this.set(expr.lhs), rhs: this.set(expr.rhs) };
      case 'unary':
      case 'paren':
        return { ...expr, expr: this.set(expr.expr) };
    }
  }

  #at<T extends TimeModifiers>(node: T): T {
    // `@ start()` and `@ end()` of an instant query are its time, and are not to move with the other times.
    return node.atMs === undefined ? { ...node, atMs: this.#t, startOrEnd: undefined } : node;
  }
}
