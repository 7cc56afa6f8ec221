/** What becomes of the batches that a joiner was given. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkJoiner, type GivenBatch } from './join-chunks.ts';

/** Batches of two series with a chunk each, whose one byte is the number of the series. */
function batchesOf(seriesCount: number): GivenBatch[] {
  return Array.from({ length: seriesCount / 2 }, (_, i) => ({
    firstSeries: 2 * i,
    chunkBegin: Uint32Array.of(0, 1, 2),
    encoding: Uint8Array.of(1, 1),
    minT: Float64Array.of(0, 0),
    maxT: Float64Array.of(1, 1),
    byteBegin: Uint32Array.of(0, 1, 2),
    bytes: Uint8Array.of(2 * i, 2 * i + 1),
  }));
}

function joined(joiner: ChunkJoiner, given: readonly GivenBatch[][]): number[] {
  const bytes: number[] = [];
  for (let missing = joiner.advance(); missing >= 0; missing = joiner.advance()) {
    joiner.give(missing, given[missing]?.shift() as GivenBatch);
  }
  for (let batch = joiner.take(); batch !== undefined; batch = joiner.take()) {
    bytes.push(...batch.bytes.subarray(0, batch.byteBegin.at(-1)));
  }
  return bytes;
}

describe('ChunkJoiner', () => {
  // The series of the first selection come in the order of the whole, those of the second the other way round.
  const table = {
    partBegin: Uint32Array.of(0, 2, 4, 6, 8),
    partSource: Uint32Array.of(0, 1, 0, 1, 0, 1, 0, 1),
    partSeries: Uint32Array.of(0, 3, 1, 2, 2, 1, 3, 0),
  };

  it('tells once of each batch that it is not looked at any more, when its memory may be taken away', () => {
    const given = [batchesOf(4), batchesOf(4)];
    const all = given.flat();
    const freed: GivenBatch[] = [];
    const joiner = new ChunkJoiner(table, [true, false], (batch) => {
      freed.push(batch);
      for (const { buffer } of [batch.bytes, batch.minT]) (buffer as ArrayBuffer).transfer(0);
    });
    assert.deepEqual(joined(joiner, given), [0, 3, 1, 2, 2, 1, 3, 0]);
    joiner.close();
    assert.deepEqual(new Set(freed), new Set(all));
    assert.equal(freed.length, all.length);
  });

  it('tells of what it has when it is closed in the middle', () => {
    const [sorted = [], others = []] = [batchesOf(4), batchesOf(4)];
    const freed: GivenBatch[] = [];
    const joiner = new ChunkJoiner(table, [true, false], (batch) => freed.push(batch));
    assert.equal(joiner.advance(), 0);
    joiner.give(0, sorted[0] as GivenBatch);
    assert.equal(joiner.advance(), 1);
    joiner.give(1, others[0] as GivenBatch);
    joiner.close();
    assert.deepEqual(freed, [sorted[0], others[0]]);
  });
});
