/**
 * The tree of a PromQL expression: one discriminated union over `kind`.
 * Owns the shapes. Parsing is parser.ts, the rules of typing are check-types.ts, text is printer.ts and prettier.ts.
 * Every node knows its type and its place; `start` and `end` count UTF-8 bytes of the query, half open, as Prometheus
 * does in error and annotation texts. The engine's own nodes (step invariance) belong to its plan, not to this tree.
 * Facts: Prometheus 3.15 promql/parser/ast.go.
 */
import type { Matcher } from '../../model/matcher.ts';
import type { FunctionSignature } from './functions-table.ts';

/** The four kinds of value; in words for people: see documentedType in check-types.ts. */
export type ValueType = 'vector' | 'scalar' | 'matrix' | 'string';

export type ComparisonOp = '==' | '!=' | '<=' | '<' | '>=' | '>';
export type SetOp = 'and' | 'or' | 'unless';
/** `</` and `>/` cut native histograms off above and below a value. */
export type BinaryOp = '+' | '-' | '*' | '/' | '%' | '^' | 'atan2' | '</' | '>/' | ComparisonOp | SetOp;
export type UnaryOp = '+' | '-';
export type AggregateOp =
  | 'sum'
  | 'avg'
  | 'count'
  | 'min'
  | 'max'
  | 'group'
  | 'stddev'
  | 'stdvar'
  | 'topk'
  | 'bottomk'
  | 'count_values'
  | 'quantile'
  | 'limitk'
  | 'limit_ratio';

interface Node {
  /** Place in the query, in UTF-8 bytes. */
  readonly start: number;
  readonly end: number;
}

/** A number, or a duration written as one (`5m` is 300), signs already applied. */
export interface NumberLiteral extends Node {
  readonly kind: 'number';
  readonly type: 'scalar';
  readonly value: number;
  /** Written with units: printed with units. `value` is in seconds then. */
  readonly duration: boolean;
}

export interface StringLiteral extends Node {
  readonly kind: 'string';
  readonly type: 'string';
  readonly value: string;
}

/** What `offset` and `@` said; shared by selectors and subqueries. */
export interface TimeModifiers {
  /** Literal offset in whole milliseconds, 0 when none was given or `originalOffsetExpr` holds it. */
  readonly originalOffsetMs: number;
  /** An offset other than exactly 0 was written as a literal; it may be below a millisecond. */
  readonly offsetSet: boolean;
  /** An offset that is computed when step and range are known. */
  readonly originalOffsetExpr: DurationExpr | undefined;
  /** `@ <seconds>` in milliseconds since the epoch. */
  readonly atMs: number | undefined;
  /** `@ start()` or `@ end()`. */
  readonly startOrEnd: 'start' | 'end' | undefined;
}

export interface VectorSelector extends Node, TimeModifiers {
  readonly kind: 'vectorSelector';
  readonly type: 'vector';
  /** Metric name written before the braces, '' if none; it is also the last of `matchers`. */
  readonly name: string;
  readonly matchers: readonly Matcher[];
  readonly anchored: boolean;
  readonly smoothed: boolean;
}

export interface MatrixSelector extends Node {
  readonly kind: 'matrixSelector';
  readonly type: 'matrix';
  /** Holds offset, @, anchored and smoothed of the whole. */
  readonly selector: VectorSelector;
  /** Whole milliseconds, 0 when `rangeExpr` holds it. */
  readonly rangeMs: number;
  readonly rangeExpr: DurationExpr | undefined;
}

export interface SubqueryExpr extends Node, TimeModifiers {
  readonly kind: 'subquery';
  readonly type: 'matrix';
  readonly expr: Expr;
  /** Whole milliseconds, 0 when `rangeExpr` holds it. */
  readonly rangeMs: number;
  readonly rangeExpr: DurationExpr | undefined;
  /** Whole milliseconds, 0 when the default step is meant or `stepExpr` holds it. */
  readonly stepMs: number;
  readonly stepExpr: DurationExpr | undefined;
}

export interface Call extends Node {
  readonly kind: 'call';
  readonly type: ValueType;
  readonly func: FunctionSignature;
  readonly args: readonly Expr[];
}

export interface AggregateExpr extends Node {
  readonly kind: 'aggregate';
  readonly type: 'vector';
  readonly op: AggregateOp;
  readonly expr: Expr;
  /** First argument of topk, bottomk, quantile, limitk, limit_ratio (scalar) and count_values (string). */
  readonly param: Expr | undefined;
  readonly grouping: readonly string[];
  /** `without` instead of `by`. */
  readonly without: boolean;
}

export type MatchCardinality = 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many';

export interface VectorMatching {
  /** many-to-one is group_left, one-to-many group_right, many-to-many the set operators. */
  readonly card: MatchCardinality;
  /** Labels of on(...) or ignoring(...). */
  readonly labels: readonly string[];
  readonly on: boolean;
  /** Labels of group_left(...) or group_right(...). */
  readonly include: readonly string[];
  /** Value for a missing left side: fill or fill_left. */
  readonly fillLhs: number | undefined;
  /** Value for a missing right side: fill or fill_right. */
  readonly fillRhs: number | undefined;
}

export interface BinaryExpr extends Node {
  readonly kind: 'binary';
  readonly type: 'vector' | 'scalar';
  readonly op: BinaryOp;
  readonly lhs: Expr;
  readonly rhs: Expr;
  /** Defined exactly if both operands are vectors. The type check settles it, so it alone may write here. */
  matching: VectorMatching | undefined;
  readonly returnBool: boolean;
}

export interface UnaryExpr extends Node {
  readonly kind: 'unary';
  readonly type: ValueType;
  readonly op: UnaryOp;
  readonly expr: Expr;
}

export interface ParenExpr extends Node {
  readonly kind: 'paren';
  readonly type: ValueType;
  readonly expr: Expr;
}

export type DurationOp = '+' | '-' | '*' | '/' | '%' | '^' | 'step' | 'range' | 'min_of' | 'max_of';

/**
 * Arithmetic over durations inside [...] and after offset; numbers are seconds. `step` and `range` have no operand, a
 * sign has only `rhs`. A parenthesised number is a wrapped '+' over it. It is never an operand of an ordinary
 * expression.
 */
export interface DurationExpr extends Node {
  readonly kind: 'duration';
  readonly op: DurationOp;
  readonly lhs: DurationOperand | undefined;
  readonly rhs: DurationOperand | undefined;
  /** Stood in parentheses. */
  readonly wrapped: boolean;
}

export type DurationOperand = NumberLiteral | DurationExpr;

export type Expr =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | SubqueryExpr
  | Call
  | AggregateExpr
  | BinaryExpr
  | UnaryExpr
  | ParenExpr;

/** Whether the operator compares, and so may carry `bool`. */
export function isComparisonOp(op: BinaryOp): op is ComparisonOp {
  return op === '==' || op === '!=' || op === '<=' || op === '<' || op === '>=' || op === '>';
}

/** Whether the operator works on sets of series. */
export function isSetOp(op: BinaryOp): op is SetOp {
  return op === 'and' || op === 'or' || op === 'unless';
}

/** Type of the parameter that stands before the aggregated vector; undefined if the aggregation takes none. */
export function aggregateParamType(op: AggregateOp): 'scalar' | 'string' | undefined {
  switch (op) {
    case 'topk':
    case 'bottomk':
    case 'quantile':
    case 'limitk':
    case 'limit_ratio':
      return 'scalar';
    case 'count_values':
      return 'string';
    default:
      return undefined;
  }
}
