import assert from 'node:assert/strict';
import { isUtf8 as nodeIsUtf8 } from 'node:buffer';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { viewOf } from './bytes.ts';
import { countCodePoints, isAscii, isUtf8 } from './utf8.ts';

/** Bytes at which the rules turn. */
const edges = fc.constantFrom(
  0x00,
  0x7f,
  0x80,
  0x8f,
  0x90,
  0x9f,
  0xa0,
  0xbf,
  0xc0,
  0xc1,
  0xc2,
  0xdf,
  0xe0,
  0xe1,
  0xec,
  0xed,
  0xee,
  0xef,
  0xf0,
  0xf1,
  0xf3,
  0xf4,
  0xf5,
  0xff,
);

describe('utf8', () => {
  it('agrees with Node on bytes from the edges of the rules', () =>
    fc.assert(
      fc.property(fc.array(edges, { maxLength: 6 }), (list) => {
        const bytes = Uint8Array.from([0xff, ...list, 0xff]);
        assert.equal(isUtf8(bytes, 1, bytes.length - 1), nodeIsUtf8(bytes.subarray(1, bytes.length - 1)));
        assert.equal(
          isAscii(viewOf(bytes), 1, bytes.length - 1),
          list.every((byte) => byte < 0x80),
        );
      }),
      { numRuns: 5000 },
    ));

  it('agrees with Node on every pair and on text', () => {
    for (let i = 0; i < 0x10000; i++) {
      const bytes = Uint8Array.of(i >> 8, i & 0xff);
      assert.equal(isUtf8(bytes, 0, 2), nodeIsUtf8(bytes));
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const bytes = new TextEncoder().encode(text);
        assert.equal(isUtf8(bytes, 0, bytes.length), true);
        assert.equal(countCodePoints(bytes, 0, bytes.length), [...text].length);
      }),
    );
  });
});
