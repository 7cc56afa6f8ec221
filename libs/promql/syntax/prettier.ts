/**
 * An expression over several lines, as format_query answers: whatever is longer than 100 bytes is taken apart and indented.
 * Owns the breaking of lines; the text of a line is printer.ts'. Facts: Prometheus promql/parser/prettier.go, its quirks
 * included (a short subquery is not indented; an operator's line is indented as deep as its parent).
 */
import type { Expr } from './ast.ts';
import { formatAggregateHead, formatExpr, formatOperator, formatSubqueryTimes } from './printer.ts';

const lineBytesMax = 100;

/** Text of an expression over as many lines as it needs. */
export function prettyExpr(expr: Expr): string {
  return pretty(expr, 0);
}

function indent(level: number): string {
  return '  '.repeat(level);
}

/** The expression in one line, if it fits into one. */
function oneLine(expr: Expr): string | undefined {
  const bytesMin = expr.end - expr.start;
  // Printing every level again would cost the square of the depth. A text this long never shrinks into a line by its spaces.
  if (bytesMin > hopelessBytes) return undefined;
  const text = formatExpr(expr);
  const fits = text.length <= lineBytesMax && Buffer.byteLength(text) <= lineBytesMax;
  return fits ? text : undefined;
}
const hopelessBytes = 20_000;

function pretty(expr: Expr, level: number): string {
  const margin = indent(level);
  switch (expr.kind) {
    case 'aggregate': {
      const line = oneLine(expr);
      if (line !== undefined) return margin + line;
      const param = expr.param === undefined ? '' : `${pretty(expr.param, level + 1)},\n`;
      return `${margin}${formatAggregateHead(expr)}(\n${param}${pretty(expr.expr, level + 1)}\n${margin})`;
    }
    case 'binary': {
      const line = oneLine(expr);
      if (line !== undefined) return margin + line;
      return `${pretty(expr.lhs, level + 1)}\n${margin}${formatOperator(expr)}\n${pretty(expr.rhs, level + 1)}`;
    }
    case 'call': {
      const line = oneLine(expr);
      if (line !== undefined) return margin + line;
      const args = expr.args.map((arg) => pretty(arg, level + 1)).join(',\n');
      return `${margin}${expr.func.name}(\n${args}\n${margin})`;
    }
    case 'paren':
      return margin + (oneLine(expr) ?? `(\n${pretty(expr.expr, level + 1)}\n${margin})`);
    case 'subquery':
      return oneLine(expr) ?? pretty(expr.expr, level) + formatSubqueryTimes(expr);
    case 'unary':
      return margin + expr.op + pretty(expr.expr, level).trim();
    default:
      return margin + formatExpr(expr);
  }
}
