/**
 * What does not change from step to step: evaluated on a grid of one step and repeated.
 */
import { type ExecutionContext, histogramSamples } from './execution-context.ts';
import type { OutputSeries, ScalarOperator, VectorOperator } from './operator.ts';
import { takeSteps } from './scalars.ts';
import { PointKind, type StepColumn } from './step-column.ts';

export class StepInvariantVector implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #inner: VectorOperator;
  readonly #stepCount: number;
  #column: StepColumn | undefined;
  #held = 0;

  /**
   * @param inner on a grid of one step
   * @param stepCount how often it is repeated
   */
  constructor(context: ExecutionContext, inner: VectorOperator, stepCount: number) {
    this.#context = context;
    this.#inner = inner;
    this.#stepCount = stepCount;
  }

  series(): readonly OutputSeries[] {
    this.#column = this.#context.takeColumn(1);
    return this.#context.counts.repeated(this.#stepCount, () => this.#inner.series());
  }

  next(out: StepColumn): void {
    const column = this.#column;
    if (column === undefined) return;
    column.clear();
    this.#context.counts.repeated(this.#stepCount, () => this.#inner.next(column));
    const kind = column.kinds[0];
    if (kind === PointKind.float) {
      out.values.fill(column.values[0]);
      out.kinds.fill(PointKind.float);
      this.#hold(out.stepCount - 1);
    } else if (kind === PointKind.histogram) {
      const histogram = column.histogramAt(0);
      for (let step = 0; step < out.stepCount; step++) out.setHistogram(step, histogram);
      this.#hold((out.stepCount - 1) * histogramSamples(histogram));
    }
  }

  /** What is repeated counts as held at every step. */
  #hold(samples: number): void {
    this.#context.holdSamples(samples);
    this.#held += samples;
  }

  done(): void {
    this.#context.counts.repeated(this.#stepCount, () => this.#inner.done());
    this.#context.releaseSamples(this.#held);
    if (this.#column !== undefined) this.#context.giveColumn(this.#column);
    this.#column = undefined;
  }
}

/** The same of a scalar. */
export function stepInvariantScalar(
  context: ExecutionContext,
  inner: ScalarOperator,
  stepCount: number,
): ScalarOperator {
  const value = (): number => context.counts.repeated(stepCount, () => inner.values()[0] ?? Number.NaN);
  return { values: () => takeSteps(context, stepCount).fill(value()) };
}
