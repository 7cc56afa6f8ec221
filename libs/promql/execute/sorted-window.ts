/**
 * A window that moves over numbers, kept in order: what leaves is taken out, what enters is put in, each at its place.
 * Owns that order (NaN first, -0 before 0: quantile.ts' own) and what is cheapest: to move what stands behind each place, to merge those
 * that change into the rest, or to sort anew.
 */
import { isBefore, sortNumbers } from './quantile.ts';

/** For so many changes one pass over the window costs more than to move what stands behind each of their places. */
const fewChanges = 16;

export class SortedWindow {
  readonly #worked: (amount: number) => void;
  #sorted = new Float64Array(64);
  /** Where the next merged window is put. */
  #spare = new Float64Array(0);
  #count = 0;
  #begin = 0;
  #end = 0;

  /** @param worked is told of what is done, and may throw to end it */
  constructor(worked: (amount: number) => void = () => undefined) {
    this.#worked = worked;
  }

  /** Forgets the window: other numbers are next. */
  reset(): void {
    this.#count = 0;
    this.#begin = 0;
    this.#end = 0;
  }

  /** The numbers values[begin, end) in order; neither end moves back. Valid until the next call. */
  move(values: Float64Array, begin: number, end: number): Float64Array {
    const changes = begin - this.#begin + (end - this.#end);
    if (begin >= this.#end || changes * 4 > end - begin) {
      this.#fill(values, begin, end);
    } else if (changes > fewChanges) {
      this.#merge(sortedCopy(values, this.#begin, begin), sortedCopy(values, this.#end, end));
    } else {
      for (let i = this.#begin; i < begin; i++) this.#takeOut(values[i]);
      for (let i = this.#end; i < end; i++) this.#putIn(values[i]);
    }
    this.#begin = begin;
    this.#end = end;
    return this.#sorted.subarray(0, this.#count);
  }

  #fill(values: Float64Array, begin: number, end: number): void {
    this.#count = end - begin;
    this.#reserve(this.#count);
    const sorted = this.#sorted;
    for (let i = begin; i < end; i++) sorted[i - begin] = values[i];
    sortNumbers(sorted.subarray(0, this.#count), this.#worked);
  }

  /** Takes out and puts in numbers that are in order. */
  #merge(leaving: Float64Array, entering: Float64Array): void {
    const count = this.#count + entering.length - leaving.length;
    if (this.#spare.length < count) this.#spare = new Float64Array(Math.max(count, this.#sorted.length));
    const sorted = this.#sorted;
    const merged = this.#spare;
    let at = 0;
    let left = 0;
    let entered = 0;
    for (let i = 0; i < this.#count; i++) {
      const value = sorted[i];
      // All that leaves is here: what is not before the next of it is that.
      if (left < leaving.length && !isBefore(value, leaving[left])) {
        left++;
        continue;
      }
      while (entered < entering.length && isBefore(entering[entered], value)) merged[at++] = entering[entered++];
      merged[at++] = value;
    }
    while (entered < entering.length) merged[at++] = entering[entered++];
    this.#sorted = merged;
    this.#spare = sorted;
    this.#count = count;
  }

  #reserve(count: number): void {
    if (count <= this.#sorted.length) return;
    const grown = new Float64Array(Math.max(count, this.#sorted.length * 2));
    grown.set(this.#sorted);
    this.#sorted = grown;
  }

  #takeOut(value: number): void {
    const at = this.#placeOf(value);
    this.#sorted.copyWithin(at, at + 1, this.#count);
    this.#count--;
  }

  #putIn(value: number): void {
    this.#reserve(this.#count + 1);
    const at = this.#placeOf(value);
    this.#sorted.copyWithin(at + 1, at, this.#count);
    this.#sorted[at] = value;
    this.#count++;
  }

  /** Where the first number stands that is not before `value`. */
  #placeOf(value: number): number {
    const sorted = this.#sorted;
    let from = 0;
    let to = this.#count;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (isBefore(sorted[middle], value)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

function sortedCopy(values: Float64Array, begin: number, end: number): Float64Array {
  const copy = values.slice(begin, end);
  sortNumbers(copy);
  return copy;
}
