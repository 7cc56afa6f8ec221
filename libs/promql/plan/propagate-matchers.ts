/**
 * Optimiser: what one side of an operator leaves out need not be read on the other.
 * `a{env="prod"} / b` needs of b only what has env="prod". Only between two plain selectors of one metric each that match by all labels
 * but the name: then no label set occurs twice on a side, so nothing that is left out could have been an error or a warning. Not where
 * a selector is `smoothed`: that warns of the series that it cannot smooth, matched or not.
 */

import { metricName } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import { isSetOp } from '../syntax/ast.ts';
import { type Worked, workPerNode } from '../worked.ts';
import type { BinaryNode, PlanNode, VectorSelectorNode } from './logical-plan.ts';
import { mapChildren } from './logical-plan.ts';

/** The plan with such matchers on both sides. */
export function propagateMatchers(node: PlanNode, worked: Worked): PlanNode {
  worked(workPerNode);
  const inner = mapChildren(node, (child) => propagateMatchers(child, worked));
  return inner.kind === 'binary' ? propagate(inner) : inner;
}

function propagate(node: BinaryNode): BinaryNode {
  const { lhs, rhs, matching } = node;
  if (matching === undefined || isSetOp(node.op) || matching.card !== 'one-to-one') return node;
  if (matching.on || matching.labels.length > 0) return node;
  if (matching.fillLhs !== undefined || matching.fillRhs !== undefined) return node;
  if (!isOfOneMetric(lhs) || !isOfOneMetric(rhs)) return node;
  return { ...node, lhs: narrowed(lhs, rhs), rhs: narrowed(rhs, lhs) };
}

function isOfOneMetric(node: PlanNode): node is VectorSelectorNode {
  return (
    node.kind === 'vectorSelector' && node.matchers.some((matcher) => pins(matcher) && matcher.name === metricName)
  );
}

/** Whether it asks for one value that is not nothing. */
function pins({ type, value }: Matcher): boolean {
  return type === '=' && value !== '';
}

/** The selector with what the other one pins. */
function narrowed(node: VectorSelectorNode, other: VectorSelectorNode): VectorSelectorNode {
  if (node.smoothed) return node;
  const keyOf = ({ name, value }: Matcher): string => `${name.length} ${name}${value}`;
  const own = new Set(node.matchers.filter(({ type }) => type === '=').map(keyOf));
  const added = other.matchers.filter(
    (matcher) => pins(matcher) && matcher.name !== metricName && !own.has(keyOf(matcher)),
  );
  return added.length === 0 ? node : { ...node, matchers: [...node.matchers, ...added] };
}
