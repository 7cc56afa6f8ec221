/**
 * What selectors ask the reader for, from the plan alone.
 * Owns which samples each kind of selector needs for the steps of a grid, and the list of all that a plan will ask: a reader can begin
 * before the first operator does. The scans ask by the same functions. Also how many steps all of it is, which is what a query costs
 * for each of its series.
 */
import type { ReadQuery } from '../../../series/series-reader.ts';
import { children, type MatrixSelectorNode, type PlanNode, type VectorSelectorNode } from '../../plan/logical-plan.ts';
import { neverEnded, type Worked, workPerNode } from '../../worked.ts';
import { type Grid, gridEndMs, makeGrid, referenceMs, subqueryGrid } from '../grid.ts';

/** An instant selector looks back from each step. */
export function instantSelectQuery(node: VectorSelectorNode, grid: Grid, lookbackMs: number): ReadQuery {
  const afterMs = node.smoothed ? lookbackMs : 0;
  return {
    matchers: node.matchers,
    minT: referenceMs(node, grid.startMs) - lookbackMs + 1,
    maxT: referenceMs(node, gridEndMs(grid)) + afterMs,
    labels: node.labels,
  };
}

/** What anchored and smoothed windows look at beside their range. */
export function windowMargins(node: VectorSelectorNode, lookbackMs: number): { beforeMs: number; afterMs: number } {
  return { beforeMs: node.anchored || node.smoothed ? lookbackMs : 0, afterMs: node.smoothed ? lookbackMs : 0 };
}

export function rangeSelectQuery({ selector, rangeMs }: MatrixSelectorNode, grid: Grid, lookbackMs: number): ReadQuery {
  const { beforeMs, afterMs } = windowMargins(selector, lookbackMs);
  return {
    matchers: selector.matchers,
    minT: referenceMs(selector, grid.startMs) - rangeMs - beforeMs + 1,
    maxT: referenceMs(selector, gridEndMs(grid)) + afterMs,
    labels: selector.labels,
  };
}

/** All selects of a plan in the order in which they will be asked, but for those that depend on data; some may not be asked after all. */
export function plannedSelects(
  plan: PlanNode,
  grid: Grid,
  lookbackMs: number,
  worked: Worked = neverEnded,
): ReadQuery[] {
  const queries: ReadQuery[] = [];
  visitEvaluated(plan, grid, (node, at) => {
    worked(workPerNode);
    if (node.kind === 'vectorSelector') queries.push(instantSelectQuery(node, at, lookbackMs));
    else if (node.kind === 'matrixSelector') queries.push(rangeSelectQuery(node, at, lookbackMs));
  });
  return queries;
}

/** Steps of all nodes of a plan together. */
export function plannedSteps(plan: PlanNode, grid: Grid): number {
  let steps = 0;
  visitEvaluated(plan, grid, (_node, at) => {
    steps += at.stepCount;
  });
  return steps;
}

/** Shows `see` every node that is evaluated, in order, with the steps at which it is. */
function visitEvaluated(plan: PlanNode, grid: Grid, see: (node: PlanNode, at: Grid) => void): void {
  const shared = new Set<number>();
  const visit = (node: PlanNode, at: Grid): void => {
    if (at.stepCount === 0) return;
    see(node, at);
    switch (node.kind) {
      case 'matrixSelector':
        return;
      case 'subquery':
        visit(node.expr, subqueryGrid(node, at));
        return;
      case 'stepInvariant':
        visit(node.expr, makeGrid(at.startMs, at.startMs, 0));
        return;
      case 'shared':
        if (shared.has(node.number)) return;
        shared.add(node.number);
        visit(node.expr, at);
        return;
      case 'call':
        // The second argument of info() is not evaluated.
        for (const arg of node.name === 'info' ? node.args.slice(0, 1) : node.args) visit(arg, at);
        return;
      default:
        for (const child of children(node)) visit(child, at);
    }
  };
  visit(plan, grid);
}
