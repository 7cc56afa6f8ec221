/**
 * The optimisers in their order. Owns the order; each optimiser is a file beside this one, and none changes an answer.
 */
import type { Worked } from '../worked.ts';
import type { PlanNode } from './logical-plan.ts';
import { projectLabels } from './project-labels.ts';
import { propagateMatchers } from './propagate-matchers.ts';
import { shareSubexpressions } from './share-subexpressions.ts';

/**
 * The plan that is carried out.
 * @param startTimestamps whether start timestamps are looked at
 */
export function optimise(plan: PlanNode, startTimestamps: boolean, worked: Worked): PlanNode {
  // Matchers before labels, as a selector may lend one of its own; sharing last, as it looks for parts that are equal in the end.
  return shareSubexpressions(projectLabels(propagateMatchers(plan, worked), worked), startTimestamps, worked);
}
