/**
 * An aggregation that makes one series of a group: sum, avg, count, min, max, group, stddev, stdvar, quantile.
 * Owns the grouping and the flow: series are added to their group as they come, and a group is given as soon as its last member
 * came, so that only open groups take memory. In a grid of one step the order of groups shows: it is that of their first points.
 */
import type { Labels } from '../../../model/labels.ts';
import { type ExecutionContext, type NumberingContext, workPerLabels } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import { LabelNumbers } from '../label-numbers.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { groupLabels, hasMetadata } from '../series-labels.ts';
import { PointKind, type StepColumn } from '../step-column.ts';

/** A group under way. */
export interface Accumulator {
  /** Adds the points of one series. */
  add(column: StepColumn, metric: Labels): void;
  /** Gives the result and ends its use. */
  finish(out: StepColumn): void;
}

export interface Grouping {
  readonly names: readonly string[];
  readonly without: boolean;
}

interface Group {
  output: OutputSeries;
  /** Whether some members are to lose their names and some are not: those that have a point at its last step say whether it does. */
  readonly isMixed: boolean;
  last: number;
  /** Members that have not come yet. */
  pending: number;
  accumulator: Accumulator | undefined;
}

interface SeriesGroup {
  readonly labels: Labels;
  /** Of the first member. */
  readonly dropName: boolean;
  /** Whether it is not the same of all members. */
  isMixed: boolean;
  members: number;
}

/** The groups of a list of series, in order of their first members, and the group of each series. */
export function groupSeries(
  context: NumberingContext,
  series: readonly OutputSeries[],
  { names, without }: Grouping,
): { readonly groups: SeriesGroup[]; readonly groupOf: Int32Array } {
  const nameSet = new Set(names);
  const numbers = new LabelNumbers(nameSet, without, context);
  const groups: SeriesGroup[] = [];
  const groupOf = new Int32Array(series.length);
  for (let i = 0; i < series.length; i++) {
    const { labels, dropName } = series[i] as OutputSeries;
    context.worked(workPerLabels);
    const number = numbers.of(labels);
    if (number === groups.length) {
      groups.push({ labels: groupLabels(labels, nameSet, without), dropName, isMixed: false, members: 0 });
    }
    const group = groups[number] as SeriesGroup;
    group.isMixed ||= group.dropName !== dropName;
    group.members++;
    groupOf[i] = number;
  }
  numbers.end();
  return { groups, groupOf };
}

export class Aggregation implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #grouping: Grouping;
  readonly #grid: Grid;
  readonly #makeAccumulator: () => Accumulator;
  #inputs: readonly OutputSeries[] = [];
  #groups: Group[] = [];
  #groupOf: Int32Array = new Int32Array(0);
  #read = 0;
  #given = 0;
  #column: StepColumn | undefined;
  #inputDone = false;
  #held = 0;

  constructor(
    context: ExecutionContext,
    input: VectorOperator,
    grouping: Grouping,
    grid: Grid,
    makeAccumulator: () => Accumulator,
  ) {
    this.#context = context;
    this.#input = input;
    this.#grouping = grouping;
    this.#grid = grid;
    this.#makeAccumulator = makeAccumulator;
  }

  series(): readonly OutputSeries[] {
    this.#inputs = this.#input.series();
    const { groups, groupOf } = groupSeries(this.#context, this.#inputs, this.#grouping);
    this.#groupOf = groupOf;
    this.#groups = groups.map(({ labels, dropName, isMixed, members }) => ({
      output: { labels, dropName },
      isMixed: isMixed && hasMetadata(labels),
      last: -1,
      pending: members,
      accumulator: undefined,
    }));
    this.#column = this.#context.takeColumn(this.#grid.stepCount);
    if (this.#grid.stepCount === 1) this.#groups = this.#inOrderOfFirstPoint();
    else if (this.#groups.some(({ isMixed }) => isMixed)) while (this.#read < this.#inputs.length) this.#readOne();
    return this.#context.distinct(this.#groups.map(({ output }) => output));
  }

  next(out: StepColumn): void {
    const group = this.#groups[this.#given++] as Group;
    while (group.pending > 0) this.#readOne();
    group.accumulator?.finish(out);
    group.accumulator = undefined;
    const points = out.pointCount();
    this.#context.holdSamples(points);
    this.#held += points;
    if (this.#read === this.#inputs.length) this.#endInput();
  }

  done(): void {
    this.#endInput();
    this.#context.releaseSamples(this.#held);
  }

  /** Returns the group that it was added to, if the series has any point. */
  #readOne(): Group | undefined {
    const index = this.#read++;
    const column = this.#column as StepColumn;
    column.clear();
    this.#input.next(column);
    const group = this.#groups[this.#groupOf[index]] as Group;
    group.pending--;
    if (this.#grid.stepCount === 1 && column.kinds[0] === 0) return undefined;
    if (group.isMixed) noteLast(group, (this.#inputs[index] as OutputSeries).dropName, column);
    group.accumulator ??= this.#makeAccumulator();
    group.accumulator.add(column, (this.#inputs[index] as OutputSeries).labels);
    this.#context.worked(this.#grid.stepCount);
    return group;
  }

  #inOrderOfFirstPoint(): Group[] {
    const ordered = new Set<Group>();
    while (this.#read < this.#inputs.length) {
      const group = this.#readOne();
      if (group !== undefined) ordered.add(group);
    }
    return [...ordered];
  }

  #endInput(): void {
    if (this.#inputDone) return;
    this.#inputDone = true;
    this.#input.done();
    if (this.#column !== undefined) this.#context.giveColumn(this.#column);
    this.#column = undefined;
  }
}

function noteLast(group: Group, dropName: boolean, { kinds }: StepColumn): void {
  const last = kinds.findLastIndex((kind) => kind !== PointKind.none);
  if (last < 0 || last < group.last) return;
  const { labels } = group.output;
  group.output = { labels, dropName: dropName || (last === group.last && group.output.dropName) };
  group.last = last;
}
