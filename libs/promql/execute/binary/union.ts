/**
 * A chain of `or` by the same labels: of each operand the points whose match group has none in an operand before it at the same step.
 * One operator for the chain, however long: a pair after the other would hold all series once more for each.
 */
import type { VectorMatching } from '../../syntax/ast.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import { MatchGroups } from './match.ts';

export class Union implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #operands: readonly VectorOperator[];
  readonly #matching: VectorMatching;
  readonly #stepCount: number;
  /** Of each match group, the first operand that has a point at each step: its number from 1 on, 0 while there is none. */
  readonly #first: (Uint32Array | undefined)[] = [];
  #bytes = 0;
  /** The match group of each series of each operand. */
  #groups: readonly Int32Array[] = [];
  #operand = 0;
  #series = 0;

  constructor(
    context: ExecutionContext,
    operands: readonly VectorOperator[],
    matching: VectorMatching,
    { stepCount }: Grid,
  ) {
    this.#context = context;
    this.#operands = operands;
    this.#matching = matching;
    this.#stepCount = stepCount;
  }

  series(): readonly OutputSeries[] {
    const lists = this.#operands.map((operand) => operand.series());
    const numbers = new MatchGroups(this.#context, this.#matching);
    const groups: Int32Array[] = [];
    lists.forEach((list, i) => {
      const before = lists[i - 1];
      const isAlike = before !== undefined && haveSameLabels(list, before);
      groups.push(isAlike ? (groups[i - 1] as Int32Array) : numbers.number(list));
    });
    numbers.end();
    this.#groups = groups;
    return lists.flat();
  }

  next(out: StepColumn): void {
    while (this.#series === this.#groups[this.#operand]?.length) {
      this.#operand++;
      this.#series = 0;
    }
    const group = (this.#groups[this.#operand] as Int32Array)[this.#series++];
    (this.#operands[this.#operand] as VectorOperator).next(out);
    this.#context.worked(out.stepCount);
    this.#mask(this.#firstOf(group), out);
  }

  #firstOf(group: number): Uint32Array {
    let first = this.#first[group];
    if (first === undefined) {
      first = this.#context.slabs.words(this.#stepCount);
      this.#first[group] = first;
      this.#context.takeMemory(first.byteLength);
      this.#bytes += first.byteLength;
    }
    return first;
  }

  /** Points that an operand before has one for go; where there was none, from here on there is. */
  #mask(first: Uint32Array, { kinds }: StepColumn): void {
    const own = this.#operand + 1;
    for (let step = 0; step < kinds.length; step++) {
      if (kinds[step] === PointKind.none) continue;
      if (first[step] === 0) first[step] = own;
      else if (first[step] < own) kinds[step] = PointKind.none;
    }
  }

  done(): void {
    this.#context.giveMemory(this.#bytes);
    this.#bytes = 0;
    for (const operand of this.#operands) operand.done();
  }
}

/** Whether two operands are of the same selection. */
function haveSameLabels(a: readonly OutputSeries[], b: readonly OutputSeries[]): boolean {
  return a.length === b.length && a.every(({ labels }, i) => labels === b[i]?.labels);
}
