import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { rawOfText, textOfRaw } from './raw-text.ts';

describe('texts of bytes', () => {
  for (const [bytes, text] of [
    ['', ''],
    ['61c3bc', 'aü'],
    ['ff', '\udcff'],
    ['61ff62', 'a\udcffb'],
    ['f09f8c8a', '\u{1f30a}'],
    ['f09f8c', '\udcf0\udc9f\udc8c'],
    ['eda080', '\udced\udca0\udc80'],
    ['efbfbd', '\ufffd'],
  ] as const)
    it(`${bytes} is ${JSON.stringify(text)}`, () => {
      assert.equal(textOfRaw(Buffer.from(bytes, 'hex')), text);
      assert.equal(Buffer.from(rawOfText(text)).toString('hex'), bytes);
    });

  it('have each character that is whole, and half a pair for each other byte', () => {
    const byte = fc.oneof(
      fc.constantFrom(0xe0, 0xed, 0xf0, 0xf4, 0xc0, 0xc2, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf),
      fc.nat(255),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), (list) => {
        const bytes = Uint8Array.from(list);
        let right = '';
        for (let at = 0; at < bytes.length; ) {
          const length = [1, 2, 3, 4].find((count) => isUtf8(bytes.subarray(at, at + count)));
          right +=
            length === undefined
              ? String.fromCharCode(0xdc00 + bytes[at])
              : Buffer.from(bytes.subarray(at, at + length)).toString();
          at += length ?? 1;
        }
        assert.equal(textOfRaw(bytes), right);
      }),
      { numRuns: 2_000 },
    );
  });

  it('come back', () => {
    const some = fc.array(fc.constantFrom(0x61, 0x80, 0xbf, 0xc3, 0xbc, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0xff));
    fc.assert(
      fc.property(some, (bytes) => {
        assert.deepEqual(Buffer.from(rawOfText(textOfRaw(Uint8Array.from(bytes)))), Buffer.from(bytes));
      }),
    );
    const texts = fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed());
    fc.assert(fc.property(texts, (text) => assert.equal(textOfRaw(rawOfText(text)), text)));
  });
});
