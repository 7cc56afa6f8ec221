/**
 * The quantile of plain numbers: linear between the two closest ranks, NaN sorted first.
 * Facts: Prometheus promql/quantile.go (quantile).
 */

/** Sorts in place, NaN first. */
export function sortNumbers(values: Float64Array): void {
  // Typed arrays sort NaN last, and -0 before 0.
  values.sort();
  let numbers = values.length;
  while (numbers > 0 && Number.isNaN(values[numbers - 1])) numbers--;
  if (numbers === values.length) return;
  values.copyWithin(values.length - numbers, 0, numbers);
  values.fill(Number.NaN, 0, values.length - numbers);
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
