/**
 * From the tree of an expression to a plan: parentheses fall away, durations and the query's own times become numbers.
 * Owns that translation; what may be evaluated once, and what of histograms is needed, is decided by the optimisers beside it.
 * Facts: Prometheus promql/engine.go (PreprocessExpr, foldQueryContextFunctions).
 */
import type { DurationExpr, Expr, TimeModifiers, VectorSelector } from '../syntax/ast.ts';
import { neverEnded, type Worked, workPerNode } from '../worked.ts';
import type { NumberNode, PlanNode, TimeReference, VectorSelectorNode } from './logical-plan.ts';
import { resolveDurationMs } from './resolve-duration.ts';

/** What the whole query is asked for; `stepMs` is 0 for an instant query. */
export interface QueryTimes {
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  /** Step of subqueries that name none. */
  readonly subqueryStepMs: number;
}

/** @throws Failure bad_data for durations that come out wrong */
export function buildPlan(expr: Expr, times: QueryTimes, worked: Worked = neverEnded): PlanNode {
  return new PlanBuilder(times, worked).build(expr);
}

class PlanBuilder {
  readonly #times: QueryTimes;
  readonly #worked: Worked;
  #order = 0;

  constructor(times: QueryTimes, worked: Worked) {
    this.#times = times;
    this.#worked = worked;
  }

  build(expr: Expr): PlanNode {
    const { start, type } = expr;
    this.#worked(workPerNode);
    switch (expr.kind) {
      case 'number':
        return { kind: 'number', start, order: this.#order++, type, value: expr.value };
      case 'string':
        return { kind: 'string', start, order: this.#order++, type, value: expr.value };
      case 'paren':
        return this.build(expr.expr);
      case 'unary': {
        const operand = this.build(expr.expr);
        return { kind: 'unary', start, order: this.#order++, type, op: expr.op, expr: operand };
      }
      case 'vectorSelector':
        return this.#vectorSelector(expr);
      case 'matrixSelector': {
        // The order in which durations are resolved decides which bad one is told of: Prometheus', the outer ones first.
        const rangeMs = this.#durationMs(expr.rangeMs, expr.rangeExpr, 'positive');
        const selector = this.#vectorSelector(expr.selector);
        return { kind: 'matrixSelector', start, order: this.#order++, type, selector, rangeMs };
      }
      case 'subquery': {
        const reference = this.#reference(expr);
        const stepMs = this.#durationMs(expr.stepMs, expr.stepExpr, 'positive');
        const rangeMs = this.#durationMs(expr.rangeMs, expr.rangeExpr, 'positive');
        const inner = this.build(expr.expr);
        return {
          kind: 'subquery',
          start,
          order: this.#order++,
          type,
          expr: inner,
          rangeMs,
          stepMs: stepMs === 0 ? this.#times.subqueryStepMs : stepMs,
          ...reference,
        };
      }
      case 'call': {
        const constant = this.#queryContext(expr.func.name, start);
        if (constant !== undefined) return constant;
        const args = expr.args.map((arg) => this.build(arg));
        return {
          kind: 'call',
          start,
          order: this.#order++,
          type,
          name: expr.func.name,
          args,
        };
      }
      case 'aggregate': {
        const param = expr.param === undefined ? undefined : this.build(expr.param);
        const inner = this.build(expr.expr);
        const { op, grouping, without } = expr;
        return { kind: 'aggregate', start, order: this.#order++, type, op, expr: inner, param, grouping, without };
      }
      case 'binary': {
        const lhs = this.build(expr.lhs);
        const rhs = this.build(expr.rhs);
        const { op, matching, returnBool } = expr;
        return { kind: 'binary', start, order: this.#order++, type, op, lhs, rhs, matching, returnBool };
      }
    }
  }

  #vectorSelector(expr: VectorSelector): VectorSelectorNode {
    return {
      kind: 'vectorSelector',
      start: expr.start,
      order: this.#order++,
      type: 'vector',
      matchers: expr.matchers,
      anchored: expr.anchored,
      smoothed: expr.smoothed,
      skipBuckets: false,
      labels: undefined,
      ...this.#reference(expr),
    };
  }

  #reference(expr: TimeModifiers): TimeReference {
    const { startMs, endMs } = this.#times;
    const atMs = expr.startOrEnd === 'start' ? startMs : expr.startOrEnd === 'end' ? endMs : expr.atMs;
    return { atMs, offsetMs: this.#durationMs(expr.originalOffsetMs, expr.originalOffsetExpr, 'any') };
  }

  #durationMs(literalMs: number, expr: DurationExpr | undefined, sign: 'positive' | 'any'): number {
    if (expr === undefined) return literalMs;
    const { startMs, endMs, stepMs } = this.#times;
    return resolveDurationMs(expr, { stepSeconds: stepMs / 1000, rangeSeconds: (endMs - startMs) / 1000 }, sign);
  }

  /** start(), end(), range() and step() are known before anything is evaluated. */
  #queryContext(name: string, start: number): NumberNode | undefined {
    const { startMs, endMs, stepMs } = this.#times;
    const seconds =
      name === 'start'
        ? startMs / 1000
        : name === 'end'
          ? endMs / 1000
          : name === 'range'
            ? (endMs - startMs) / 1000
            : name === 'step'
              ? (startMs === endMs ? 0 : stepMs) / 1000
              : undefined;
    return seconds === undefined
      ? undefined
      : { kind: 'number', start, order: this.#order++, type: 'scalar', value: seconds };
  }
}
