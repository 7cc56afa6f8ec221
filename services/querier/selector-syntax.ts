/**
 * Selectors as the label endpoints ask for them: of a `match[]`, or all of an expression.
 * Owns finding them; parsing is libs/promql/syntax.
 */
import type { Matcher } from '../../libs/model/matcher.ts';
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import type { ParseOptions } from '../../libs/promql/syntax/parser.ts';
import { parseExpr } from '../../libs/promql/syntax/parser.ts';
import { lookingEvery } from '../../libs/promql/worked.ts';

/** Matchers of every selector of the expression, in their order. @throws Failure `bad_data`. */
export function selectorsOf(
  query: string,
  options: ParseOptions,
  checkStopped: () => void = () => undefined,
): readonly (readonly Matcher[])[] {
  const found: (readonly Matcher[])[] = [];
  const visit = (expr: Expr): void => {
    switch (expr.kind) {
      case 'number':
      case 'string':
        return;
      case 'vectorSelector':
        found.push(expr.matchers);
        return;
      case 'matrixSelector':
        found.push(expr.selector.matchers);
        return;
      case 'call':
        expr.args.forEach(visit);
        return;
      case 'binary':
        visit(expr.lhs);
        visit(expr.rhs);
        return;
      case 'aggregate':
        if (expr.param !== undefined) visit(expr.param);
        visit(expr.expr);
        return;
      default:
        visit(expr.expr);
    }
  };
  visit(parseExpr(query, options, lookingEvery(checkStopped)));
  return found;
}
