/**
 * Many asynchronous acts, some at a time.
 * Owns the bound: `Promise.all` over a list of unknown length has none.
 */

/**
 * Calls `act` for every item, at most `atOnce` at a time, and returns the results in the order of the items. The first failure
 * is thrown when those that run have ended; no further one is begun.
 */
export async function mapBounded<T, R>(
  items: readonly T[],
  atOnce: number,
  act: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  if (items.length <= atOnce) return allOf(items.map(async (item, index) => act(item, index)));
  const results = new Array<R>(items.length);
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    while (!failed && next < items.length) {
      const index = next++;
      try {
        results[index] = await act(items[index] as T, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await allOf(Array.from({ length: atOnce }, work));
  return results;
}

/** What all come to, when all have ended. @throws the first failure in their order */
async function allOf<R>(running: readonly Promise<R>[]): Promise<R[]> {
  const results: R[] = [];
  for (const outcome of await Promise.allSettled(running)) {
    if (outcome.status === 'rejected') throw outcome.reason;
    results.push(outcome.value);
  }
  return results;
}
