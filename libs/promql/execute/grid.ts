/**
 * The points in time at which an operator has values: start, start + step, ..., not after the end.
 * A query has one; every subquery and every step invariant part has its own. A subquery's is of multiples of its step since the epoch,
 * the first one after the first window's begin (Prometheus promql/engine.go, subqueryTimeRange).
 */
import type { SubqueryNode, TimeReference } from '../plan/logical-plan.ts';

export interface Grid {
  readonly startMs: number;
  readonly stepMs: number;
  /** 0 where the end lies before the start. */
  readonly stepCount: number;
  /** The end is the start: there is one step, and never room for another. Prometheus keeps an order then, and warns of less. */
  readonly isInstant: boolean;
}

/** An instant query is a grid of one step; so is a step of 0. */
export function makeGrid(startMs: number, endMs: number, stepMs: number): Grid {
  const isInstant = startMs === endMs;
  if (endMs < startMs) return { startMs, stepMs: Math.max(stepMs, 1), stepCount: 0, isInstant };
  if (stepMs <= 0) return { startMs, stepMs: 1, stepCount: 1, isInstant };
  return { startMs, stepMs, stepCount: Math.floor((endMs - startMs) / stepMs) + 1, isInstant };
}

/** The time that a selector or subquery looks at for a step at `stepMs`. */
export function referenceMs({ atMs, offsetMs }: TimeReference, stepMs: number): number {
  return (atMs ?? stepMs) - offsetMs;
}

/** The grid on which a subquery's expression is evaluated for the steps of `grid`. */
export function subqueryGrid(node: SubqueryNode, grid: Grid): Grid {
  const endMs = referenceMs(node, gridEndMs(grid));
  const beginMs = referenceMs(node, grid.startMs) - node.rangeMs;
  // Integer division in Go cuts toward zero.
  let startMs = node.stepMs * Math.trunc(beginMs / node.stepMs);
  if (startMs <= beginMs) startMs += node.stepMs;
  return makeGrid(startMs, endMs, node.stepMs);
}

/** Time of the last step. */
export function gridEndMs(grid: Grid): number {
  return grid.startMs + (grid.stepCount - 1) * grid.stepMs;
}
