/**
 * The shape of most functions of an instant vector: each series by itself, its points changed in place.
 */
import type { Labels } from '../../model/labels.ts';
import type { ExecutionContext } from './execution-context.ts';
import { mapShared } from './map-shared.ts';
import type { OutputSeries, ScalarOperator, VectorOperator } from './operator.ts';
import { dropMetadata, isNameAlone, metadataNames } from './series-labels.ts';
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
  return context.isDistinct(series) && (delayed || haveOneMetadata(series)) ? context.distinct(named) : named;
}

/** Whether name, type and unit are the same everywhere, as where they have been dropped before. */
function haveOneMetadata(series: readonly OutputSeries[]): boolean {
  const first = series[0]?.labels;
  if (first === undefined) return true;
  const isAlone = isNameAlone(first.pairs);
  const same = (labels: Labels): boolean => {
    if (isAlone && isNameAlone(labels.pairs)) return labels.pairs[1] === first.pairs[1];
    return metadataNames.every((name) => labels.get(name) === first.get(name));
  };
  let last = first;
  return series.every(({ labels }) => {
    if (labels === last) return true;
    last = labels;
    return same(labels);
  });
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
