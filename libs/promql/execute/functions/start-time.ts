/**
 * What start timestamps say about counter resets. Zero is unknown, everywhere.
 * Facts: Prometheus promql/functions.go (isStartTimestampReset, checkStartTimeOverlap).
 */

/** Whether a counter began anew between two samples, by their start times. */
export function isStartTimeReset(prevSt: number, prevT: number, st: number, t: number): boolean {
  if (prevSt === st || st === 0 || st >= t || st < prevT) return false;
  if (st > prevT) return true;
  // The start is the time of the sample before: a delta, unless the start of that one is unknown or makes no sense.
  return prevSt <= prevT && prevSt !== 0 && prevSt !== prevT;
}

/** Whether a sample claims to have begun before the sample before it, and not with it. */
export function overlapsStartTime(prevSt: number, prevT: number, st: number): boolean {
  return st !== 0 && st < prevT && st !== prevSt;
}
