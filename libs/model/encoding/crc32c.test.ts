import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { crc32c } from './crc32c.ts';

/** The definition, bit by bit. */
function crc32cByBits(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  for (const { name, bytes, crc } of [
    { name: 'nothing', bytes: new Uint8Array(0), crc: 0 },
    { name: '32 zeros', bytes: new Uint8Array(32), crc: 0x8a9136aa },
    { name: '32 ones', bytes: new Uint8Array(32).fill(0xff), crc: 0x62a8ab43 },
    { name: '0 to 31', bytes: Uint8Array.from({ length: 32 }, (_, i) => i), crc: 0x46dd794e },
    { name: '31 to 0', bytes: Uint8Array.from({ length: 32 }, (_, i) => 31 - i), crc: 0x113fdb5c },
    { name: 'check', bytes: new TextEncoder().encode('123456789'), crc: 0xe3069283 },
  ]) {
    it(name, () => assert.equal(crc32c(bytes, 0, bytes.length), crc));
  }

  it('follows the definition and may be taken in parts', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.nat(20), (bytes, cut, margin) => {
        const expected = crc32cByBits(bytes);
        const middle = margin + Math.min(cut, bytes.length);
        const end = margin + bytes.length;
        const inside = new Uint8Array(end + margin).fill(0x5a);
        inside.set(bytes, margin);
        assert.equal(crc32c(inside, margin, end), expected);
        assert.equal(crc32c(inside, middle, end, crc32c(inside, margin, middle)), expected);
      }),
    );
  });

  it('refuses a range outside the bytes', () => {
    assert.throws(() => crc32c(new Uint8Array(4), 0, 5), RangeError);
    assert.throws(() => crc32c(new Uint8Array(4), 3, 2), RangeError);
  });
});
