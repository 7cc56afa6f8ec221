/**
 * Mapping lists in which the same object may stand many times, as series of a projection share their label sets: what is the same object
 * in is the same object out. Owns when it is worth to remember.
 */

import { type ExecutionContext, workPerLabels } from './execution-context.ts';

/** Until so many items have been looked at without one that came back, it is worth to remember. */
const trial = 64;

/** As Array.map; `make` may be called several times for one object. @throws Failure where the query must stop */
export function mapShared<In, Out>(
  context: Pick<ExecutionContext, 'worked'>,
  list: readonly In[],
  make: (item: In) => Out,
): Out[] {
  const made = new Map<In, Out>();
  const out: Out[] = [];
  let again = 0;
  for (let i = 0; i < list.length; i++) {
    const item = list[i] as In;
    context.worked(workPerLabels);
    if (i >= trial && again * 4 < i) {
      out.push(make(item));
      continue;
    }
    let one = made.get(item);
    if (one === undefined) {
      one = make(item);
      made.set(item, one);
    } else {
      again++;
    }
    out.push(one);
  }
  return out;
}
