/** The ranges that blocks are merged into: from the words of the configuration to milliseconds. */
import { ConfigError } from '../../libs/config/config-error.ts';
import { duration } from '../../libs/config/config-key.ts';

const rangesMax = 10;
const rangeMsMax = 366 * 86_400_000;

/** @throws ConfigError */
export function parseRanges(texts: readonly string[]): number[] {
  const key = duration('0', '');
  const ranges = texts.map((text) => {
    try {
      return key.parse(text);
    } catch {
      throw new ConfigError(`key compactor.block-ranges: ${JSON.stringify(text)} is not a duration like 2h`);
    }
  });
  const isRising = ranges.every((range, i) => {
    const before = ranges[i - 1];
    return range > 0 && range <= rangeMsMax && (before === undefined || (range > before && range % before === 0));
  });
  if (ranges.length === 0 || ranges.length > rangesMax || !isRising) {
    throw new ConfigError('key compactor.block-ranges: up to ten durations, rising, each a multiple of the one before');
  }
  return ranges;
}
