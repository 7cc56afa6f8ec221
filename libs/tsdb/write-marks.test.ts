import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTenantId } from '../model/tenant-id.ts';
import { WriteMarks } from './write-marks.ts';

const tenant = parseTenantId('a');
const day = 86_400_000;

describe('marks of writes', () => {
  it('rise for the time that was written to, and for no other tenant', () => {
    const marks = new WriteMarks();
    assert.equal(marks.lastWrite(tenant, 0, day), 0);
    marks.noteRange(tenant, day, day);
    assert.equal(marks.lastWrite(tenant, 0, day - 600_001), 0);
    assert.equal(marks.lastWrite(tenant, 0, 2 * day), 1);
    assert.equal(marks.lastWrite(parseTenantId('b'), 0, 2 * day), 0);
    marks.noteRange(tenant, day + 1, day + 2);
    assert.equal(marks.lastWrite(tenant, day, day), 2);
  });

  it('no write is ever unseen, however old or far apart', () => {
    const time = fc.integer({ min: -40 * day, max: 100 * day });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(time, fc.integer({ min: 0, max: 40 * day })), { maxLength: 25 }),
        time,
        (writes, minT) => {
          const marks = new WriteMarks();
          const maxT = minT + 3 * day;
          for (const [from, length] of writes) {
            const before = marks.lastWrite(tenant, minT, maxT);
            marks.noteRange(tenant, from, from + length);
            const touches = from <= maxT && from + length >= minT;
            if (touches) assert.ok(marks.lastWrite(tenant, minT, maxT) > before);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
