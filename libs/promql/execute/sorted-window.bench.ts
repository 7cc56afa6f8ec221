/** Nanoseconds per window of 240 numbers that moves on by eight: kept in order, and sorted anew. */
import { bench } from '../../std/testing/bench.ts';
import { quantileOfSorted, sortNumbers } from './quantile.ts';
import { SortedWindow } from './sorted-window.ts';

const windowLength = 240;
const moveBy = 8;
const size = { smokeCount: 10, fullCount: 20_000 };

bench('a window kept in order', size, (count, prng) => {
  const values = Float64Array.from({ length: count * moveBy + windowLength }, () => prng.next());
  return () => {
    const window = new SortedWindow();
    let sum = 0;
    for (let i = 0; i < count; i++)
      sum += quantileOfSorted(0.9, window.move(values, i * moveBy, i * moveBy + windowLength));
    return sum;
  };
});

bench('a window sorted anew', size, (count, prng) => {
  const values = Float64Array.from({ length: count * moveBy + windowLength }, () => prng.next());
  return () => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const window = values.slice(i * moveBy, i * moveBy + windowLength);
      sortNumbers(window);
      sum += quantileOfSorted(0.9, window);
    }
    return sum;
  };
});
