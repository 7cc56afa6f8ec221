/**
 * What a duration expression inside [...] or after `offset` is worth once step and range of the query are known.
 * Owns its arithmetic and its errors. Facts: Prometheus promql/durations.go.
 */
import { Failure } from '../../errors/failure.ts';
import { goMax, goMin, goPow } from '../go-math.ts';
import type { DurationExpr, DurationOperand } from '../syntax/ast.ts';

interface DurationContext {
  /** 0 for an instant query. */
  readonly stepSeconds: number;
  readonly rangeSeconds: number;
}

/** Seconds that fit an int64 of nanoseconds. */
const secondsMax = 2 ** 63 / 1e9;

/** Whole milliseconds, cut off. @throws Failure bad_data, with Prometheus' words and places (bytes, not line and column) */
export function resolveDurationMs(expr: DurationExpr, context: DurationContext, sign: 'positive' | 'any'): number {
  const seconds = evaluate(expr, context);
  if (!Number.isFinite(seconds)) throw fault(expr, 'duration is NaN or infinite');
  if (seconds <= 0 && sign === 'positive') throw fault(expr, 'duration must be greater than 0');
  if (seconds > secondsMax || seconds < -secondsMax) throw fault(expr, 'duration is out of range');
  return Math.trunc(seconds * 1000);
}

function evaluate(operand: DurationOperand, context: DurationContext): number {
  if (operand.kind === 'number') return operand.value;
  const lhs = operand.lhs === undefined ? 0 : evaluate(operand.lhs, context);
  const rhs = operand.rhs === undefined ? 0 : evaluate(operand.rhs, context);
  switch (operand.op) {
    case 'step':
      return context.stepSeconds;
    case 'range':
      return context.rangeSeconds;
    case 'min_of':
      return goMin(lhs, rhs);
    case 'max_of':
      return goMax(lhs, rhs);
    case '+':
      return operand.lhs === undefined ? rhs : lhs + rhs;
    case '-':
      return operand.lhs === undefined ? -rhs : lhs - rhs;
    case '*':
      return lhs * rhs;
    case '/':
      if (rhs === 0) throw fault(operand, 'division by zero');
      return lhs / rhs;
    case '%':
      if (rhs === 0) throw fault(operand, 'modulo by zero');
      return lhs % rhs;
    case '^':
      return goPow(lhs, rhs);
  }
}

function fault({ start, end }: DurationOperand, words: string): Failure {
  return new Failure('bad_data', `${start}:${end}: ${words}`);
}
