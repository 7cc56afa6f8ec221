/**
 * The rule that makes deleting safe: a reader that has not heard yet that a block was replaced must still find it. Checked at start.
 * A marked block is served until it is deleted: readers open any block by name as long as it is there.
 */
import { ConfigError } from '../../libs/config/config-error.ts';

/** Clocks of a cluster are at most this far apart. */
const clockSkewMs = 60_000;

export interface DeletionTiming {
  /** How old the index may be that a reader goes by. */
  readonly indexAgeMaxMs: number;
  readonly longestQueryMs: number;
  /** From the mark to the deletion. */
  readonly deletionDelayMs: number;
}

/** @throws ConfigError that names the numbers */
export function checkDeletionTiming({ indexAgeMaxMs, longestQueryMs, deletionDelayMs }: DeletionTiming): void {
  const movedMs = indexAgeMaxMs + longestQueryMs + 2 * clockSkewMs;
  if (movedMs < deletionDelayMs) return;
  throw new ConfigError(
    `key compactor.deletion-delay: marked blocks would be deleted after ${deletionDelayMs / 1000} s, but readers need ` +
      `${movedMs / 1000} s to move on: the maximum age of their index (${indexAgeMaxMs / 1000} s), the longest query ` +
      `(${longestQueryMs / 1000} s) and twice the clock skew (${clockSkewMs / 1000} s)`,
  );
}
