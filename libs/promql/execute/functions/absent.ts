/**
 * absent and absent_over_time: one series that is there where nothing is.
 * Its labels are what the selector says of them with `=`; a label that is matched twice is left out. Facts: Prometheus
 * promql/functions.go (createLabelsForAbsentFunction).
 */
import { Labels, metricName } from '../../../model/labels.ts';
import type { Matcher } from '../../../model/matcher.ts';
import { compileMatcher } from '../../../model/matcher-predicate.ts';
import type { PlanNode } from '../../plan/logical-plan.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { PointKind, type StepColumn } from '../step-column.ts';

/** Labels of absent(node). */
export function absentLabels(node: PlanNode): Labels {
  const selector = node.kind === 'matrixSelector' ? node.selector : node;
  if (selector.kind !== 'vectorSelector') return Labels.empty;
  const values = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name, type, value } of inOrder(selector.matchers)) {
    if (name === metricName) continue;
    if (type === '=' && !seen.has(name)) {
      values.set(name, value);
      seen.add(name);
    } else {
      values.delete(name);
    }
  }
  return Labels.from(values);
}

/**
 * In the order in which Prometheus has them here: its TSDB has moved those that only take series away behind the others, in the selector
 * itself (tsdb/querier.go, PostingsForMatchers).
 */
function inOrder(matchers: readonly Matcher[]): Matcher[] {
  const needed = new Set<string>();
  for (const matcher of matchers) if (!compileMatcher(matcher).matchesEmpty) needed.add(matcher.name);
  const takesAway = (matcher: Matcher): boolean =>
    !needed.has(matcher.name) || (matcher.type.startsWith('!') && compileMatcher(matcher).matchesEmpty);
  return [...matchers.filter((matcher) => !takesAway(matcher)), ...matchers.filter(takesAway)];
}

export class Absent implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #grid: Grid;
  readonly #series: OutputSeries;

  constructor(context: ExecutionContext, input: VectorOperator, grid: Grid, series: OutputSeries) {
    this.#context = context;
    this.#input = input;
    this.#grid = grid;
    this.#series = series;
  }

  series(): readonly OutputSeries[] {
    return [this.#series];
  }

  next(out: StepColumn): void {
    const present = new Uint8Array(this.#grid.stepCount);
    const column = this.#context.takeColumn(this.#grid.stepCount);
    for (const _series of this.#input.series()) {
      column.clear();
      this.#input.next(column);
      for (let step = 0; step < present.length; step++) present[step] |= column.kinds[step];
    }
    this.#context.giveColumn(column);
    for (let step = 0; step < present.length; step++) if (present[step] === PointKind.none) out.setFloat(step, 1);
  }

  done(): void {
    this.#input.done();
  }
}
