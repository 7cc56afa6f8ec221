/**
 * Spans of a histogram and the buckets they name. Owns the way between spans (pairs of offset and length) and bucket indexes,
 * and how counts move from one set of buckets to another that has all of them.
 */

/** Buckets that the spans name. */
export function spannedBuckets(spans: Int32Array): number {
  let count = 0;
  for (let i = 1; i < spans.length; i += 2) count += spans[i];
  return count;
}

/** Absolute indexes of the buckets that the spans name, ascending. */
export function bucketIndexes(spans: Int32Array): Int32Array {
  const indexes = new Int32Array(spannedBuckets(spans));
  let bucket = 0;
  let at = 0;
  for (let i = 0; i < spans.length; i += 2) {
    bucket += spans[i];
    for (let j = 0; j < spans[i + 1]; j++) indexes[at++] = bucket++;
  }
  return indexes;
}

/** The fewest spans that name these ascending buckets. */
export function spansOfIndexes(indexes: ArrayLike<number>): Int32Array {
  const spans: number[] = [];
  let next = 0;
  for (let i = 0; i < indexes.length; i++) {
    const bucket = indexes[i];
    if (spans.length > 0 && bucket === next) spans[spans.length - 1]++;
    else spans.push(bucket - next, 1);
    next = bucket + 1;
  }
  return Int32Array.from(spans);
}

/** The ascending buckets of either. */
export function unionOfIndexes(a: Int32Array, b: Int32Array): Int32Array {
  const union = new Int32Array(a.length + b.length);
  let at = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const fromA = j === b.length || (i < a.length && a[i] <= b[j]);
    const fromB = i === a.length || (j < b.length && b[j] <= a[i]);
    union[at++] = fromA ? a[i] : b[j];
    if (fromA) i++;
    if (fromB) j++;
  }
  return union.slice(0, at);
}

/** Counts of the buckets `from`, spread over the buckets `to`, which has all of them: the others are 0. */
export function spreadCounts(counts: Float64Array, from: Int32Array, to: Int32Array): Float64Array {
  const spread = new Float64Array(to.length);
  for (let i = 0, j = 0; i < from.length; j++) if (to[j] === from[i]) spread[j] = counts[i++];
  return spread;
}

/** Whether a column of numbers is the same, bit for bit but for the many NaNs, which are one. */
export function sameNumbers(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
