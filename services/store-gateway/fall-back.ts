/**
 * What else in the bucket holds the samples of a block that is set aside: the blocks it was merged from, or those it was merged into,
 * as long as they are there. Pure: from the bucket index alone.
 */
import type { BucketIndex, IndexedBlock, IndexedDetails } from '../../libs/blocks/bucket-index.ts';
import { shardLabel } from '../../libs/tsdb/block/label-shard.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';

/** Which samples a block has. */
export type BlockOrigin = Pick<IndexedDetails, 'sources' | 'resolutionMs'>;

const noOrigin: BlockOrigin = { sources: [], resolutionMs: 0 };

/**
 * Blocks that together hold all that a block does; undefined where there are none.
 * @param isAside whether a block is set aside itself
 * @param origin what the block's own meta.json says of it, where the index has no details of a block that is damaged
 */
export function substitutesOf(
  { blocks }: BucketIndex,
  ulid: Ulid,
  isAside: (ulid: Ulid) => boolean,
  origin: BlockOrigin | undefined,
): IndexedBlock[] | undefined {
  const block = blocks.find((one) => one.ulid === ulid);
  const { sources, resolutionMs } = block?.details ?? origin ?? noOrigin;
  const missing = new Set(sources);
  if (block === undefined || missing.size === 0) return undefined;
  const holding = ({ details }: IndexedBlock): number =>
    (details?.sources ?? []).reduce((count, source) => count + (missing.has(source) ? 1 : 0), 0);
  const shard = block.labels.get(shardLabel);
  const found: IndexedBlock[] = [];
  const others = blocks
    // One of another shard has other series; one of another resolution other samples.
    .filter((other) => other.ulid !== ulid && [undefined, shard].includes(other.labels.get(shardLabel)))
    .filter(({ details }) => details?.resolutionMs === resolutionMs)
    .map((other) => ({ other, count: holding(other) }))
    .filter(({ other, count }) => count > 0 && !isAside(other.ulid))
    .sort((a, b) => b.count - a.count);
  for (const { other } of others) {
    if (holding(other) === 0) continue;
    found.push(other);
    for (const source of other.details?.sources ?? []) missing.delete(source);
  }
  return missing.size === 0 ? found : undefined;
}
