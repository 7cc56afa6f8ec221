import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { uncompressSync } from 'snappy';
import { SnappyDecoder } from './snappy.ts';
import { encodeSnappy } from './snappy-encoder.ts';

function encoded(bytes: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  encodeSnappy(bytes, (piece) => pieces.push(piece.slice()));
  return Buffer.concat(pieces);
}

function check(bytes: Uint8Array): number {
  const body = encoded(bytes);
  assert.deepEqual(new Uint8Array(uncompressSync(body, { asBuffer: true }) as Buffer), bytes);
  const decoder = new SnappyDecoder();
  assert.equal(decoder.decode(body, bytes.length), bytes.length);
  assert.deepEqual(decoder.bytes.slice(0, bytes.length), bytes);
  return body.length;
}

describe('encodeSnappy', () => {
  const pieces = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.nat(300)).map(([piece, n]) => Buffer.alloc(n, piece)),
    ),
    { maxLength: 40 },
  );

  it('is read back by the native decoder and by ours', () => {
    fc.assert(fc.property(pieces, (list) => void check(new Uint8Array(Buffer.concat([...list, ...list])))));
  });

  for (const length of [0, 1, 14, 15, 16, 17, 60, 61, 62, 256, 257, 65_535, 65_536, 65_537, 200_000]) {
    it(`takes ${length} bytes that repeat, and that do not`, () => {
      const repeating = new Uint8Array(Buffer.alloc(length, 'abcdefg'));
      const encodedLength = check(repeating);
      if (length > 1000) assert.ok(encodedLength < length / 10, `${encodedLength}`);
      let seed = 1;
      check(
        Uint8Array.from({ length }, () => {
          seed = Math.imul(seed, 1_103_515_245) + 12_345;
          return seed >>> 16;
        }),
      );
    });
  }

  it('copies of every length and distance', () => {
    for (let distance = 1; distance < 140; distance += 7) {
      for (let length = 4; length < 140; length++) {
        const text = Uint8Array.from({ length: 300 }, (_, i) => (i * 151 + (i >> 3) * 7) & 0xff);
        for (let i = 0; i < length; i++) text[150 + i] = text[150 + i - distance];
        check(text);
      }
    }
  });
});
