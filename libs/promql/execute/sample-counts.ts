/**
 * How many points a query looks at and reads, as a whole and, where asked for, at each of its steps.
 * Owns which step of the query a point counts for: what stands in a subquery is evaluated at other times, and what is
 * step-invariant at one only. Facts: Prometheus 3.15 util/stats/query_stats.go (MergeSamplesReadFromSubquery).
 */
import type { Grid } from './grid.ts';
import type { StepColumn } from './step-column.ts';
import { PointKind } from './step-column.ts';

/** Steps of a subquery and those of what it stands in. */
export interface SubquerySteps {
  readonly inner: Grid;
  readonly outer: Grid;
  readonly offsetMs: number;
  readonly rangeMs: number;
}

export class SampleCounts {
  /**
   * Points that selectors and range functions looked at, at every step, those of overlapping windows counted again; of what stands
   * in a subquery only its points.
   */
  queried = 0;
  /** Points that were read: each once, however many windows it is in, those within subqueries, too. */
  read = 0;
  /** The same by step of the query; null unless asked for. */
  readonly queriedAt: Float64Array | null;
  readonly readAt: Float64Array | null;
  /** Subqueries that what is evaluated stands in, the innermost last. */
  readonly #within: SubquerySteps[] = [];
  /** How often what is evaluated stands in the query. */
  #uses = 1;

  constructor(stepCount: number, byStep: boolean) {
    this.queriedAt = byStep ? new Float64Array(stepCount) : null;
    this.readAt = byStep ? new Float64Array(stepCount) : null;
  }

  /** Counts the points of a selector's column, which count for `samples` together. */
  addColumn(column: StepColumn, samples: number, sizeOf: (column: StepColumn, step: number) => number): void {
    if (this.isByStep) {
      for (let step = 0; step < column.stepCount; step++) {
        if (column.kinds[step] === PointKind.none) continue;
        const size = sizeOf(column, step);
        this.addAt(step, size, size);
      }
      return;
    }
    this.add(samples, samples);
  }

  /** Whether it matters at which step a point is counted. */
  get isByStep(): boolean {
    return this.queriedAt !== null || this.#within.length > 0;
  }

  /** Counts points of a step of what is evaluated. */
  addAt(step: number, queried: number, read: number): void {
    if (this.#within.length === 0) {
      this.queried += this.#uses * queried;
      if (this.queriedAt !== null) this.queriedAt[step] += this.#uses * queried;
    }
    if (read === 0) return;
    let at = step;
    for (let i = this.#within.length - 1; i >= 0; i--) {
      at = outerStep(this.#within[i], at);
      // Between the windows of what it stands in: nobody needs it.
      if (at < 0) return;
    }
    this.read += this.#uses * read;
    if (this.readAt !== null) this.readAt[at] += this.#uses * read;
  }

  /** Counts points where steps do not matter. */
  add(queried: number, read: number): void {
    this.queried += this.#uses * queried;
    this.read += this.#uses * read;
  }

  /** Evaluates once what stands in the query several times, and counts as often as it does. */
  shared<T>(uses: number, evaluate: () => T): T {
    const before = this.#uses;
    this.#uses = before * uses;
    try {
      return evaluate();
    } finally {
      this.#uses = before;
    }
  }

  /** Evaluates what stands in a subquery. */
  within<T>(steps: SubquerySteps, evaluate: () => T): T {
    this.#within.push(steps);
    try {
      return evaluate();
    } finally {
      this.#within.pop();
    }
  }

  /** Evaluates what is then repeated at every step, and counts as looked at there again. */
  repeated<T>(stepCount: number, evaluate: () => T): T {
    const before = this.queried;
    const result = evaluate();
    const queried = this.queried - before;
    this.queried += queried * (stepCount - 1);
    if (this.queriedAt !== null && queried > 0) {
      for (let step = 1; step < stepCount; step++) this.queriedAt[step] += queried;
    }
    return result;
  }
}

/** The first step of what a subquery stands in whose window can have its step `step`; -1 if that lies between two windows. */
function outerStep({ inner, outer, offsetMs, rangeMs }: SubquerySteps, step: number): number {
  if (outer.stepCount <= 1) return 0;
  const time = inner.startMs + step * inner.stepMs + offsetMs;
  const first = Math.max(0, Math.ceil((time - outer.startMs) / outer.stepMs));
  const at = Math.min(first, outer.stepCount - 1);
  return time <= outer.startMs + at * outer.stepMs - rangeMs ? -1 : at;
}
