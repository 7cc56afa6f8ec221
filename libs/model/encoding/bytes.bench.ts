/**
 * Comparing and hashing 283 bytes in place: the label fields of a usual series; and what else could have compared them.
 */
import { bench } from '../../std/testing/bench.ts';
import { equalBytes, hashBytes, viewOf } from './bytes.ts';

const length = 283;
const series = 2000;
const body = Buffer.from(Uint8Array.from({ length: series * 300 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 13));
const view = viewOf(body);
const known = Buffer.alloc(series * length);
for (let i = 0; i < series; i++) body.copy(known, i * length, i * 299 + 7, i * 299 + 7 + length);
const knownView = viewOf(known);
const size = { smokeCount: series, fullCount: 200 * series };

const everySeries = (run: (at: number, knownAt: number) => number) => (count: number) => () => {
  let checksum = 0;
  for (let i = 0; i < count; i++) checksum += run((i % series) * 299 + 7, (i % series) * length);
  return checksum;
};

bench(
  'equalBytes, 283 bytes',
  size,
  everySeries((at, knownAt) => Number(equalBytes(view, at, knownView, knownAt, length))),
);
bench(
  'Buffer.compare, 283 bytes',
  size,
  everySeries((at, knownAt) => body.compare(known, knownAt, knownAt + length, at, at + length) + 1),
);
bench(
  'byte by byte, 283 bytes',
  size,
  everySeries((at, knownAt) => {
    let i = 0;
    while (i < length && body[at + i] === known[knownAt + i]) i++;
    return Number(i === length);
  }),
);
bench(
  'hashBytes, 283 bytes',
  size,
  everySeries((at) => hashBytes(view, at, at + length)),
);
