/**
 * The canonical one-line text of an expression, as Prometheus' String(): what a plan names things by and format_query
 * starts from. Owns that text. Parsing it again gives the same tree, except that matchers are sorted, `=""`-free
 * offsets below a millisecond read `0s` and comments are gone. Facts: Prometheus promql/parser/printer.go.
 */
import { compareUtf8 } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import type {
  AggregateExpr,
  BinaryExpr,
  DurationExpr,
  DurationOperand,
  Expr,
  MatrixSelector,
  NumberLiteral,
  SubqueryExpr,
  TimeModifiers,
  VectorSelector,
} from './ast.ts';
import { formatDurationMs, formatPlainFloat, formatShortFloat, quoteText } from './go-text.ts';
import { msOfSeconds } from './literals.ts';

const plainLabel = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Text of an expression in one line. */
export function formatExpr(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return formatNumber(expr);
    case 'string':
      return quoteText(expr.value);
    case 'vectorSelector':
      return formatVectorSelector(expr);
    case 'matrixSelector':
      return formatMatrixSelector(expr);
    case 'subquery':
      return formatExpr(expr.expr) + formatSubqueryTimes(expr);
    case 'call':
      return `${expr.func.name}(${expr.args.map(formatExpr).join(', ')})`;
    case 'aggregate': {
      const param = expr.param === undefined ? '' : `${formatExpr(expr.param)}, `;
      return `${formatAggregateHead(expr)}(${param}${formatExpr(expr.expr)})`;
    }
    case 'binary':
      return formatBinary(expr);
    case 'unary':
      return expr.op + formatExpr(expr.expr);
    case 'paren':
      return `(${formatExpr(expr.expr)})`;
  }
}

/** A chain of operators to the left may be long: it is printed without recursion. */
function formatBinary(expr: BinaryExpr): string {
  const tail: string[] = [];
  let node: Expr = expr;
  while (node.kind === 'binary') {
    tail.push(` ${formatOperator(node)} ${formatExpr(node.rhs)}`);
    node = node.lhs;
  }
  return formatExpr(node) + tail.reverse().join('');
}

/** Operator and aggregation labels up to the arguments: `sum by (a, b) `. */
export function formatAggregateHead({ op, without, grouping }: AggregateExpr): string {
  if (without) return `${op} without (${formatLabels(grouping)}) `;
  return grouping.length > 0 ? `${op} by (${formatLabels(grouping)}) ` : op;
}

/** Operator with everything that stands before its right operand: `== bool on (a) group_left (b)`. */
export function formatOperator({ op, returnBool, matching }: BinaryExpr): string {
  let text = returnBool ? `${op} bool` : op;
  if (matching === undefined) return text;
  const { card, labels, on, include, fillLhs, fillRhs } = matching;
  const grouped = card === 'many-to-one' || card === 'one-to-many';
  if (labels.length > 0 || on || grouped) text += ` ${on ? 'on' : 'ignoring'} (${formatLabels(labels)})`;
  if (grouped) text += ` group_${card === 'many-to-one' ? 'left' : 'right'} (${formatLabels(include)})`;
  if (fillLhs !== undefined && fillLhs === fillRhs) return `${text} fill (${formatShortFloat(fillLhs)})`;
  if (fillLhs !== undefined) text += ` fill_left (${formatShortFloat(fillLhs)})`;
  if (fillRhs !== undefined) text += ` fill_right (${formatShortFloat(fillRhs)})`;
  return text;
}

/** Range, step and modifiers of a subquery: `[5m:1m] @ 10.000 offset 1h`. */
export function formatSubqueryTimes(expr: SubqueryExpr): string {
  const { rangeMs, rangeExpr, stepMs, stepExpr } = expr;
  const step = stepMs !== 0 ? formatDurationMs(stepMs) : stepExpr === undefined ? '' : formatDurationExpr(stepExpr);
  return `[${formatRange(rangeMs, rangeExpr)}:${step}]${formatAt(expr)}${formatOffset(expr)}`;
}

function formatLabels(labels: readonly string[]): string {
  return labels.map((label) => (plainLabel.test(label) ? label : quoteText(label))).join(', ');
}

function formatNumber({ value, duration }: NumberLiteral): string {
  return duration ? formatDurationMs(msOfSeconds(value).ms) : formatPlainFloat(value);
}

function formatRange(ms: number, expr: DurationExpr | undefined): string {
  return expr === undefined ? formatDurationMs(ms) : formatDurationExpr(expr);
}

function formatDurationOperand(operand: DurationOperand | undefined): string {
  if (operand === undefined) return '';
  return operand.kind === 'number' ? formatNumber(operand) : formatDurationExpr(operand);
}

function formatDurationExpr(expr: DurationExpr): string {
  const text = formatBareDuration(expr);
  return expr.wrapped ? `(${text})` : text;
}

function formatBareDuration({ op, lhs, rhs }: DurationExpr): string {
  const right = formatDurationOperand(rhs);
  switch (op) {
    case 'step':
    case 'range':
      return `${op}()`;
    case 'min_of':
    case 'max_of':
      return `${op}(${formatDurationOperand(lhs)}, ${right})`;
    default:
      if (lhs === undefined) return op === '-' ? `-${right}` : right;
      return `${formatDurationOperand(lhs)} ${op} ${right}`;
  }
}

function formatOffset({ originalOffsetMs, offsetSet, originalOffsetExpr }: TimeModifiers): string {
  if (originalOffsetExpr !== undefined) return ` offset ${formatDurationExpr(originalOffsetExpr)}`;
  if (!offsetSet) return '';
  const negative = originalOffsetMs < 0 || Object.is(originalOffsetMs, -0);
  return ` offset ${negative ? '-' : ''}${formatDurationMs(Math.abs(originalOffsetMs))}`;
}

function formatAt({ atMs, startOrEnd }: TimeModifiers): string {
  if (atMs !== undefined) return ` @ ${(atMs / 1000).toFixed(3)}`;
  return startOrEnd === undefined ? '' : ` @ ${startOrEnd}()`;
}

function formatExtended({ anchored, smoothed }: VectorSelector): string {
  return anchored ? ' anchored' : smoothed ? ' smoothed' : '';
}

function formatVectorSelector(expr: VectorSelector): string {
  return formatSeriesSelector(expr) + formatAt(expr) + formatExtended(expr) + formatOffset(expr);
}

/** In a range selector `anchored` stands before `@`, in an instant one behind it. */
function formatMatrixSelector({ selector, rangeMs, rangeExpr }: MatrixSelector): string {
  const range = `[${formatRange(rangeMs, rangeExpr)}]`;
  return (
    formatSeriesSelector(selector) + range + formatExtended(selector) + formatAt(selector) + formatOffset(selector)
  );
}

function formatSeriesSelector({ name, matchers }: VectorSelector): string {
  const texts: string[] = [];
  for (const matcher of matchers) {
    const isName = matcher.name === '__name__' && matcher.type === '=' && matcher.value === name && name !== '';
    if (!isName) texts.push(formatMatcher(matcher));
  }
  if (texts.length === 0) return name;
  return `${name}{${texts.sort(compareUtf8).join(',')}}`;
}

/** One matcher: `name="value"`, the name quoted if it needs to be. */
function formatMatcher({ type, name, value }: Matcher): string {
  return (plainLabel.test(name) ? name : quoteText(name)) + type + quoteText(value);
}
