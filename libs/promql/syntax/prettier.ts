/**
 * An expression over several lines, as format_query answers: whatever is longer than 100 bytes is taken apart and
 * indented. Owns the breaking of lines; the text of a line is printer.ts'. Facts: Prometheus promql/parser/prettier.go,
 * its quirks included (a short subquery is not indented; an operator's line is indented as deep as its parent).
 */
import { Failure } from '../../errors/failure.ts';
import { neverEnded, type Worked } from '../worked.ts';
import type { Expr } from './ast.ts';
import { formatAggregateHead, formatExpr, formatOperator, formatSubqueryTimes } from './printer.ts';

const lineBytesMax = 100;
/** A node may be a line, which takes some microseconds. */
const workPerNode = 64;
/** So many are copied in the time of a unit of work. */
const charactersPerWork = 64;
/** Indentation grows with the square of the depth: a text that is mostly margins is refused. */
const marginBytesMax = 32 * 1024 * 1024;

/**
 * Text of an expression over as many lines as it needs. `worked` may throw to end it.
 * @throws Failure `bad_data` if it would be mostly margins, and tens of megabytes of them
 */
export function prettyExpr(expr: Expr, worked: Worked = neverEnded): string {
  return new Prettier(worked).pretty(expr, 0);
}

class Prettier {
  readonly #worked: Worked;
  #marginBytes = 0;

  constructor(worked: Worked) {
    this.#worked = worked;
  }

  pretty(expr: Expr, level: number): string {
    this.#worked(workPerNode);
    switch (expr.kind) {
      case 'number':
      case 'string':
      case 'vectorSelector':
      case 'matrixSelector':
        return this.#margin(level) + formatExpr(expr);
      case 'unary':
        return this.#margin(level) + expr.op + this.#trimmed(this.pretty(expr.expr, level));
      case 'subquery':
        return oneLine(expr) ?? this.pretty(expr.expr, level) + formatSubqueryTimes(expr);
      default: {
        const line = oneLine(expr);
        return line === undefined ? this.#split(expr, level) : this.#margin(level) + line;
      }
    }
  }

  #split(expr: Extract<Expr, { kind: 'aggregate' | 'binary' | 'call' | 'paren' }>, level: number): string {
    const margin = this.#margin(level);
    switch (expr.kind) {
      case 'aggregate': {
        const param = expr.param === undefined ? '' : `${this.pretty(expr.param, level + 1)},\n`;
        return `${margin}${formatAggregateHead(expr)}(\n${param}${this.pretty(expr.expr, level + 1)}\n${margin})`;
      }
      case 'binary':
        return `${this.pretty(expr.lhs, level + 1)}\n${margin}${formatOperator(expr)}\n${this.pretty(expr.rhs, level + 1)}`;
      case 'call': {
        // Put together by +, which copies nothing: join would copy all of it once for every level.
        let args = '';
        for (const arg of expr.args) args += (args === '' ? '' : ',\n') + this.pretty(arg, level + 1);
        return `${margin}${expr.func.name}(\n${args}\n${margin})`;
      }
      case 'paren':
        return `${margin}(\n${this.pretty(expr.expr, level + 1)}\n${margin})`;
    }
  }

  #trimmed(text: string): string {
    this.#worked(text.length / charactersPerWork);
    return text.trim();
  }

  #margin(level: number): string {
    this.#marginBytes += 2 * level;
    if (this.#marginBytes > marginBytesMax) throw new Failure('bad_data', 'the expression is too deep to be formatted');
    return '  '.repeat(level);
  }
}

/** The expression in one line, if it fits into one. */
function oneLine(expr: Expr): string | undefined {
  // To print every level would cost the square of the size, so first a bound from below that stops early.
  if (restOfLine(expr, lineBytesMax) < 0) return undefined;
  const text = formatExpr(expr);
  return Buffer.byteLength(text) <= lineBytesMax ? text : undefined;
}

/** What is left of so many characters after printing the expression, at best; below 0 if it cannot fit. */
function restOfLine(expr: Expr, room: number): number {
  if (room < 0) return room;
  switch (expr.kind) {
    case 'number':
      return room - 1;
    case 'string':
      return room - expr.value.length;
    case 'vectorSelector':
      return room - expr.name.length - expr.matchers.length;
    case 'matrixSelector':
      return restOfLine(expr.selector, room) - 1;
    case 'call': {
      let rest = room - expr.func.name.length;
      for (let i = 0; i < expr.args.length && rest >= 0; i++) rest = restOfLine(expr.args[i] as Expr, rest);
      return rest;
    }
    case 'binary':
      // Right first: chains to the left are the long ones, and the room is gone before they are walked.
      return restOfLine(expr.lhs, restOfLine(expr.rhs, room - 1));
    default:
      return restOfLine(expr.expr, room - 1);
  }
}
