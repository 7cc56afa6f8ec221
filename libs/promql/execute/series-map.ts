/**
 * The shape of most functions of an instant vector: each series by itself, its points changed in place.
 */
import { metricName } from '../../model/labels.ts';
import type { ExecutionContext } from './execution-context.ts';
import { mapShared } from './map-shared.ts';
import type { OutputSeries, ScalarOperator, VectorOperator } from './operator.ts';
import { dropMetadata, isNameAlone } from './series-labels.ts';
import type { StepColumn } from './step-column.ts';

/** Changes the points of a series; `scalars` are the function's scalar arguments in order, one value per step. */
export type ColumnChange = (column: StepColumn, scalars: readonly Float64Array[]) => void;

/** The series with their names dropped, or marked so with delayed name removal. */
export function withoutNames(context: ExecutionContext, series: readonly OutputSeries[]): readonly OutputSeries[] {
  const delayed = context.flags.delayedNameRemoval;
  const named = mapShared(context, series, ({ labels }) => ({
    labels: delayed ? labels : dropMetadata(labels),
    dropName: true,
  }));
  // What differs still does without what is the same everywhere.
  return context.isDistinct(series) && (delayed || haveOneName(series)) ? context.distinct(named) : named;
}

/** Whether all have the same name and no type or unit; false where it would take long to see. */
function haveOneName(series: readonly OutputSeries[]): boolean {
  const name = series[0]?.labels.pairs[1];
  return series.every(({ labels: { pairs } }) => pairs[0] === metricName && pairs[1] === name && isNameAlone(pairs));
}

export class SeriesMap implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #scalars: readonly ScalarOperator[];
  readonly #change: ColumnChange;
  readonly #relabel: (series: readonly OutputSeries[]) => readonly OutputSeries[];
  #values: readonly Float64Array[] = [];

  constructor(
    context: ExecutionContext,
    input: VectorOperator,
    scalars: readonly ScalarOperator[],
    change: ColumnChange,
    relabel: (series: readonly OutputSeries[]) => readonly OutputSeries[] = (series) => withoutNames(context, series),
  ) {
    this.#context = context;
    this.#input = input;
    this.#scalars = scalars;
    this.#change = change;
    this.#relabel = relabel;
  }

  series(): readonly OutputSeries[] {
    const series = this.#input.series();
    this.#values = this.#scalars.map((scalar) => scalar.values());
    return this.#relabel(series);
  }

  next(out: StepColumn): void {
    this.#input.next(out);
    this.#change(out, this.#values);
    this.#context.worked(out.stepCount);
  }

  done(): void {
    this.#input.done();
  }
}
