import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RangeReader } from '../../std/range-reader.ts';
import { readChunks } from './read-chunks.ts';

it('of many blocks beside one another no more than a batch of each is on its way', async () => {
  const count = 160;
  const recordBytes = 16 << 10;
  let asked = 0;
  const reader: RangeReader = {
    name: 'chunks/000001',
    size: 1 << 30,
    read: (begin, end) => {
      asked += end - begin;
      return new Promise(() => {});
    },
  };
  const chunks = {
    place: new Uint32Array(count),
    chunkBegin: Uint32Array.from({ length: count + 1 }, (_, i) => i),
    minT: new Float64Array(count),
    maxT: new Float64Array(count),
    ref: Float64Array.from({ length: count }, (_, i) => 8 + i * recordBytes),
    nextRef: new Float64Array(count),
  };
  const askedBy = async (batchBytes: number): Promise<number> => {
    asked = 0;
    const readers = { segment: () => reader, tombstones: new Map(), gapBytes: 1024, chunkBytesAverage: 8 << 10 };
    void readChunks(chunks, { ...readers, batchBytes }, new AbortController().signal).next();
    await new Promise((resolve) => setImmediate(resolve));
    return asked;
  };
  assert.equal(await askedBy(256 << 10), 256 << 10);
  assert.equal(await askedBy(512 << 10), 3 * (512 << 10));
});
