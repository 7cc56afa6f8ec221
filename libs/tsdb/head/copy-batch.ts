/**
 * Series of a selection become a batch of chunks. Owns when a batch is full: a batch is copied at one go, so it is what holds
 * up a write.
 */
import type { ChunkBatch } from '../../series/series-source.ts';
import { ChunkBatchBuilder } from './chunk-batch-builder.ts';
import type { HeadRange } from './head-range.ts';

/** Whoever waits for the first batch waits less; of the rest, each is a message to another thread. */
const firstBatchSeriesMax = 256;
const batchSeriesMax = 1024;
const batchBytesMax = 1 << 20;

/**
 * Chunks with samples from minT to maxT of the series ids[first], ids[first + 1], ...: as many series as a batch takes, at
 * least one. `ranges` are in order of time. A builder that has built a batch has room for the next.
 */
export function copyBatch(
  ids: Uint32Array,
  first: number,
  ranges: readonly HeadRange[],
  minT: number,
  maxT: number,
  builder = new ChunkBatchBuilder(),
): ChunkBatch {
  builder.reset();
  const end = Math.min(ids.length, first + (first === 0 ? firstBatchSeriesMax : batchSeriesMax));
  for (let i = first; i < end && builder.bytes.length < batchBytesMax; i++) {
    for (const range of ranges) range.copyChunks(ids[i], minT, maxT, builder);
    builder.endSeries();
  }
  return builder.build(first);
}
