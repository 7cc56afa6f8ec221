/**
 * When info() looks for its info series: at the time its first argument looks at, if all of that argument looks at one time.
 * Facts: Prometheus promql/info.go (infoSelectTimestampAndOffset).
 */
import { type Worked, workPerNode } from '../worked.ts';
import { children, type PlanNode, type SubqueryNode, type TimeReference } from './logical-plan.ts';

/** The one time that all selectors below `root` look at; undefined if there is none or there are several. */
export function infoReference(root: PlanNode, worked: Worked): TimeReference | undefined {
  let first: TimeReference | undefined;
  let uniform = true;

  /** Returns whether there is a selector below. */
  function inspect(node: PlanNode, subqueries: readonly SubqueryNode[]): boolean {
    worked(workPerNode);
    if (node.kind === 'stepInvariant' || node.kind === 'shared') return inspect(node.expr, subqueries);
    const type = node.type;
    if (type !== 'vector' && type !== 'matrix') return false;
    if (node.kind === 'vectorSelector') {
      let { atMs, offsetMs } = node;
      // Offsets of the subqueries around it add up until an @ makes all further out irrelevant.
      for (let i = subqueries.length - 1; i >= 0 && atMs === undefined; i--) {
        const subquery = subqueries[i] as SubqueryNode;
        offsetMs += subquery.offsetMs;
        atMs = subquery.atMs;
      }
      if (first === undefined) first = { atMs, offsetMs };
      else if (!sameReference(first, { atMs, offsetMs })) uniform = false;
      return true;
    }
    const inner = node.kind === 'subquery' ? [...subqueries, node] : subqueries;
    // The second argument of info() is not evaluated.
    const parts = node.kind === 'call' && node.name === 'info' ? node.args.slice(0, 1) : children(node);
    let found = false;
    for (const part of parts) if (inspect(part, inner)) found = true;
    // A vector without a selector is of the time of evaluation.
    if (!found) uniform = false;
    return found;
  }

  inspect(root, []);
  return uniform ? first : undefined;
}

function sameReference(a: TimeReference, b: TimeReference): boolean {
  if (a.atMs === undefined || b.atMs === undefined) {
    return a.atMs === undefined && b.atMs === undefined && a.offsetMs === b.offsetMs;
  }
  return a.atMs - a.offsetMs === b.atMs - b.offsetMs;
}
