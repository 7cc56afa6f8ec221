/**
 * Numbers label sets by some of their labels, those of some names or all others: those that agree in all of them have one number.
 * Owns that neither texts nor label sets are made to compare by: label sets of one query share their strings, which are numbered once,
 * and the numbers of a label set are hashed. What is remembered counts as memory of the query until the end of the numbering.
 */
import { type Labels, metricName } from '../../model/labels.ts';
import { mixed, moreHashes, slotsOf } from './number-slots.ts';

/** What is counted. */
interface CountedMemory {
  takeMemory(bytes: number): void;
  giveMemory(bytes: number): void;
}

/** So many names are looked for one by one; of more, each name of a label set is. */
const fewNames = 16;
/** A string's place in a map, and a label set's in the columns here. */
const bytesPerString = 56;
const bytesPerNumber = 40;
/** Of this process: what was chosen so that it meets in one slot elsewhere does not here. */
const seed = (Math.random() * 2 ** 32) | 0;

export class LabelNumbers {
  readonly #memory: CountedMemory;
  readonly #names: ReadonlySet<string> | 'all';
  readonly #without: boolean;
  /** Undefined where they are many, or what does not count. */
  readonly #few: readonly string[] | undefined;
  /** From 1: what is absent is 0. */
  readonly #strings = new Map<string, number>();
  /** The first label set of each number. */
  readonly #firsts: Labels[] = [];
  /** Number + 1 by hash; 0 is free. */
  #slots = new Int32Array(64);
  #hashes = new Int32Array(32);
  #count = 0;
  #bytes = 0;
  /** Series mostly come in runs that agree. */
  readonly #last: string[] = [];
  #lastNumber = -1;
  #lastLabels: Labels | undefined;

  /**
   * @param names of the labels that count; `all`: that of the metric, too
   * @param without whether it is the labels of other names that count, but for that of the metric
   */
  constructor(names: ReadonlySet<string> | 'all', without: boolean, memory: CountedMemory) {
    this.#memory = memory;
    this.#names = names;
    this.#without = without;
    this.#few = names === 'all' || without || names.size > fewNames ? undefined : [...names];
  }

  /** How many numbers there are so far: 0, 1, ... in the order in which they were met. */
  get count(): number {
    return this.#count;
  }

  /** The number of a label set. */
  of(labels: Labels): number {
    if (labels === this.#lastLabels) return this.#lastNumber;
    this.#lastLabels = labels;
    const few = this.#few;
    if (few === undefined) this.#lastNumber = this.#find(this.#hashKept(labels.pairs), labels);
    else if (!this.#isLast(few, labels)) this.#lastNumber = this.#ofValues(labels);
    return this.#lastNumber;
  }

  /** Ends the numbering. */
  end(): void {
    this.#memory.giveMemory(this.#bytes);
    this.#bytes = 0;
  }

  /** Notes the values that count; whether they are those of the label set before. */
  #isLast(names: readonly string[], labels: Labels): boolean {
    const last = this.#last;
    let isLast = this.#lastNumber >= 0;
    for (let i = 0; i < names.length; i++) {
      const value = labels.get(names[i] as string);
      if (isLast && last[i] !== value) isLast = false;
      last[i] = value;
    }
    return isLast;
  }

  #ofValues(labels: Labels): number {
    const values = this.#last;
    if (values.length === 0) {
      this.#count = 1;
      return 0;
    }
    if (values.length === 1) {
      // Strings are numbered in the order in which they are met.
      const number = this.#stringNumber(values[0] as string) - 1;
      this.#count = this.#strings.size;
      return number;
    }
    let hash = seed;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as string;
      hash = mixed(hash, value === '' ? 0 : this.#stringNumber(value));
    }
    return this.#find(hash, labels);
  }

  #hashKept(pairs: readonly string[]): number {
    let hash = seed;
    for (let i = 0; i < pairs.length; i += 2) {
      const name = pairs[i] as string;
      if (!this.#counts(name)) continue;
      hash = mixed(mixed(hash, this.#stringNumber(name)), this.#stringNumber(pairs[i + 1] as string));
    }
    return hash;
  }

  #counts(name: string): boolean {
    if (this.#names === 'all') return true;
    return this.#without ? name !== metricName && !this.#names.has(name) : this.#names.has(name);
  }

  #stringNumber(text: string): number {
    let number = this.#strings.get(text);
    if (number === undefined) {
      number = this.#strings.size + 1;
      this.#strings.set(text, number);
      this.#take(bytesPerString);
    }
    return number;
  }

  #find(hash: number, labels: Labels): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = slots[slot] - 1;
      if (this.#hashes[number] === hash && this.#agree(this.#firsts[number] as Labels, labels)) return number;
    }
    const number = this.#count++;
    this.#firsts.push(labels);
    slots[slot] = number + 1;
    this.#hashes[number] = hash;
    this.#take(bytesPerNumber);
    if (this.#count === this.#hashes.length) this.#grow();
    return number;
  }

  #agree(known: Labels, labels: Labels): boolean {
    const few = this.#few;
    if (few === undefined) return this.#agreeInKept(known.pairs, labels.pairs);
    const values = this.#last;
    for (let i = 0; i < few.length; i++) if (known.get(few[i] as string) !== values[i]) return false;
    return true;
  }

  #agreeInKept(a: readonly string[], b: readonly string[]): boolean {
    let at = 0;
    for (let i = 0; i < a.length; i += 2) {
      const name = a[i] as string;
      if (!this.#counts(name)) continue;
      while (at < b.length && !this.#counts(b[at] as string)) at += 2;
      if (b[at] !== name || b[at + 1] !== a[i + 1]) return false;
      at += 2;
    }
    while (at < b.length && !this.#counts(b[at] as string)) at += 2;
    return at >= b.length;
  }

  #grow(): void {
    this.#hashes = moreHashes(this.#hashes);
    this.#slots = slotsOf(this.#hashes, this.#count);
  }

  #take(bytes: number): void {
    this.#bytes += bytes;
    this.#memory.takeMemory(bytes);
  }
}
