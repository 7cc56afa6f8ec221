/**
 * Series of one label set are one series: puts together what different inputs say under the same labels.
 * Owns the rule that they must not meet at a step. Only series whose labels do occur twice are held until the last of them came.
 */
import { Failure } from '../../errors/failure.ts';
import { type ExecutionContext, workPerLabels } from './execution-context.ts';
import type { Grid } from './grid.ts';
import { LabelNumbers } from './label-numbers.ts';
import type { OutputSeries, VectorOperator } from './operator.ts';
import { hasMetadata } from './series-labels.ts';
import { PointKind, type StepColumn } from './step-column.ts';

export const sameLabelset = 'vector cannot contain metrics with the same labelset';

/**
 * How two series with the same labels get on. `merge`: as long as they have no point at the same step. `refuse`: not if both have any
 * point at all.
 */
export type UniquePolicy = 'merge' | 'refuse';

interface Output {
  /** Of several inputs the one that has the first point: that says whether the name goes. */
  series: OutputSeries;
  pending: number;
  /** Step of the first point. */
  first: number;
  /** Whether some of its inputs are to lose their names and some are not, and they have any. */
  isMixed: boolean;
  /** What has come so far, where there are several inputs. */
  column: StepColumn | undefined;
  isEmpty: boolean;
}

export class UniqueSeries implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #grid: Grid;
  readonly #policy: UniquePolicy;
  #outputs: Output[] = [];
  #inputs: readonly OutputSeries[] = [];
  #outputOf = new Int32Array(0);
  #allUnique = false;
  #read = 0;
  #given = 0;

  constructor(context: ExecutionContext, input: VectorOperator, grid: Grid, policy: UniquePolicy) {
    this.#context = context;
    this.#input = input;
    this.#grid = grid;
    this.#policy = policy;
  }

  series(): readonly OutputSeries[] {
    this.#context.worked(workPerLabels);
    const inputs = this.#input.series();
    this.#allUnique = inputs.length < 2 || this.#context.isDistinct(inputs);
    if (this.#allUnique) return this.#context.distinct(inputs);
    const numbers = new LabelNumbers('all', false, this.#context);
    this.#outputOf = new Int32Array(inputs.length);
    inputs.forEach(({ labels }, i) => {
      this.#context.worked(workPerLabels);
      this.#outputOf[i] = numbers.of(labels);
    });
    this.#allUnique = numbers.count === inputs.length;
    numbers.end();
    if (this.#allUnique) return this.#context.distinct(inputs);
    inputs.forEach((series, i) => {
      // They are numbered in the order in which they come.
      const number = this.#outputOf[i];
      if (number === this.#outputs.length) {
        this.#outputs.push({
          series,
          pending: 0,
          first: this.#grid.stepCount,
          isMixed: false,
          column: undefined,
          isEmpty: true,
        });
      }
      const output = this.#outputs[number] as Output;
      output.pending++;
      output.isMixed ||= output.series.dropName !== series.dropName && hasMetadata(series.labels);
    });
    this.#inputs = inputs;
    if (this.#grid.stepCount === 1) this.#orderByFirstPoint();
    else if (this.#outputs.some(({ isMixed }) => isMixed)) this.#readAll();
    return this.#context.distinct(this.#outputs.map(({ series }) => series));
  }

  /** Whether a name goes is known when the points are. */
  #readAll(): void {
    const scratch = this.#context.takeColumn(this.#grid.stepCount);
    while (this.#read < this.#outputOf.length) this.#readOne(-1, scratch);
    this.#context.giveColumn(scratch);
  }

  /** An instant query shows the order: it is that of the points, not of the series that might have had one. */
  #orderByFirstPoint(): void {
    const ordered = new Set<Output>();
    const scratch = this.#context.takeColumn(1);
    while (this.#read < this.#outputOf.length) {
      const output = this.#outputs[this.#outputOf[this.#read]] as Output;
      this.#readOne(-1, scratch);
      if (!output.isEmpty) ordered.add(output);
    }
    this.#context.giveColumn(scratch);
    this.#outputs = [...ordered];
  }

  next(out: StepColumn): void {
    if (this.#allUnique) {
      this.#input.next(out);
      return;
    }
    const index = this.#given++;
    const output = this.#outputs[index] as Output;
    while (output.pending > 0) this.#readOne(index, out);
    const held = output.column;
    if (held === undefined) return;
    out.clear();
    for (let step = 0; step < held.stepCount; step++) out.copyPoint(held, step);
    this.#context.giveColumn(held);
    output.column = undefined;
  }

  /** Reads the next input: into `out` if it is the whole of the wanted output, else into what is held. */
  #readOne(wanted: number, out: StepColumn): void {
    const input = this.#inputs[this.#read] as OutputSeries;
    const number = this.#outputOf[this.#read++];
    const output = this.#outputs[number] as Output;
    output.pending--;
    if (number === wanted && output.pending === 0 && output.column === undefined) {
      out.clear();
      this.#input.next(out);
      return;
    }
    if (output.column === undefined) {
      output.column = this.#context.takeColumn(this.#grid.stepCount);
      this.#input.next(output.column);
      output.isEmpty = output.column.isEmpty();
      this.#noteFirst(output, input, output.column);
      return;
    }
    const column = this.#context.takeColumn(this.#grid.stepCount);
    this.#input.next(column);
    this.#noteFirst(output, input, column);
    this.#mergeInto(output, column);
    this.#context.giveColumn(column);
  }

  #noteFirst(output: Output, input: OutputSeries, { kinds }: StepColumn): void {
    if (!output.isMixed) return;
    const first = kinds.findIndex((kind) => kind !== PointKind.none);
    if (first < 0 || first >= output.first) return;
    output.first = first;
    output.series = input;
  }

  #mergeInto(output: Output, column: StepColumn): void {
    const held = output.column as StepColumn;
    let any = false;
    for (let step = 0; step < column.stepCount; step++) {
      if (column.kinds[step] === PointKind.none) continue;
      if (held.kinds[step] !== PointKind.none) throw new Failure('execution', sameLabelset);
      any = true;
      held.copyPoint(column, step);
    }
    if (any && !output.isEmpty && this.#policy === 'refuse') throw new Failure('execution', sameLabelset);
    if (any) output.isEmpty = false;
  }

  done(): void {
    this.#input.done();
  }
}
