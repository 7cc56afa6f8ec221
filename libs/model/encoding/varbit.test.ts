import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BitCursor } from './bit-cursor.ts';
import { loadBitWords } from './bit-reader.ts';
import { writeBits } from './bit-writer.ts';
import { peekVarbitInt, peekVarbitUint, varbitLength, writeVarbitInt, writeVarbitUint } from './varbit.ts';

const edges = [0, 3, 6, 9, 12, 18, 25, 53].flatMap((power) => [-2, -1, 0, 1, 2].map((step) => 2 ** power + step));
const halfEdges = [2, 5, 8, 11, 17, 24, 53].flatMap((power) => [-2, -1, 0, 1, 2].map((step) => 2 ** power + step));
const uints = fc.oneof(
  fc.constantFrom(...edges, ...halfEdges).map((v) => Math.max(0, Math.min(v, 2 ** 53))),
  fc.maxSafeNat(),
);
const ints = fc.tuple(uints, fc.boolean()).map(([value, negative]) => (negative && value !== 0 ? -value : value));

describe('varbit integers', () => {
  // The table in varbit.go: how many bits each range takes.
  for (const { values, length } of [
    { values: [0], length: 1 },
    { values: [-3, 4], length: 5 },
    { values: [-4, 5, -31, 32], length: 9 },
    { values: [-32, 33, -255, 256], length: 13 },
    { values: [-2047, 2048], length: 17 },
    { values: [-131071, 131072], length: 24 },
    { values: [-16777215, 16777216], length: 32 },
    { values: [-16777216, 16777217, 2 ** 55, -(2 ** 55) + 8], length: 64 },
    { values: [-(2 ** 55), 2 ** 55 + 8], length: 72 },
  ]) {
    it(`writes ${values} in ${length} bits`, () => {
      for (const value of values) assert.equal(writeVarbitInt(new Uint8Array(20), 0, 3, value), 3 + length);
    });
  }

  it('reads what it wrote, at any position', () => {
    fc.assert(
      fc.property(ints, uints, fc.nat(40), (int, uint, position) => {
        const bytes = new Uint8Array(40).fill(0xff);
        for (let i = 0; i < position; i++) writeBits(bytes, 0, i, 1, 1);
        const middle = writeVarbitInt(bytes, 0, position, int);
        const end = writeVarbitUint(bytes, 0, middle, uint);
        const words = loadBitWords(bytes, 0, bytes.length);
        assert.equal(peekVarbitInt(words, position), int);
        assert.equal(position + varbitLength(words, position), middle);
        assert.equal(peekVarbitUint(words, middle), uint);
        assert.equal(middle + varbitLength(words, middle), end);
      }),
      { numRuns: 1000 },
    );
  });

  it('reads many as it would read each', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 4, arbitrary: fc.integer({ min: -300, max: 300 }) }, ints)),
        (numbers) => {
          const bytes = new Uint8Array(10 * numbers.length + 10);
          let end = 5;
          for (const one of numbers) end = writeVarbitInt(bytes, 0, end, one);
          const cursor = new BitCursor(bytes, 0, bytes.length, 5);
          const values = new Float64Array(numbers.length);
          const sums = new Float64Array(numbers.length).fill(1);
          cursor.varbitIntsInto(values, sums, 0, numbers.length);
          assert.deepEqual([...values], numbers);
          assert.deepEqual(
            [...sums],
            numbers.map((one) => one + 1),
          );
          assert.equal(cursor.position, end);
        },
      ),
      { numRuns: 500 },
    );
  });
});
