/** What is known of counter resets when two histograms become one (Prometheus model/histogram/float_histogram.go, adjustCounterReset). */
import { ResetHint } from './histogram.ts';

/** The hint of a sum. */
export function hintOfBoth(a: ResetHint, b: ResetHint): ResetHint {
  if (a === b) return a;
  return a === ResetHint.gauge || b === ResetHint.gauge ? ResetHint.gauge : ResetHint.unknown;
}

/** Whether one says that there was a reset and the other that there was none. */
export function isHintCollision(a: ResetHint, b: ResetHint): boolean {
  return (
    a !== b &&
    (a === ResetHint.reset || a === ResetHint.notReset) &&
    (b === ResetHint.reset || b === ResetHint.notReset)
  );
}
