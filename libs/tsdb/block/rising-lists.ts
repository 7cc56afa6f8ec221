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
