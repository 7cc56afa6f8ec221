/**
 * A part of a plan that several others read: evaluated once, its series held until the last of them has taken them.
 * Owns what is held, and when that would be too much: then each evaluates the part for itself.
 */
import type { ExecutionContext } from './execution-context.ts';
import type { OutputSeries, VectorOperator } from './operator.ts';
import type { StepColumn } from './step-column.ts';

/** What a part may take where one has read all of it before another begins; else evaluating it again is the smaller evil. */
const heldBytesMax = 32 * 1024 * 1024;
const bytesPerStep = 9;
const bytesPerColumn = 300;

interface HeldColumn {
  readonly column: StepColumn;
  /** Readers that have not taken it. */
  pending: number;
}

export class SharedPart {
  readonly #context: ExecutionContext;
  readonly #make: () => VectorOperator;
  readonly #stepCount: number;
  readonly #uses: number;
  readonly #operator: VectorOperator;
  #list: readonly OutputSeries[] | undefined;
  #isTooLarge = false;
  readonly #held = new Map<number, HeldColumn>();
  #produced = 0;
  #finished = 0;

  /** @param make builds an operator of the part; once as a rule */
  constructor(context: ExecutionContext, stepCount: number, uses: number, make: () => VectorOperator) {
    this.#context = context;
    this.#stepCount = stepCount;
    this.#uses = uses;
    this.#make = make;
    this.#operator = make();
  }

  /** The operator of one of the places where the part stands. */
  reader(): VectorOperator {
    let own: VectorOperator | undefined;
    let read = 0;
    return {
      series: () => {
        if (this.#list === undefined) {
          const list = this.#context.counts.shared(this.#uses, () => this.#operator.series());
          this.#list = list;
          this.#isTooLarge = list.length * (this.#stepCount * bytesPerStep + bytesPerColumn) > heldBytesMax;
          if (this.#isTooLarge) own = this.#operator;
        } else if (this.#isTooLarge) {
          own = this.#make();
          return own.series();
        }
        return this.#list;
      },
      next: (out) => {
        if (own !== undefined) own.next(out);
        else this.#give(read++, out);
      },
      done: () => {
        if (own !== undefined) own.done();
        else this.#finish(read);
      },
    };
  }

  #give(index: number, out: StepColumn): void {
    while (this.#produced <= index) this.#produce();
    const held = this.#held.get(index);
    if (held === undefined) return;
    copyColumn(held.column, out);
    this.#take(index, held);
  }

  #produce(): void {
    const column = this.#context.takeColumn(this.#stepCount);
    this.#context.counts.shared(this.#uses, () => this.#operator.next(column));
    this.#held.set(this.#produced++, { column, pending: this.#uses - this.#finished });
  }

  #take(index: number, held: HeldColumn): void {
    held.pending--;
    if (held.pending > 0) return;
    this.#held.delete(index);
    this.#context.giveColumn(held.column);
  }

  /** A reader that has read so many series wants no more. */
  #finish(read: number): void {
    this.#finished++;
    for (const [index, held] of this.#held) if (index >= read) this.#take(index, held);
    if (this.#finished < this.#uses) return;
    // What nobody wanted to see may be evaluated only now, and counts as the rest.
    this.#context.counts.shared(this.#uses, () => this.#operator.done());
  }
}

function copyColumn(from: StepColumn, to: StepColumn): void {
  if (from.hasHistograms) {
    for (let step = 0; step < from.stepCount; step++) to.copyPoint(from, step);
    return;
  }
  to.kinds.set(from.kinds);
  to.values.set(from.values);
}
