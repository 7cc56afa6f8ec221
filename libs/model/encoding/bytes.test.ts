import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { equalBytes, hashBytes, viewOf } from './bytes.ts';

const someBytes = fc.uint8Array({ maxLength: 70 });

describe('equalBytes', () => {
  it('agrees with Buffer.equals at every offset', () =>
    fc.assert(
      fc.property(someBytes, fc.nat(9), fc.nat(9), (bytes, x, y) => {
        const a = viewOf(Buffer.concat([Buffer.alloc(x, 1), bytes, Buffer.alloc(3, 2)]));
        const b = viewOf(Buffer.concat([Buffer.alloc(y, 3), bytes, Buffer.alloc(3, 4)]));
        assert.equal(equalBytes(a, x, b, y, bytes.length), true);
      }),
    ));

  it('sees a single changed bit', () =>
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), fc.nat(), (bytes, n) => {
        const other = bytes.slice();
        const bit = n % (bytes.length * 8);
        other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
        assert.equal(equalBytes(viewOf(bytes), 0, viewOf(other), 0, bytes.length), false);
      }),
    ));

  it('looks at nothing outside the ranges', () => {
    const a = viewOf(Uint8Array.of(9, 1, 2, 3, 9));
    const b = viewOf(Uint8Array.of(1, 2, 3, 7, 7));
    assert.equal(equalBytes(a, 1, b, 0, 3), true);
    assert.equal(equalBytes(a, 1, b, 0, 0), true);
  });
});

describe('hashBytes', () => {
  it('depends on the bytes alone, not on where they lie', () =>
    fc.assert(
      fc.property(someBytes, fc.nat(9), (bytes, x) => {
        const moved = viewOf(Buffer.concat([Buffer.alloc(x, 1), bytes, Buffer.alloc(3, 2)]));
        assert.equal(hashBytes(moved, x, x + bytes.length), hashBytes(viewOf(bytes), 0, bytes.length));
      }),
    ));

  it('spreads 200,000 numbered names like a random function', () => {
    const seen = new Set<number>();
    const low = new Set<number>();
    for (let i = 0; i < 200_000; i++) {
      const name = Buffer.from(`pod="web-${i}"`);
      const hash = hashBytes(viewOf(name), 0, name.length);
      seen.add(hash);
      low.add(hash & 0x3ffff);
    }
    assert.ok(200_000 - seen.size < 30, 'about 5 collisions are expected in 32 bits');
    // A random function leaves e^(-n/m) of m = 2^18 slots empty: 46.6 %.
    assert.ok(Math.abs(1 - low.size / 0x40000 - 0.4663) < 0.01);
  });

  it('tells order and length apart', () => {
    assert.equal(hashBytes(viewOf(Buffer.from('')), 0, 0), hashBytes(viewOf(Buffer.from('x')), 0, 0));
    assert.notEqual(hashBytes(viewOf(Buffer.from('ab')), 0, 2), hashBytes(viewOf(Buffer.from('ba')), 0, 2));
    assert.notEqual(hashBytes(viewOf(Buffer.alloc(8)), 0, 8), hashBytes(viewOf(Buffer.alloc(9)), 0, 9));
  });
});
