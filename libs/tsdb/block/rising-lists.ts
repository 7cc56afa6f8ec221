/** Rising lists of whole numbers: places of series, numbers of symbols. */

/** A sorted list with each number once, in the memory of the list. */
export function withoutRepeats(sorted: Uint32Array): Uint32Array {
  let at = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[at++] = sorted[i];
  return sorted.subarray(0, at);
}

/** The first index from `from` on whose number is not less than `wanted`: cheap where that is near. */
export function gallop(list: Uint32Array, from: number, wanted: number): number {
  let low = from;
  let high = from;
  for (let step = 1; high < list.length && list[high] < wanted; step *= 2) {
    low = high + 1;
    high += step;
  }
  high = Math.min(high, list.length);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two lists as one. */
function merge(a: Uint32Array, b: Uint32Array): Uint32Array {
  const all = new Uint32Array(a.length + b.length);
  let count = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const fromA = j >= b.length || (i < a.length && a[i] <= b[j]);
    const fromB = i >= a.length || (j < b.length && b[j] <= a[i]);
    all[count++] = fromA ? a[i] : b[j];
    if (fromA) i++;
    if (fromB) j++;
  }
  return all.subarray(0, count);
}

/** Fewer numbers wait for others before they are put among the known. */
const waitingMin = 1024;
/** A list is put among the known at once where these are no more than so many times its numbers. */
const mergeFactor = 16;

/** Many lists as one, each number once: a list costs what it holds, not what all before it hold. */
export class UnitedLists {
  #known: Uint32Array = new Uint32Array(0);
  #waiting = new Uint32Array(waitingMin);
  #waitingCount = 0;

  /** @param list each number once; it may be kept, and is not changed */
  add(list: Uint32Array): void {
    if (list.length >= waitingMin && list.length * mergeFactor >= this.#known.length) {
      this.#known = this.#known.length === 0 ? list : merge(this.#known, list);
      return;
    }
    const count = this.#waitingCount + list.length;
    if (count > this.#waiting.length) {
      const grown = new Uint32Array(count * 2);
      grown.set(this.#waiting);
      this.#waiting = grown;
    }
    this.#waiting.set(list, this.#waitingCount);
    this.#waitingCount = count;
    if (count >= Math.max(waitingMin, this.#known.length)) this.#unite();
  }

  list(): Uint32Array {
    this.#unite();
    return this.#known;
  }

  #unite(): void {
    if (this.#waitingCount === 0) return;
    const added = withoutRepeats(this.#waiting.subarray(0, this.#waitingCount).sort());
    this.#known = merge(this.#known, added);
    this.#waitingCount = 0;
  }
}
