/**
 * The k best of a group at every step: a binary heap for each step, its worst element first.
 * Ties and the order within the heap show in answers, so the sifting is that of Go's container/heap, step for step.
 */
import { goSort } from '../../go-sort.ts';
import type { Worked } from '../../worked.ts';

/** Which of two values is nearer to being thrown out; NaN is before anything. */
type HeapOrder = 'smallest first' | 'largest first';

export class StepHeaps {
  readonly #order: HeapOrder;
  readonly #capacity: number;
  readonly #sizes: Int32Array;
  readonly #values: Float64Array;
  /** Number of the series of each element. */
  readonly #series: Int32Array;

  constructor(stepCount: number, capacity: number, order: HeapOrder) {
    this.#order = order;
    this.#capacity = capacity;
    this.#sizes = new Int32Array(stepCount);
    this.#values = new Float64Array(stepCount * capacity);
    this.#series = new Int32Array(stepCount * capacity);
  }

  /** Bytes of a heap set of this size. */
  static bytes(stepCount: number, capacity: number): number {
    return stepCount * (capacity * 12 + 4);
  }

  size(step: number): number {
    return this.#sizes[step];
  }

  push(step: number, value: number, series: number): void {
    const base = step * this.#capacity;
    const size = this.#sizes[step]++;
    this.#values[base + size] = value;
    this.#series[base + size] = series;
    this.#up(base, size);
  }

  /** Puts a better value in place of the worst one, if it is better. */
  replaceWorst(step: number, value: number, series: number): void {
    const base = step * this.#capacity;
    const worst = this.#values[base];
    const better = this.#order === 'smallest first' ? worst < value : worst > value;
    if (!better && !(Number.isNaN(worst) && !Number.isNaN(value))) return;
    this.#values[base] = value;
    this.#series[base] = series;
    this.#down(base, this.#sizes[step]);
  }

  /** Series of the step's elements in the order of the heap. */
  elements(step: number): number[] {
    const base = step * this.#capacity;
    return Array.from(this.#series.subarray(base, base + this.#sizes[step]));
  }

  /** Series of the step's elements, the best first. `worked` is told of what is done, and may throw to end it. */
  bestFirst(step: number, worked: Worked): number[] {
    const base = step * this.#capacity;
    const size = this.#sizes[step];
    const better = (i: number, j: number) => {
      worked(1);
      return this.#less(base + j, base + i);
    };
    goSort({ less: better, swap: (i, j) => this.#swap(base + i, base + j) }, size);
    return this.elements(step);
  }

  #less(i: number, j: number): boolean {
    const a = this.#values[i];
    if (Number.isNaN(a)) return true;
    return this.#order === 'smallest first' ? a < this.#values[j] : a > this.#values[j];
  }

  #swap(i: number, j: number): void {
    const value = this.#values[i];
    this.#values[i] = this.#values[j];
    this.#values[j] = value;
    const series = this.#series[i];
    this.#series[i] = this.#series[j];
    this.#series[j] = series;
  }

  #up(base: number, from: number): void {
    for (let j = from; j > 0; ) {
      const parent = (j - 1) >> 1;
      if (!this.#less(base + j, base + parent)) return;
      this.#swap(base + parent, base + j);
      j = parent;
    }
  }

  #down(base: number, size: number): void {
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      if (left >= size) return;
      const right = left + 1;
      const child = right < size && this.#less(base + right, base + left) ? right : left;
      if (!this.#less(base + child, base + i)) return;
      this.#swap(base + i, base + child);
      i = child;
    }
  }
}
