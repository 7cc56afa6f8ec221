import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { GzipPieces } from './gzip-pieces.ts';

describe('GzipPieces', () => {
  it('are one file, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 500 }), { minLength: 1, maxLength: 8 }), (parts) => {
        const gzip = new GzipPieces();
        const pieces = parts.map((part, i) => gzip.next(part, i === parts.length - 1));
        assert.deepEqual(gunzipSync(Buffer.concat(pieces)), Buffer.concat(parts));
        for (const piece of pieces) assert.equal(piece.buffer.byteLength, piece.length);
      }),
    );
  });

  it('can be read as far as they have come', () => {
    const gzip = new GzipPieces();
    const first = gzip.next(Buffer.from('what is here'), false);
    assert.equal(gunzipSync(first, { finishFlush: 2 }).toString(), 'what is here');
  });
});
