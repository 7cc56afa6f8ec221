import assert from 'node:assert/strict';
import { it } from 'node:test';
import { reduceBuckets } from './histogram-resolution.ts';

for (const { name, schemaFrom, spans, buckets, reduced } of [
  {
    name: 'two buckets become one',
    schemaFrom: 9,
    spans: [1, 4],
    buckets: [1, 2, 4, 8],
    reduced: [
      [1, 2],
      [3, 12],
    ],
  },
  {
    name: 'from 32 schemas above and more all buckets of a sign become one',
    schemaFrom: 40,
    spans: [-2, 2, 3, 2],
    buckets: [1, 2, 4, 8],
    reduced: [
      [0, 2],
      [3, 12],
    ],
  },
  { name: 'from the highest one', schemaFrom: 52, spans: [100_000, 2], buckets: [1, 2], reduced: [[1, 1], [3]] },
] as const) {
  it(name, () => {
    const found = reduceBuckets(Int32Array.from(spans), Float64Array.from(buckets), schemaFrom, 8);
    assert.deepEqual([[...found.spans], [...found.buckets]], reduced);
  });
}
