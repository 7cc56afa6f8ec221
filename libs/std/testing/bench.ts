/**
 * Micro benches beside the kernels: `bench('name', { smokeCount, fullCount }, (count, prng) => () => checksum)`.
 * Owns the timing and the line that is printed. Run tiny among the tests (MARU_TEST_BENCH=smoke), so that a bench cannot rot;
 * in full by `npm run bench [path]`. The checksum is printed, so the work cannot be optimised away.
 */
import { Prng } from './prng.ts';

export interface BenchSize {
  /** Operations of one run among the tests. */
  readonly smokeCount: number;
  /** Operations of one run in full. */
  readonly fullCount: number;
}

const warmUps = 3;
const runs = 9;

/** Times `make(count, prng)()` over several runs and prints nanoseconds per operation: minimum, median, maximum. */
export function bench(name: string, size: BenchSize, make: (count: number, prng: Prng) => () => number): void {
  const smoke = process.env['MARU_TEST_BENCH'] === 'smoke';
  const count = smoke ? size.smokeCount : size.fullCount;
  const work = make(count, new Prng(1));
  let checksum = 0;
  for (let i = 0; i < (smoke ? 1 : warmUps); i++) checksum += work();
  const times: number[] = [];
  for (let i = 0; i < (smoke ? 1 : runs); i++) {
    const begin = performance.now();
    checksum += work();
    times.push(((performance.now() - begin) * 1e6) / count);
  }
  times.sort((a, b) => a - b);
  const shown = [times[0], times[times.length >> 1], times.at(-1)].map((ns) => (ns ?? 0).toFixed(1));
  console.log(`${name}: ${shown[1]} ns/op (${shown[0]} to ${shown[2]}, ${count} ops, checksum ${checksum})`);
}
