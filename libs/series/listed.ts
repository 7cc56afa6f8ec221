/** Lists that answer a question about labels: how they are cut to a limit, and what is said of it. */
import type { Listed } from './series-source.ts';

/** Prometheus' words. */
export const truncated = 'results truncated due to limit';

/** The list, cut to `limit` (0 or less: not at all); that it was cut is said once. */
export function cutListed<T>(values: readonly T[], warnings: readonly string[], limit: number): Listed<T> {
  if (limit <= 0 || values.length <= limit) return { values, warnings };
  return { values: values.slice(0, limit), warnings: [...new Set([...warnings, truncated])] };
}

/** What is said of any of them, each thing once. */
export function unitedWarnings(lists: readonly { readonly warnings: readonly string[] }[]): string[] {
  return [...new Set(lists.flatMap(({ warnings }) => warnings))];
}
