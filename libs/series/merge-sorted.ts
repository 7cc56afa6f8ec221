/**
 * Sorted lists as one sorted list, everything once, in turns: lists of hundreds of thousands are merged on threads that others need.
 * Owns the order of merging: neighbours in rounds, so that an item is looked at as often as there are rounds.
 */
import { Turns } from '../std/turns.ts';
import { cutListed, unitedWarnings } from './listed.ts';
import type { Listed } from './series-source.ts';

const valuesPerLook = 512;

/** Sorted lists as one, cut to `limit` (0: not at all), with all that was said of them. @throws what `signal` was aborted with */
export async function mergeListed<T>(
  lists: readonly Listed<T>[],
  compare: (a: T, b: T) => number,
  limit: number,
  signal: AbortSignal,
): Promise<Listed<T>> {
  const values = await mergeSorted(
    lists.map((list) => list.values),
    compare,
    signal,
  );
  return cutListed(values, unitedWarnings(lists), limit);
}

/** @throws what `signal` was aborted with */
async function mergeSorted<T>(
  lists: readonly (readonly T[])[],
  compare: (a: T, b: T) => number,
  signal: AbortSignal,
): Promise<readonly T[]> {
  const turns = new Turns();
  let left = lists.filter((list) => list.length > 0);
  while (left.length > 1) {
    const merged: (readonly T[])[] = [];
    for (let i = 0; i < left.length; i += 2) {
      const [a = [], b = []] = left.slice(i, i + 2);
      merged.push(await mergeTwo(a, b, compare, turns, signal));
    }
    left = merged;
  }
  return left[0] ?? [];
}

/** Two sorted lists as one; the first itself where the other has nothing else. */
async function mergeTwo<T>(
  a: readonly T[],
  b: readonly T[],
  compare: (a: T, b: T) => number,
  turns: Turns,
  signal: AbortSignal,
): Promise<readonly T[]> {
  let merged: T[] | undefined;
  let i = 0;
  let looks = 0;
  for (let j = 0; j < b.length; ) {
    const order = i < a.length ? compare(a[i], b[j]) : 1;
    if (order > 0) {
      merged ??= a.slice(0, i);
      merged.push(b[j++]);
    } else {
      merged?.push(a[i]);
      i++;
      if (order === 0) j++;
    }
    if (++looks % valuesPerLook === 0 && turns.isOver) await turns.next(signal);
  }
  if (merged === undefined) return a;
  for (; i < a.length; i++) merged.push(a[i]);
  return merged;
}
