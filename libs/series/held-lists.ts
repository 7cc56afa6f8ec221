/**
 * Lists that were counted while they were gathered, as one: what several of them have is held once as soon as they are merged.
 * Owns what is given back then: all but what the items that stay take in the dearest of the lists. Merging itself is merge-sorted.ts.
 */
import type { ByteAllowance } from '../std/inflight-bytes.ts';
import { mergeListed } from './merge-sorted.ts';
import type { Listed } from './series-source.ts';

export interface HeldListed<T> extends Listed<T> {
  /** What of it is counted. */
  readonly bytes: number;
}

/** A list, and what it took of the memory. */
export async function heldList<T>(
  memory: ByteAllowance | undefined,
  gather: (memory: ByteAllowance | undefined) => Promise<Listed<T>>,
): Promise<HeldListed<T>> {
  if (memory === undefined) return { ...(await gather(undefined)), bytes: 0 };
  let bytes = 0;
  const take = (count: number): void => {
    memory.take(count);
    bytes += count;
  };
  const give = (count: number): void => {
    memory.give(count);
    bytes -= count;
  };
  const { values, warnings } = await gather({ take, give });
  return { values, warnings, bytes };
}

/** Sorted lists as one, cut to the limit; the memory has that one alone. @throws what `signal` was aborted with */
export async function mergeHeld<T>(
  lists: readonly HeldListed<T>[],
  compare: (a: T, b: T) => number,
  { limit, memory }: { readonly limit: number; readonly memory?: ByteAllowance | undefined },
  signal: AbortSignal,
): Promise<Listed<T>> {
  const merged = await mergeListed(lists, compare, limit, signal);
  let bytes = 0;
  let perItem = 0;
  for (const list of lists) {
    bytes += list.bytes;
    if (list.values.length > 0) perItem = Math.max(perItem, list.bytes / list.values.length);
  }
  // Any of the lists may be the one whose items stayed: the dearest is counted.
  memory?.give(bytes - Math.min(bytes, Math.ceil(perItem * merged.values.length)));
  return merged;
}
