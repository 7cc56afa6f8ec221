import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { splitSteps } from './split-steps.ts';

const day = 86_400_000;

describe('the parts of a range', () => {
  it('are cut where days begin', () => {
    const parts = splitSteps({ startMs: day - 90_000, endMs: 2 * day + 60_000, stepMs: 60_000 });
    // The third day would have had one step.
    assert.deepEqual(parts, [
      { startMs: day - 90_000, endMs: day - 30_000, stepMs: 60_000 },
      { startMs: day + 30_000, endMs: 2 * day + 30_000, stepMs: 60_000 },
    ]);
  });

  it('have every step once, and none has a single one unless there is only one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -2 * day, max: 2 * day }),
        fc.integer({ min: 0, max: 12 * day }),
        fc.integer({ min: 60_000, max: 3 * day }),
        (startMs, lengthMs, stepMs) => {
          const endMs = startMs + lengthMs;
          const steps: number[] = [];
          const parts = splitSteps({ startMs, endMs, stepMs });
          for (const part of parts) {
            const before = steps.length;
            for (let t = part.startMs; t <= part.endMs; t += stepMs) steps.push(t);
            if (parts.length > 1) assert.ok(steps.length - before > 1);
            assert.equal(steps.at(-1), part.endMs);
          }
          const expected: number[] = [];
          for (let t = startMs; t <= endMs; t += stepMs) expected.push(t);
          assert.deepEqual(steps, expected);
        },
      ),
      { numRuns: 300 },
    );
  });
});
