/**
 * The rule that makes deleting safe: a reader that has not heard yet that a block was replaced must still find it. Checked at start.
 */
import { ConfigError } from '../../libs/config/read-config.ts';

/** Clocks of a cluster are at most this far apart. */
export const clockSkewMs = 60_000;

export interface DeletionTiming {
  /** How old the index may be that a reader goes by. */
  readonly indexAgeMaxMs: number;
  readonly longestQueryMs: number;
  /** How long readers go on to serve a block that is marked. */
  readonly markedServedMs: number;
  /** From the mark to the deletion. */
  readonly deletionDelayMs: number;
}

/** @throws ConfigError that names the numbers */
export function checkDeletionTiming(timing: DeletionTiming): void {
  const { indexAgeMaxMs, longestQueryMs, markedServedMs, deletionDelayMs } = timing;
  const moved = indexAgeMaxMs + longestQueryMs + 2 * clockSkewMs;
  if (!(moved < markedServedMs)) {
    throw new ConfigError(
      `marked blocks are served for ${markedServedMs / 1000} s, but readers need ${moved / 1000} s to move on: the maximum age of ` +
        `their index (${indexAgeMaxMs / 1000} s), the longest query (${longestQueryMs / 1000} s) and twice the clock skew ` +
        `(${clockSkewMs / 1000} s)`,
    );
  }
  if (!(markedServedMs < deletionDelayMs)) {
    throw new ConfigError(
      `key compactor.deletion-delay: blocks are deleted ${deletionDelayMs / 1000} s after they were marked, but served for ` +
        `${markedServedMs / 1000} s`,
    );
  }
}
