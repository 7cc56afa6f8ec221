/**
 * Nanoseconds per label set of twelve labels as JSON, as `series` and query results write them: neighbours begin alike, or not; and per point
 * of a matrix, its time and its value.
 */
import { bench } from '../std/testing/bench.ts';
import { JsonBytes } from './json-bytes.ts';

const setCount = 1_000;
const size = { smokeCount: setCount, fullCount: setCount * 200 };

for (const { name, differing } of [
  { name: 'that differ in the last labels', differing: 10 },
  { name: 'that differ in all', differing: 0 },
]) {
  const sets = Array.from({ length: setCount }, (_, series) =>
    Array.from({ length: 12 }, (_label, i) => [
      `label_${i}`,
      i >= differing ? `a value of some length ${series}` : 'the same for all',
    ]).flat(),
  );
  bench(`label sets ${name}`, size, (count) => () => {
    let bytes = 0;
    const json = new JsonBytes((piece) => {
      bytes += piece.length;
    });
    for (let i = 0; i < count; i++) json.labelSet(sets[i % setCount] as string[]);
    json.finish();
    return bytes;
  });
}

for (const { name, value } of [
  { name: 'whole', value: (i: number) => (i * 7) % 1_000 },
  { name: 'of thousandths', value: (i: number) => ((i * 7_919) % 100_000) / 1_000 },
]) {
  bench(`points, values ${name}`, size, (count) => () => {
    let bytes = 0;
    const json = new JsonBytes((piece) => {
      bytes += piece.length;
    });
    for (let i = 0; i < count; i++) {
      json.timestamp(1_795_815_120_000 + i * 60_000);
      json.float(value(i));
    }
    json.finish();
    return bytes;
  });
}
