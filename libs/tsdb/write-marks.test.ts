import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTenantId } from '../model/tenant-id.ts';
import { WriteMarks } from './write-marks.ts';

const tenant = parseTenantId('a');
const day = 86_400_000;

describe('marks of writes', () => {
  it('rise for the time that was written to, and for no other tenant', () => {
    const marks = new WriteMarks(10);
    assert.equal(marks.lastWrite(tenant, 0, day), 0);
    marks.noteRange(tenant, day, day);
    assert.equal(marks.lastWrite(tenant, 0, day - 600_001), 0);
    assert.equal(marks.lastWrite(tenant, 0, 2 * day), 1);
    assert.equal(marks.lastWrite(parseTenantId('b'), 0, 2 * day), 0);
    marks.noteRange(tenant, day + 1, day + 2);
    assert.equal(marks.lastWrite(tenant, day, day), 2);
  });

  it('no write is ever unseen, however old or far apart', () => {
    const time = fc.integer({ min: -500 * day, max: 900 * day });
    const length = fc.oneof(fc.integer({ min: 0, max: day }), fc.integer({ min: 0, max: 600 * day }));
    fc.assert(
      fc.property(fc.array(fc.tuple(time, length), { maxLength: 40 }), time, length, (writes, minT, span) => {
        const marks = new WriteMarks(10);
        const maxT = minT + span;
        for (const [from, wide] of writes) {
          const before = marks.lastWrite(tenant, minT, maxT);
          marks.noteRange(tenant, from, from + wide);
          const touches = from <= maxT && from + wide >= minT;
          if (touches) assert.ok(marks.lastWrite(tenant, minT, maxT) > before);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('of a sender that goes on for a year, what is old stays as it was', () => {
    const marks = new WriteMarks(10);
    for (let t = 0; t < 300 * day; t += 300_000) marks.noteRange(tenant, t, t + 15_000);
    const old = marks.lastWrite(tenant, 100 * day, 101 * day - 1);
    for (let t = 300 * day; t < 320 * day; t += 300_000) marks.noteRange(tenant, t, t + 15_000);
    assert.equal(marks.lastWrite(tenant, 100 * day, 101 * day - 1), old);
    marks.noteRange(tenant, 100 * day + 5, 100 * day + 5);
    assert.ok(marks.lastWrite(tenant, 100 * day, 101 * day - 1) > old);
  });

  it('of many tenants those that wrote last are told apart, and no write of the others is unseen', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f').map(parseTenantId);
    fc.assert(
      fc.property(fc.array(name, { maxLength: 60 }), (writers) => {
        const marks = new WriteMarks(3);
        for (const writer of writers) {
          const before = marks.lastWrite(writer, 0, day);
          marks.noteRange(writer, 5, 5);
          assert.ok(marks.lastWrite(writer, 0, day) > before);
          assert.equal(marks.tenantCount <= 3, true);
        }
        const newest = [...new Set(writers.toReversed())].slice(0, 3);
        const told = new Set(newest.map((one) => marks.lastWrite(one, 0, day)));
        assert.equal(told.size, newest.length);
      }),
    );
  });
});
