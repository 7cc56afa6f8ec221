import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { durableFloor } from './durable-floor.ts';

const hourMs = 3_600_000;
const underwayMs = 10 * 60_000;
const saidAtMs = 100 * hourMs;

describe('the durable floor', () => {
  for (const { name, heldFromMs, graceMs, floor } of [
    {
      name: 'is what is held and not in the bucket',
      heldFromMs: 70 * hourMs,
      graceMs: 12 * hourMs,
      floor: 70 * hourMs,
    },
    {
      name: 'is not above what may still be accepted, or is on its way',
      heldFromMs: 99 * hourMs,
      graceMs: 12 * hourMs,
      floor: 88 * hourMs - underwayMs,
    },
    {
      name: 'of who holds nothing it is that',
      heldFromMs: Number.POSITIVE_INFINITY,
      graceMs: hourMs,
      floor: 99 * hourMs - underwayMs,
    },
    { name: 'there is none where any age is accepted', heldFromMs: 99 * hourMs, graceMs: 0, floor: 0 },
    { name: 'there is none of who does not say', heldFromMs: 0, graceMs: hourMs, floor: 0 },
  ]) {
    it(name, () => assert.equal(durableFloor(heldFromMs, saidAtMs, graceMs), floor));
  }
});
