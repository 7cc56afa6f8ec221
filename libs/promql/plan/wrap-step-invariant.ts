/**
 * Optimiser: what cannot change from step to step is evaluated once.
 * A part is step invariant if every selector in it has `@` and no function looks at the time of evaluation. The largest such
 * parts are wrapped; range selectors and literals are not, as their users handle them. Also part of the semantics: inside a
 * subquery an invariant expression is evaluated at the subquery's first step alone. Facts: Prometheus promql/engine.go
 * (preprocessExprHelper, AtModifierUnsafeFunctions).
 */
import { neverEnded, type Worked, workPerNode } from '../worked.ts';
import { infoReference } from './info-reference.ts';
import { mapChildren, type PlanNode } from './logical-plan.ts';

/** Functions whose result depends on when they are evaluated, or on the timestamps of their argument. */
const timeDependentFunctions: ReadonlySet<string> = new Set(
  (
    'days_in_month day_of_month day_of_week day_of_year end hour minute month year predict_linear range start step time ' +
    'timestamp'
  ).split(' '),
);

interface Judged {
  readonly node: PlanNode;
  readonly invariant: boolean;
  /** Worth wrapping where its parent varies. */
  readonly wrap: boolean;
}

/** The plan with all invariant parts wrapped. */
export function wrapStepInvariant(root: PlanNode, worked: Worked = neverEnded): PlanNode {
  const { node, wrap } = judge(root, worked);
  return wrap ? wrapped(node) : node;
}

function wrapped(expr: PlanNode): PlanNode {
  return { kind: 'stepInvariant', start: expr.start, order: expr.order, type: expr.type, expr };
}

function judge(node: PlanNode, worked: Worked): Judged {
  worked(workPerNode);
  switch (node.kind) {
    case 'number':
    case 'string':
      return { node, invariant: true, wrap: false };
    case 'vectorSelector':
      return { node, invariant: node.atMs !== undefined, wrap: node.atMs !== undefined };
    case 'matrixSelector':
      return { node, invariant: node.selector.atMs !== undefined, wrap: false };
    case 'subquery': {
      const inner = judge(node.expr, worked);
      const expr = inner.invariant ? wrapped(inner.node) : inner.node;
      return { node: { ...node, expr }, invariant: node.atMs !== undefined, wrap: false };
    }
    case 'shared':
      return judge(node.expr, worked);
    case 'stepInvariant':
      return { node, invariant: true, wrap: false };
    case 'unary': {
      const inner = judge(node.expr, worked);
      return { node: { ...node, expr: inner.node }, invariant: inner.invariant, wrap: inner.wrap };
    }
    case 'aggregate': {
      // The parameter does not count: Prometheus does not look at it here.
      const inner = judge(node.expr, worked);
      return { node: { ...node, expr: inner.node }, invariant: inner.invariant, wrap: inner.wrap };
    }
    case 'binary':
    case 'call':
      return judgeParts(node, worked);
  }
}

function judgeParts(node: PlanNode & { readonly kind: 'binary' | 'call' }, worked: Worked): Judged {
  const judged: Judged[] = [];
  const rebuilt = mapChildren(node, (child) => {
    const part = judge(child, worked);
    judged.push(part);
    return part.node;
  });
  const isInfo = node.kind === 'call' && node.name === 'info';
  // The second argument of info() is a selector to read, not to evaluate.
  const counted = isInfo ? judged.slice(0, 1) : judged;
  let invariant = counted.every((part) => part.invariant);
  if (node.kind === 'call' && timeDependentFunctions.has(node.name)) {
    const selectsAtOneTime = counted.every((part) => part.invariant && part.node.kind === 'vectorSelector');
    invariant = node.name === 'timestamp' && selectsAtOneTime;
  }
  if (isInfo) invariant &&= infoReference(judged[0]?.node ?? node, worked) !== undefined;
  if (invariant) return { node: rebuilt, invariant: true, wrap: true };
  let index = 0;
  const withWrapped = mapChildren(rebuilt, (child) => {
    const part = judged[index++];
    const selects = isInfo && index > 1;
    return part?.wrap === true && !selects ? wrapped(child) : child;
  });
  return { node: withWrapped, invariant: false, wrap: false };
}
