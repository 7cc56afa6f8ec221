/**
 * Scalars: constants, the time, arithmetic between scalars, scalar() of a vector, and vector() of a scalar.
 */
import { Labels } from '../../model/labels.ts';
import type { ExecutionContext } from './execution-context.ts';
import type { Grid } from './grid.ts';
import type { OutputSeries, ScalarOperator, VectorOperator } from './operator.ts';
import { PointKind, type StepColumn } from './step-column.ts';

/** How much more work it is to compute a number than to pass a sample: a power takes a hundred nanoseconds. */
const workPerNumber = 2;

/** A number for each step, of steps in a subquery too, which may be many: counted to the end of the query, or until `giveSteps`. */
export function takeSteps(context: ExecutionContext, stepCount: number): Float64Array {
  context.takeMemory(Float64Array.BYTES_PER_ELEMENT * stepCount);
  return new Float64Array(stepCount);
}

function giveSteps(context: ExecutionContext, values: Float64Array): void {
  context.giveMemory(values.byteLength);
}

/** A number that each step has by its index. */
export function scalarOf(context: ExecutionContext, grid: Grid, valueAt: (step: number) => number): ScalarOperator {
  return {
    values: () => {
      const values = takeSteps(context, grid.stepCount);
      context.inParts(values.length, workPerNumber, (begin, end) => {
        for (let step = begin; step < end; step++) values[step] = valueAt(step);
      });
      return values;
    },
  };
}

export function constantScalar(context: ExecutionContext, grid: Grid, value: number): ScalarOperator {
  return { values: () => takeSteps(context, grid.stepCount).fill(value) };
}

/** Seconds since the epoch of each step. */
export function timeScalar(context: ExecutionContext, grid: Grid): ScalarOperator {
  return scalarOf(context, grid, (step) => (grid.startMs + step * grid.stepMs) / 1000);
}

export function mapScalars(
  context: ExecutionContext,
  operands: readonly ScalarOperator[],
  apply: (a: number, b: number) => number,
): ScalarOperator {
  return {
    values: () => {
      const [a, b] = operands.map((operand) => operand.values());
      const values = a ?? new Float64Array(0);
      context.inParts(values.length, workPerNumber, (begin, end) => {
        for (let step = begin; step < end; step++) values[step] = apply(values[step], b?.[step] ?? Number.NaN);
      });
      if (b !== undefined) giveSteps(context, b);
      return values;
    },
  };
}

/** scalar(): the one float of a step, NaN where there is none or several. */
export function scalarOfVector(context: ExecutionContext, vector: VectorOperator, grid: Grid): ScalarOperator {
  return {
    values: () => {
      const values = takeSteps(context, grid.stepCount).fill(Number.NaN);
      const counts = new Uint8Array(grid.stepCount);
      const column = context.takeColumn(grid.stepCount);
      for (const _series of vector.series()) {
        column.clear();
        vector.next(column);
        for (let step = 0; step < values.length; step++) {
          if (column.kinds[step] !== PointKind.float || counts[step] === 2) continue;
          counts[step]++;
          values[step] = counts[step] === 1 ? column.values[step] : Number.NaN;
        }
      }
      context.giveColumn(column);
      vector.done();
      return values;
    },
  };
}

/** A vector of one series without labels that has the scalar's value at each step. */
export class ScalarVector implements VectorOperator {
  readonly #scalar: ScalarOperator;
  readonly #dropName: boolean;

  constructor(scalar: ScalarOperator, dropName = false) {
    this.#scalar = scalar;
    this.#dropName = dropName;
  }

  series(): readonly OutputSeries[] {
    return [{ labels: Labels.empty, dropName: this.#dropName }];
  }

  next(out: StepColumn): void {
    out.values.set(this.#scalar.values());
    out.kinds.fill(PointKind.float);
  }

  done(): void {}
}

/** No series at all. */
export const emptyVector: VectorOperator = { series: () => [], next: () => {}, done: () => {} };
