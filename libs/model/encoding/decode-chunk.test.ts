import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../errors/failure.ts';
import { ChunkEncoding } from './chunk.ts';
import { decodeChunk } from './decode-chunk.ts';
import { xorFixtures } from './float-chunk.fixtures.ts';
import { columnsOf } from './float-samples.testing.ts';
import { xor2Fixtures } from './float-st-chunk.fixtures.ts';
import { histogramFixtures } from './histogram-chunk.fixtures.ts';
import type { SampleRows } from './sample-rows.ts';

function emptyRows(): SampleRows {
  const v = new Float64Array(0);
  return { t: new Float64Array(0), v, vBits: new Int32Array(v.buffer), st: null, h: null };
}

const encodings = Object.values(ChunkEncoding);

describe('decoding any chunk', () => {
  it('appends chunk after chunk to columns that grow', () => {
    const rows = emptyRows();
    let row = 0;
    for (const { hex } of xorFixtures) {
      const bytes = Buffer.from(hex, 'hex');
      const count = bytes.readUInt16BE(0);
      const next = decodeChunk(ChunkEncoding.xor, bytes, 0, bytes.length, rows, row);
      assert.equal(next, row + count);
      row = next;
    }
    assert.deepEqual(
      columnsOf(rows, 0, row),
      xorFixtures.flatMap(({ samples }) => samples),
    );
    assert.equal(rows.st, null);
    assert.equal(rows.h, null);

    for (const { hex } of xor2Fixtures) {
      const bytes = Buffer.from(hex, 'hex');
      row = decodeChunk(ChunkEncoding.xor2, bytes, 0, bytes.length, rows, row);
    }
    const floats = [...xorFixtures, ...xor2Fixtures].flatMap(({ samples }) => samples);
    assert.deepEqual(columnsOf(rows, 0, row), floats);
    assert.equal(rows.h, null);

    const bytes = Buffer.from(histogramFixtures[0]?.chunks[0] ?? '', 'hex');
    const next = decodeChunk(ChunkEncoding.histogram, bytes, 0, bytes.length, rows, row);
    assert.deepEqual(columnsOf(rows, 0, row), floats);
    const histograms = rows.h ?? [];
    assert.ok(histograms.slice(0, row).every((h) => h === null));
    assert.ok(histograms.slice(row, next).every((h) => h !== null));
    assert.ok(next > row);
  });

  it('refuses what is no chunk', () => {
    for (const encoding of encodings) {
      assert.throws(() => decodeChunk(encoding, new Uint8Array(1), 0, 1, emptyRows(), 0), Failure);
    }
  });

  it('reads or refuses chunks with flipped bits', () => {
    const chunks = [
      { encoding: ChunkEncoding.xor, hex: xorFixtures.find(({ name }) => name === 'noisy')?.hex ?? '' },
      { encoding: ChunkEncoding.xor2, hex: xor2Fixtures.find(({ name }) => name === 'jitter')?.hex ?? '' },
    ];
    const rows = emptyRows();
    fc.assert(
      fc.property(fc.constantFrom(...chunks), fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), (chunk, flips) => {
        const bytes = Buffer.from(chunk.hex, 'hex');
        for (const flip of flips) {
          const bit = 24 + (flip % (bytes.length * 8 - 24));
          bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (0x80 >>> (bit & 7));
        }
        const count = bytes.readUInt16BE(0);
        try {
          assert.equal(decodeChunk(chunk.encoding, bytes, 0, bytes.length, rows, 0), count);
        } catch (error) {
          assert.ok(error instanceof Failure);
        }
      }),
      { numRuns: 500 },
    );
  });
});
