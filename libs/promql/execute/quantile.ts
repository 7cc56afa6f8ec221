/**
 * The quantile of plain numbers: linear between the two closest ranks, NaN sorted first.
 * Facts: Prometheus promql/quantile.go (quantile).
 */

/** As many are sorted in one go, which nothing can stop: some tens of milliseconds. */
const sortedAtOnceMax = 1 << 18;

/** Sorts in place, NaN first. `worked` is told of what is done, and may throw to end it. */
export function sortNumbers(values: Float64Array, worked: (amount: number) => void = () => undefined): void {
  if (values.length > sortedAtOnceMax) {
    sortInRuns(values, worked);
    return;
  }
  // Typed arrays sort NaN last, and -0 before 0.
  values.sort();
  let numbers = values.length;
  while (numbers > 0 && Number.isNaN(values[numbers - 1])) numbers--;
  if (numbers === values.length) return;
  values.copyWithin(values.length - numbers, 0, numbers);
  values.fill(Number.NaN, 0, values.length - numbers);
}

/** Runs are sorted, then merged two by two. */
function sortInRuns(values: Float64Array, worked: (amount: number) => void): void {
  const { length } = values;
  for (let begin = 0; begin < length; begin += sortedAtOnceMax) {
    sortNumbers(values.subarray(begin, begin + sortedAtOnceMax));
    worked(sortedAtOnceMax);
  }
  let from = values;
  let to: Float64Array = new Float64Array(length);
  for (let run = sortedAtOnceMax; run < length; run *= 2) {
    for (let begin = 0; begin < length; begin += 2 * run) {
      mergeRuns(from, begin, Math.min(length, begin + run), Math.min(length, begin + 2 * run), to, worked);
    }
    [from, to] = [to, from];
  }
  if (from !== values) values.set(from);
}

/** Merges [begin, middle) and [middle, end) of `from` into the same places of `to`. */
function mergeRuns(
  from: Float64Array,
  begin: number,
  middle: number,
  end: number,
  to: Float64Array,
  worked: (amount: number) => void,
): void {
  let a = begin;
  let b = middle;
  for (let at = begin; at < end; at++) {
    if (at % sortedAtOnceMax === 0) worked(sortedAtOnceMax);
    to[at] = b >= end || (a < middle && !isBefore(from[b], from[a])) ? from[a++] : from[b++];
  }
}

/** The order: NaN first, -0 before 0. */
export function isBefore(a: number, b: number): boolean {
  if (a < b) return true;
  if (a > b) return false;
  if (a === b) return a === 0 && Object.is(a, -0) && !Object.is(b, -0);
  return Number.isNaN(a) && !Number.isNaN(b);
}

/** Quantile q of values sorted by sortNumbers: NaN of none or for q NaN, an infinity for q outside of [0, 1]. */
export function quantileOfSorted(q: number, values: Float64Array): number {
  const count = values.length;
  if (count === 0 || Number.isNaN(q)) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  const rank = q * (count - 1);
  const below = Math.max(0, Math.floor(rank));
  const above = Math.min(count - 1, below + 1);
  const weight = rank - Math.floor(rank);
  return values[below] * (1 - weight) + values[above] * weight;
}
