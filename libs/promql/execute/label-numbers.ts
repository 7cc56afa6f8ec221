/**
 * Numbers label sets by some of their labels: those that agree in all of them have one number.
 * Owns the way there without a text to compare by: values lead from node to node of a tree, one level a name.
 */
import type { Labels } from '../../model/labels.ts';

type Level = Map<string, Level | number>;

export class LabelNumbers {
  readonly #names: readonly string[];
  readonly #root: Level = new Map();
  #count = 0;
  /** Series mostly come in runs that agree. */
  #last: string[] = [];
  #lastNumber = -1;
  #lastLabels: Labels | undefined;

  constructor(names: Iterable<string>) {
    this.#names = [...names];
  }

  /** How many numbers there are so far: 0, 1, ... in the order in which they were met. */
  get count(): number {
    return this.#count;
  }

  /** The number of a label set. */
  of(labels: Labels): number {
    const names = this.#names;
    if (names.length === 0) {
      this.#count = 1;
      return 0;
    }
    if (labels === this.#lastLabels) return this.#lastNumber;
    this.#lastLabels = labels;
    const last = this.#last;
    let isLast = this.#lastNumber >= 0;
    for (let i = 0; i < names.length; i++) {
      const value = labels.get(names[i] as string);
      if (isLast && last[i] !== value) isLast = false;
      last[i] = value;
    }
    if (!isLast) this.#lastNumber = this.#find(last);
    return this.#lastNumber;
  }

  #find(values: readonly string[]): number {
    let level = this.#root;
    const end = values.length - 1;
    for (let i = 0; i < end; i++) {
      let next = level.get(values[i] as string);
      if (next === undefined) {
        next = new Map();
        level.set(values[i] as string, next);
      }
      level = next as Level;
    }
    const leaf = values[end] as string;
    let number = level.get(leaf);
    if (number === undefined) {
      number = this.#count++;
      level.set(leaf, number);
    }
    return number as number;
  }
}
