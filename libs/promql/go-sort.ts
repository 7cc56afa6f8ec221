/**
 * Sorting in the very order that Go's sort package leaves equal elements in, since that order shows in the answers of sort() and topk().
 * Owns the algorithm: pattern-defeating quicksort (Orson Peters) with the choices that Go made, see Go src/sort/zsortinterface.go. It is
 * not stable. An order that contradicts itself (NaN is before NaN both ways) gives what it gives in Go.
 */

/** What is sorted: elements by their place. */
export interface Sortable {
  /** Whether the element at i is to stand before the one at j. */
  less(i: number, j: number): boolean;
  swap(i: number, j: number): void;
}

const insertionMax = 12;
/** From here on a pivot is the median of three medians, and neighbours out of order are worth mending. */
const longRun = 50;
const mendedMax = 5;
/** Swaps of the search for a pivot that mean that all is in falling order. */
const pivotSwapsMax = 12;

/** Sorts the elements 0 to `count`. */
export function goSort(items: Sortable, count: number): void {
  quickSort(items, 0, count, bitLength(count));
}

function bitLength(value: number): number {
  return 32 - Math.clz32(value);
}

/** @param badPivotsLeft after so many a heap sort takes over */
function quickSort(items: Sortable, from: number, to: number, badPivotsLeft: number): void {
  let [begin, end, left] = [from, to, badPivotsLeft];
  let wasBalanced = true;
  let wasPartitioned = true;
  for (;;) {
    const length = end - begin;
    if (length <= insertionMax || left === 0) {
      if (length <= insertionMax) insertionSort(items, begin, end);
      else heapSort(items, begin, end);
      return;
    }
    if (!wasBalanced) {
      scatter(items, begin, end);
      left--;
    }
    let { pivot, swaps } = choosePivot(items, begin, end);
    if (swaps === pivotSwapsMax) {
      for (let i = begin, j = end - 1; i < j; i++, j--) items.swap(i, j);
      pivot = end - 1 - (pivot - begin);
      swaps = 0;
    }
    if (wasBalanced && wasPartitioned && swaps === 0 && mendNeighbours(items, begin, end)) return;
    // No element is below the one before the range: where the pivot is not above it either, its equals are many.
    if (begin > 0 && !items.less(begin - 1, pivot)) {
      begin = passEquals(items, begin, end, pivot);
      continue;
    }
    const middle = partition(items, begin, end, pivot);
    wasPartitioned = middle.wasPartitioned;
    const leftLength = middle.at - begin;
    const rightLength = end - middle.at;
    wasBalanced = Math.min(leftLength, rightLength) >= Math.floor(length / 8);
    if (leftLength < rightLength) {
      quickSort(items, begin, middle.at, left);
      begin = middle.at + 1;
    } else {
      quickSort(items, middle.at + 1, end, left);
      end = middle.at;
    }
  }
}

function insertionSort(items: Sortable, begin: number, end: number): void {
  for (let i = begin + 1; i < end; i++) {
    for (let j = i; j > begin && items.less(j, j - 1); j--) items.swap(j, j - 1);
  }
}

function heapSort(items: Sortable, begin: number, end: number): void {
  const size = end - begin;
  for (let i = Math.floor((size - 1) / 2); i >= 0; i--) siftDown(items, begin, i, size);
  for (let i = size - 1; i >= 0; i--) {
    items.swap(begin, begin + i);
    siftDown(items, begin, 0, i);
  }
}

function siftDown(items: Sortable, begin: number, from: number, size: number): void {
  for (let root = from; ; ) {
    let child = 2 * root + 1;
    if (child >= size) return;
    if (child + 1 < size && items.less(begin + child, begin + child + 1)) child++;
    if (!items.less(begin + root, begin + child)) return;
    items.swap(begin + root, begin + child);
    root = child;
  }
}

/** Brings three elements of the middle elsewhere, so that the same bad pivot does not come again. */
function scatter(items: Sortable, begin: number, end: number): void {
  const length = end - begin;
  if (length < 8) return;
  let random = BigInt(length);
  const mask = (1n << BigInt(bitLength(length))) - 1n;
  const first = begin + Math.floor(length / 4) * 2 - 1;
  for (let i = 0; i < 3; i++) {
    random = BigInt.asUintN(64, random ^ (random << 13n));
    random ^= random >> 7n;
    random = BigInt.asUintN(64, random ^ (random << 17n));
    let other = Number(random & mask);
    if (other >= length) other -= length;
    items.swap(first + i, begin + other);
  }
}

/** `swaps` is 0 where what was looked at stood in order, pivotSwapsMax where all of it stood the other way round. */
function choosePivot(items: Sortable, begin: number, end: number): { pivot: number; swaps: number } {
  const quarter = Math.floor((end - begin) / 4);
  let swaps = 0;
  /** Of the three places the one whose element is neither the least nor the greatest. */
  const median = (first: number, second: number, third: number): number => {
    let [a, b, c] = [first, second, third];
    if (items.less(b, a)) [a, b, swaps] = [b, a, swaps + 1];
    if (items.less(c, b)) [b, c, swaps] = [c, b, swaps + 1];
    if (items.less(b, a)) [a, b, swaps] = [b, a, swaps + 1];
    return b;
  };
  let places: [number, number, number] = [begin + quarter, begin + 2 * quarter, begin + 3 * quarter];
  if (end - begin < 8) return { pivot: places[1], swaps };
  if (end - begin >= longRun) {
    const [i, j, k] = places;
    places = [median(i - 1, i, i + 1), median(j - 1, j, j + 1), median(k - 1, k, k + 1)];
  }
  const pivot = median(...places);
  return { pivot, swaps };
}

/** Whether a few neighbours out of order were all that was wrong. */
function mendNeighbours(items: Sortable, begin: number, end: number): boolean {
  let i = begin + 1;
  for (let mended = 0; mended < mendedMax; mended++) {
    while (i < end && !items.less(i, i - 1)) i++;
    if (i === end) return true;
    if (end - begin < longRun) return false;
    items.swap(i, i - 1);
    if (i - begin >= 2) for (let j = i - 1; j >= 1 && items.less(j, j - 1); j--) items.swap(j, j - 1);
    if (end - i >= 2) for (let j = i + 1; j < end && items.less(j, j - 1); j++) items.swap(j, j - 1);
  }
  return false;
}

/** Brings what is below the pivot before it and the rest behind; says where the pivot is, and whether that was so before. */
function partition(
  items: Sortable,
  begin: number,
  end: number,
  pivot: number,
): { readonly at: number; readonly wasPartitioned: boolean } {
  items.swap(begin, pivot);
  let i = begin + 1;
  let j = end - 1;
  let wasPartitioned = true;
  for (;;) {
    while (i <= j && items.less(i, begin)) i++;
    while (i <= j && !items.less(j, begin)) j--;
    if (i > j) break;
    items.swap(i++, j--);
    wasPartitioned = false;
  }
  items.swap(j, begin);
  return { at: j, wasPartitioned };
}

/** Brings the equals of the pivot, which are the least, to the front; returns where the others begin. */
function passEquals(items: Sortable, begin: number, end: number, pivot: number): number {
  items.swap(begin, pivot);
  let i = begin + 1;
  let j = end - 1;
  for (;;) {
    while (i <= j && !items.less(begin, i)) i++;
    while (i <= j && items.less(begin, j)) j--;
    if (i > j) return i;
    items.swap(i++, j--);
  }
}
