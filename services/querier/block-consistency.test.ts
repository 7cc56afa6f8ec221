/** Years of blocks that another has downsampled: which are needed is known at once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BucketIndex, emptyBucketIndex, type IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { ulidOf } from '../../libs/tsdb/block/block.testing.ts';
import { neededBlocks } from './block-consistency.ts';

const dayMs = 86_400_000;
const days = 1_000;

/** @param onLook is told of each look at what is known of a block */
function yearsOfBlocks(onLook: () => void): BucketIndex {
  const prng = new Prng(1);
  const blocks: IndexedBlock[] = [];
  for (let day = 0; day < days; day++) {
    const sources = Array.from({ length: 12 }, () => ulidOf(prng));
    for (const resolutionMs of [0, 300_000, 3_600_000]) {
      const details = {
        ...{ numSeries: 1, numSamples: 1, numChunks: 1, indexBytes: 1, segmentBytes: [1], tombstonesBytes: 0 },
        ...{ resolutionMs, sources, jobOutputs: [] },
      };
      blocks.push({
        ulid: ulidOf(prng),
        minTime: day * dayMs,
        maxTime: (day + 1) * dayMs,
        uploadedAtMs: 0,
        segmentCount: 1,
        compactionLevel: 3,
        outOfOrder: false,
        source: 'compactor',
        labels: new Map(),
        get details() {
          onLook();
          return details;
        },
      });
    }
  }
  return { ...emptyBucketIndex, blocks };
}

describe('blocks that an answer needs', () => {
  it('are found in years of downsampled ones with few looks at each', () => {
    let looks = 0;
    const index = yearsOfBlocks(() => looks++);
    assert.equal(neededBlocks(index, 0, days * dayMs, new Set()).length, days);
    // Looked for in every block it took seconds, on the thread that takes writes.
    assert.ok(looks < 20 * index.blocks.length, `${looks} looks at ${index.blocks.length} blocks`);
    looks = 0;
    assert.equal(neededBlocks(index, 0, days * dayMs, new Set()).length, days);
    assert.ok(looks < 5 * index.blocks.length, `${looks} looks, asked again`);
  });
});
