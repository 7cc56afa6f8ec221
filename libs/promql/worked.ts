/**
 * How work whose length nobody knows beforehand can be ended: whoever does it tells of it, and now and then it is asked whether to go on.
 * Owns the counting between two questions. A unit is what takes some tens of nanoseconds.
 */

/** Is told that so much more was done, before or after it; may throw to end it. */
export type Worked = (amount: number) => void;

/** What going over a node is worth: a microsecond at most, as most passes make a node of a node. */
export const workPerNode = 16;

/** Asking so often, every tenth of a millisecond or so, costs nothing. */
const workPerLook = 1 << 12;

/** Whoever does not want to end it. */
export const neverEnded: Worked = () => undefined;

/** @param look is called after every so much work; throws to end it */
export function lookingEvery(look: () => void): Worked {
  let sinceLook = 0;
  return (amount) => {
    sinceLook += amount;
    if (sinceLook < workPerLook) return;
    sinceLook = 0;
    look();
  };
}
