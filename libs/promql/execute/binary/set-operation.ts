/**
 * and, unless: points of one side, by whether the other side has any in the same match group at the same step.
 * Of the side that only decides nothing is kept but one byte a group and step.
 */
import type { VectorMatching } from '../../syntax/ast.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import { MatchGroups } from './match.ts';

/** Steps at which each group has a point. */
class Presence {
  readonly #context: ExecutionContext;
  readonly #stepCount: number;
  readonly #steps: (Uint8Array | undefined)[] = [];
  #bytes = 0;

  constructor(context: ExecutionContext, stepCount: number) {
    this.#context = context;
    this.#stepCount = stepCount;
  }

  add(group: number, { kinds }: StepColumn): void {
    let steps = this.#steps[group];
    if (steps === undefined) {
      this.#context.takeMemory(this.#stepCount);
      this.#bytes += this.#stepCount;
      steps = this.#context.slabs.bytes(this.#stepCount);
      this.#steps[group] = steps;
    }
    for (let step = 0; step < kinds.length; step++) steps[step] |= kinds[step];
  }

  /** Leaves of the column what stands where the group is present (or is not). */
  mask(group: number, column: StepColumn, keepWhere: 'present' | 'absent'): void {
    const steps = this.#steps[group];
    if (steps === undefined) {
      if (keepWhere === 'present') column.clear();
      return;
    }
    const { kinds } = column;
    for (let step = 0; step < kinds.length; step++) {
      if ((steps[step] !== 0) !== (keepWhere === 'present')) kinds[step] = PointKind.none;
    }
  }

  done(): void {
    this.#context.giveMemory(this.#bytes);
    this.#bytes = 0;
  }
}

export class SetOperation implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #keepWhere: 'present' | 'absent';
  readonly #lhs: VectorOperator;
  readonly #rhs: VectorOperator;
  readonly #matching: VectorMatching;
  readonly #grid: Grid;
  readonly #presence: Presence;
  #lhsGroups: Int32Array = new Int32Array(0);
  #given = 0;

  constructor(
    context: ExecutionContext,
    op: 'and' | 'unless',
    lhs: VectorOperator,
    rhs: VectorOperator,
    matching: VectorMatching,
    grid: Grid,
  ) {
    this.#context = context;
    this.#keepWhere = op === 'and' ? 'present' : 'absent';
    this.#lhs = lhs;
    this.#rhs = rhs;
    this.#matching = matching;
    this.#grid = grid;
    this.#presence = new Presence(context, grid.stepCount);
  }

  series(): readonly OutputSeries[] {
    const lhs = this.#lhs.series();
    const rhs = this.#rhs.series();
    const groups = new MatchGroups(this.#context, this.#matching);
    this.#lhsGroups = groups.number(lhs);
    const rhsGroups = groups.number(rhs);
    groups.end();
    const column = this.#context.takeColumn(this.#grid.stepCount);
    for (const group of rhsGroups) {
      column.clear();
      this.#rhs.next(column);
      this.#context.worked(column.stepCount);
      this.#presence.add(group, column);
    }
    this.#context.giveColumn(column);
    return lhs;
  }

  next(out: StepColumn): void {
    const group = this.#lhsGroups[this.#given++];
    this.#context.worked(out.stepCount);
    this.#lhs.next(out);
    this.#presence.mask(group, out, this.#keepWhere);
  }

  done(): void {
    this.#presence.done();
    this.#lhs.done();
    this.#rhs.done();
  }
}
