/**
 * The points in time at which an operator has values: start, start + step, ..., not after the end.
 * A query has one; every subquery and every step invariant part has its own.
 */

export interface Grid {
  readonly startMs: number;
  readonly stepMs: number;
  /** 0 where the end lies before the start. */
  readonly stepCount: number;
}

/** An instant query is a grid of one step; so is a step of 0. */
export function makeGrid(startMs: number, endMs: number, stepMs: number): Grid {
  if (endMs < startMs) return { startMs, stepMs: Math.max(stepMs, 1), stepCount: 0 };
  if (stepMs <= 0) return { startMs, stepMs: 1, stepCount: 1 };
  return { startMs, stepMs, stepCount: Math.floor((endMs - startMs) / stepMs) + 1 };
}

/** Time of the last step. */
export function gridEndMs(grid: Grid): number {
  return grid.startMs + (grid.stepCount - 1) * grid.stepMs;
}
