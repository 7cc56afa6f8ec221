import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { ClosedChunks } from './closed-chunks.ts';
import { rangeMs } from './head-range.ts';

it('chunks of a range may take more than 4 GiB', () => {
  const chunks = new ClosedChunks();
  const length = 200_000;
  const count = 17_000;
  // Few of these pages are touched, so the others take no memory.
  const marked = (chunk: number) => chunk % 500 === 0;
  for (let i = 1, previous = 0; i <= count; i++) {
    previous = chunks.add(previous, ChunkEncoding.floatHistogramSt, rangeMs - i, rangeMs - 1, length);
    if (marked(i)) chunks.page(i).fill(i / 500, chunks.offset(i) + length - 8, chunks.offset(i) + length);
  }
  assert.ok(chunks.bytes > 2 ** 32);
  for (let chunk = count; chunk > 0; chunk = chunks.previous(chunk)) {
    assert.equal(chunks.minT(chunk), rangeMs - chunk);
    assert.equal(chunks.maxT(chunk), rangeMs - 1);
    assert.equal(chunks.length(chunk), length);
    assert.equal(chunks.encoding(chunk), ChunkEncoding.floatHistogramSt);
    if (marked(chunk)) assert.equal(chunks.page(chunk)[chunks.offset(chunk) + length - 1], chunk / 500);
  }
});
