/**
 * A bit per series number, for sets of series: numbers rise for as long as a process lives, so only pages with a bit in them
 * take memory. Owns nothing else.
 */
import type { Steps } from '../../std/steps.ts';

const pageShift = 16;
const pageMask = (1 << pageShift) - 1;
const pageWords = 1 << (pageShift - 5);

export class IdMarks {
  readonly #pages: (Uint32Array | undefined)[] = [];
  /** Numbers marked. */
  count = 0;

  add(id: number): void {
    const index = id >>> pageShift;
    let page = this.#pages[index];
    if (page === undefined) {
      while (this.#pages.length < index) this.#pages.push(undefined);
      page = new Uint32Array(pageWords);
      this.#pages[index] = page;
    }
    const word = (id & pageMask) >>> 5;
    const bit = 1 << (id & 31);
    if ((page[word] & bit) !== 0) return;
    page[word] |= bit;
    this.count++;
  }

  remove(id: number): void {
    if (this.get(id) === 0) return;
    (this.#pages[id >>> pageShift] as Uint32Array)[(id & pageMask) >>> 5] &= ~(1 << (id & 31));
    this.count--;
  }

  /** 1 if the number is marked, else 0. */
  get(id: number): number {
    const page = this.#pages[id >>> pageShift];
    return page === undefined ? 0 : (page[(id & pageMask) >>> 5] >>> (id & 31)) & 1;
  }

  /** All numbers marked, rising. */
  *list(): Steps<Uint32Array> {
    const ids = new Uint32Array(this.count);
    let at = 0;
    for (let index = 0; index < this.#pages.length && at < ids.length; index++) {
      const page = this.#pages[index];
      if (page === undefined) continue;
      for (let word = 0; word < pageWords && at < ids.length; word++) {
        for (let bits = page[word]; bits !== 0; bits &= bits - 1)
          ids[at++] = index * (pageMask + 1) + (word << 5) + (31 - Math.clz32(bits & -bits));
      }
      yield;
    }
    return ids;
  }
}
