/**
 * Chance that can be repeated: the same seed gives the same numbers (mulberry32, by Tommy Ettinger, public domain).
 * A test prints its seed, and takes it from MARU_TEST_SEED to run the same way again.
 */
export interface SeededRandom {
  readonly seed: number;
  /** A number of [0, 1). */
  next(): number;
  /** A whole number of [begin, end). */
  between(begin: number, end: number): number;
}

export function seededRandom(seed = Number(process.env.MARU_TEST_SEED ?? Date.now() % 2 ** 31)): SeededRandom {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, next, between: (begin, end) => begin + Math.floor(next() * (end - begin)) };
}
