/**
 * Numbers of histograms by their labels, as classic buckets come: many series a histogram, each with another `le` and often in the order of `le`.
 * Owns that no text is built a series: label sets of one query share their strings, which are numbered once.
 */
import type { Labels } from '../../../model/labels.ts';
import { mixed, moreHashes, slotsOf } from '../number-slots.ts';
import { withLabel } from '../series-labels.ts';

/** Of this process: what was chosen so that it meets in one slot elsewhere does not here. */
const seed = (Math.random() * 2 ** 32) | 0;

export class UnitNumbers {
  /** The labels of each histogram. */
  readonly labels: Labels[] = [];
  readonly #strings = new Map<string, number>();
  /** Number + 1 by hash; 0 is free. */
  #slots = new Int32Array(64);
  #hashes = new Int32Array(32);

  /** The number of these labels without that of the name `but`; the next one where they have not come before. */
  of(labels: Labels, but: string | undefined): number {
    const hash = this.#hash(labels.pairs, but);
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = slots[slot] - 1;
      if (this.#hashes[number] === hash && areEqualBut((this.labels[number] as Labels).pairs, labels.pairs, but)) {
        return number;
      }
    }
    const number = this.labels.push(but === undefined ? labels : withLabel(labels, but, '')) - 1;
    slots[slot] = number + 1;
    this.#hashes[number] = hash;
    if (this.labels.length === this.#hashes.length) this.#grow();
    return number;
  }

  #hash(pairs: readonly string[], but: string | undefined): number {
    let hash = seed;
    for (let i = 0; i < pairs.length; i += 2) {
      if (pairs[i] === but) continue;
      const value = pairs[i + 1] as string;
      let number = this.#strings.get(value);
      if (number === undefined) {
        number = this.#strings.size;
        this.#strings.set(value, number);
      }
      hash = mixed(hash, number);
    }
    return hash;
  }

  #grow(): void {
    this.#hashes = moreHashes(this.#hashes);
    this.#slots = slotsOf(this.#hashes, this.labels.length);
  }
}

/** Whether `own` has all of `pairs` but that of the name. */
function areEqualBut(own: readonly string[], pairs: readonly string[], but: string | undefined): boolean {
  let at = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    if (pairs[i] === but) continue;
    if (own[at] !== pairs[i] || own[at + 1] !== pairs[i + 1]) return false;
    at += 2;
  }
  return at === own.length;
}
