/**
 * How old something is, on a machine whose clock is set and which may sleep: as old as either clock says. The clock that people set may go back,
 * and then nothing would grow old for as long; the monotonic one stands still while a machine sleeps.
 */

/**
 * Milliseconds since some moment, which never go back.
 * @param nowMs of the clock that people set
 * @param steadyMs of one that nobody sets
 */
export function ageClock(nowMs: () => number, steadyMs: () => number): () => number {
  let now = nowMs();
  let steady = steadyMs();
  let ageMs = 0;
  return () => {
    const [nowBefore, steadyBefore] = [now, steady];
    now = nowMs();
    steady = steadyMs();
    ageMs += Math.max(now - nowBefore, steady - steadyBefore, 0);
    return ageMs;
  };
}
