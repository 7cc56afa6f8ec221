import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeGrid } from './grid.ts';
import { SampleCounts } from './sample-counts.ts';

const at = (counts: SampleCounts) => ({
  queried: counts.queried,
  read: counts.read,
  queriedAt: counts.queriedAt && [...counts.queriedAt],
  readAt: counts.readAt && [...counts.readAt],
});

describe('SampleCounts', () => {
  it('count by step where asked for', () => {
    for (const byStep of [true, false]) {
      const counts = new SampleCounts(3, byStep);
      counts.addAt(1, 5, 2);
      counts.addAt(2, 4, 1);
      assert.deepEqual(at(counts), {
        queried: 9,
        read: 3,
        queriedAt: byStep ? [0, 5, 4] : null,
        readAt: byStep ? [0, 2, 1] : null,
      });
    }
  });

  it('repeat what is looked at, not what is read', () => {
    const counts = new SampleCounts(3, true);
    counts.addAt(2, 1, 1);
    const result = counts.repeated(3, () => {
      counts.addAt(0, 4, 4);
      return 'x';
    });
    assert.equal(result, 'x');
    assert.deepEqual(at(counts), { queried: 13, read: 5, queriedAt: [4, 4, 5], readAt: [4, 0, 1] });
  });

  it('put what a subquery reads where it is first needed, and leave out what lies between windows', () => {
    const counts = new SampleCounts(3, true);
    // Windows of 20 ms at 100, 200 and 300, ten earlier; the subquery has every ten milliseconds.
    const steps = { inner: makeGrid(70, 290, 10), outer: makeGrid(100, 300, 100), offsetMs: 10, rangeMs: 20 };
    counts.within(steps, () => {
      for (let step = 0; step < steps.inner.stepCount; step++) counts.addAt(step, 7, 1);
    });
    assert.deepEqual(at(counts), { queried: 0, read: 6, queriedAt: [0, 0, 0], readAt: [2, 2, 2] });
  });

  it('find the step through subqueries in one another', () => {
    const counts = new SampleCounts(2, true);
    const outer = { inner: makeGrid(0, 100, 50), outer: makeGrid(50, 100, 50), offsetMs: 0, rangeMs: 100 };
    const inner = { inner: makeGrid(-10, 100, 10), outer: outer.inner, offsetMs: 0, rangeMs: 100 };
    counts.within(outer, () => counts.within(inner, () => counts.addAt(9, 0, 3)));
    assert.deepEqual(at(counts).readAt, [0, 3]);
  });
});
