/** What an expression is made of. */
import type { Expr } from '../../libs/promql/syntax/ast.ts';

/** All expressions within, outer ones first. */
export function partsOf(expr: Expr): Expr[] {
  return childrenOf(expr).flatMap((child) => [child, ...partsOf(child)]);
}

/** The expressions right below, in the order in which they stand. */
export function childrenOf(node: Expr): readonly Expr[] {
  switch (node.kind) {
    case 'number':
    case 'string':
    case 'vectorSelector':
      return [];
    case 'matrixSelector':
      return [node.selector];
    case 'subquery':
    case 'unary':
    case 'paren':
      return [node.expr];
    case 'call':
      return node.args;
    case 'aggregate':
      return node.param === undefined ? [node.expr] : [node.param, node.expr];
    case 'binary':
      return [node.lhs, node.rhs];
  }
}
