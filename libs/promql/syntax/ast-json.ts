/**
 * The tree of an expression as parse_query answers it.
 * Owns that JSON. Keys stand in alphabetical order because Go writes maps so; lone bytes (libs/model/raw-text.ts)
 * stay half a surrogate pair, for whoever writes them. Facts: Prometheus web/api/v1/translate_ast.go.
 */
import type { Matcher } from '../../model/matcher.ts';
import { neverEnded, type Worked, workPerNode } from '../worked.ts';
import type { BinaryExpr, DurationOperand, Expr, TimeModifiers } from './ast.ts';
import { formatPlainFloat } from './go-text.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The tree as plain values, ready for JSON.stringify. Durations and times are in milliseconds. `worked` may throw to end it. */
export function exprToJson(expr: Expr, worked: Worked = neverEnded): Json {
  worked(workPerNode);
  switch (expr.kind) {
    case 'number':
      return { type: 'numberLiteral', val: formatPlainFloat(expr.value) };
    case 'string':
      return { type: 'stringLiteral', val: expr.value };
    case 'vectorSelector': {
      const { anchored, matchers, name, smoothed } = expr;
      const { offset, offsetExpr, startOrEnd, timestamp } = timesJson(expr);
      const matchersJson = matchers.map(matcherJson);
      return {
        anchored,
        matchers: matchersJson,
        name,
        offset,
        offsetExpr,
        smoothed,
        startOrEnd,
        timestamp,
        type: 'vectorSelector',
      };
    }
    case 'matrixSelector': {
      const { anchored, matchers, name, smoothed } = expr.selector;
      const { offset, offsetExpr, startOrEnd, timestamp } = timesJson(expr.selector);
      return {
        anchored,
        matchers: matchers.map(matcherJson),
        name,
        offset,
        offsetExpr,
        range: expr.rangeMs,
        rangeExpr: durationJson(expr.rangeExpr),
        smoothed,
        startOrEnd,
        timestamp,
        type: 'matrixSelector',
      };
    }
    case 'subquery': {
      const { offset, offsetExpr, startOrEnd, timestamp } = timesJson(expr);
      return {
        expr: exprToJson(expr.expr, worked),
        offset,
        offsetExpr,
        range: expr.rangeMs,
        rangeExpr: durationJson(expr.rangeExpr),
        startOrEnd,
        step: expr.stepMs,
        stepExpr: durationJson(expr.stepExpr),
        timestamp,
        type: 'subquery',
      };
    }
    case 'call': {
      const { name, argTypes, variadic, returnType } = expr.func;
      return {
        args: expr.args.map((arg) => exprToJson(arg, worked)),
        func: { argTypes, name, returnType, variadic },
        type: 'call',
      };
    }
    case 'aggregate':
      return {
        expr: exprToJson(expr.expr, worked),
        grouping: expr.grouping,
        op: expr.op,
        param: expr.param === undefined ? null : exprToJson(expr.param, worked),
        type: 'aggregation',
        without: expr.without,
      };
    case 'binary':
      return {
        bool: expr.returnBool,
        lhs: exprToJson(expr.lhs, worked),
        matching: matchingJson(expr.matching),
        op: expr.op,
        rhs: exprToJson(expr.rhs, worked),
        type: 'binaryExpr',
      };
    case 'unary':
      return { expr: exprToJson(expr.expr, worked), op: expr.op, type: 'unaryExpr' };
    case 'paren':
      return { expr: exprToJson(expr.expr, worked), type: 'parenExpr' };
  }
}

function matcherJson({ name, type, value }: Matcher): Json {
  return { name, type, value };
}

function timesJson({ originalOffsetMs, originalOffsetExpr, startOrEnd, atMs }: TimeModifiers): {
  readonly offset: Json;
  readonly offsetExpr: Json;
  readonly startOrEnd: Json;
  readonly timestamp: Json;
} {
  return {
    offset: originalOffsetMs,
    offsetExpr: durationJson(originalOffsetExpr),
    startOrEnd: startOrEnd ?? null,
    timestamp: atMs ?? null,
  };
}

function matchingJson(matching: BinaryExpr['matching']): Json {
  if (matching === undefined) return null;
  const { card, fillLhs, fillRhs, include, labels, on } = matching;
  return { card, fillValues: { lhs: fillJson(fillLhs), rhs: fillJson(fillRhs) }, include, labels, on };
}

/** JSON has no words for NaN and infinities, and Prometheus fails on them: they are told as text. */
function fillJson(value: number | undefined): Json {
  if (value === undefined) return null;
  return Number.isFinite(value) ? value : formatPlainFloat(value);
}

function durationJson(operand: DurationOperand | undefined): Json {
  if (operand === undefined) return null;
  if (operand.kind === 'number') {
    return { duration: operand.duration, type: 'numberLiteral', val: formatPlainFloat(operand.value) };
  }
  const { lhs, op, rhs, wrapped } = operand;
  return { lhs: durationJson(lhs), op, rhs: durationJson(rhs), type: 'durationExpr', wrapped };
}
