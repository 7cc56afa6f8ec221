/**
 * Which blocks are not needed any more because others hold all that they hold. Pure, from the bucket index alone.
 * A block is covered when one job has made blocks out of it, and all that this job has made are in the index. So a crash between the
 * upload of outputs and the marking of sources is mended by whoever looks next; and a source stays as long as an output is missing or
 * set aside. That an output is marked changes nothing: either others cover it, or whoever marked it wants nothing of what it holds.
 */
import type { IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import { shardLabel } from '../../libs/tsdb/block/label-shard.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';

/**
 * The blocks among `blocks` that others of them cover, each with the ULIDs that do.
 * @param excluded blocks that cover nothing: set aside
 */
export function coveredBlocks(
  blocks: readonly IndexedBlock[],
  excluded: ReadonlySet<Ulid>,
): ReadonlyMap<Ulid, readonly Ulid[]> {
  const byUlid = new Map(blocks.map((block) => [block.ulid, block]));
  const jobs = new Map<string, IndexedBlock[]>();
  for (const block of blocks) {
    const outputs = block.details?.jobOutputs ?? [];
    if (outputs.length === 0 || excluded.has(block.ulid)) continue;
    const key = [...outputs].sort().join(',');
    jobs.set(key, [...(jobs.get(key) ?? []), block]);
  }
  // By a level-1 block: the jobs whose outputs hold it. So a block is looked for only among those that may hold it.
  const jobsOfSource = new Map<Ulid, IndexedBlock[][]>();
  for (const outputs of jobs.values()) {
    const names = outputs[0]?.details?.jobOutputs ?? [];
    // An output that is gone was merged further, together with the others or not: only a whole job covers.
    if (names.some((ulid) => !byUlid.has(ulid)) || outputs.length !== names.length) continue;
    for (const source of outputs[0]?.details?.sources ?? []) {
      const known = jobsOfSource.get(source);
      if (known === undefined) jobsOfSource.set(source, [outputs]);
      else known.push(outputs);
    }
  }
  const covered = new Map<Ulid, readonly Ulid[]>();
  for (const block of blocks) {
    const first = block.details?.sources[0];
    const candidates = first === undefined ? undefined : jobsOfSource.get(first);
    const by = candidates === undefined ? undefined : coveringOutputs(candidates, block);
    if (by !== undefined) covered.set(block.ulid, by);
  }
  return covered;
}

function coveringOutputs(jobs: readonly (readonly IndexedBlock[])[], block: IndexedBlock): Ulid[] | undefined {
  for (const outputs of jobs) {
    if (!outputs.every((output) => holds(output, block))) continue;
    const isSame = outputs.length > 1 ? !block.labels.has(shardLabel) : shardOf(outputs[0]) === shardOf(block);
    if (isSame) return outputs.map(({ ulid }) => ulid);
  }
  return block.labels.has(shardLabel) ? undefined : shardsThatHold(jobs.flat(), block);
}

const shardOf = (block: IndexedBlock | undefined): string | undefined => block?.labels.get(shardLabel);

/** Blocks of all shards that together hold an unsplit block: what its split became when each shard was merged further. */
function shardsThatHold(whole: readonly IndexedBlock[], block: IndexedBlock): Ulid[] | undefined {
  const byCount = new Map<number, Map<string, Ulid>>();
  for (const output of whole) {
    const [, , count] = /^(\d+)_of_(\d+)$/.exec(shardOf(output) ?? '') ?? [];
    if (count === undefined || !holds(output, block)) continue;
    const shards = byCount.get(Number(count)) ?? new Map<string, Ulid>();
    byCount.set(Number(count), shards.set(shardOf(output) ?? '', output.ulid));
  }
  for (const [count, shards] of byCount) if (shards.size === count) return [...shards.values()];
  return undefined;
}

/** Whether a block was made from all that another one was, and spans it. */
function holds(output: IndexedBlock, { compactionLevel, minTime, maxTime, details }: IndexedBlock): boolean {
  if (details === undefined || details.sources.length === 0) return false;
  if (output.compactionLevel <= compactionLevel) return false;
  if (output.minTime > minTime || output.maxTime < maxTime) return false;
  if ((output.details?.resolutionMs ?? 0) !== details.resolutionMs) return false;
  const sources = new Set(output.details?.sources);
  return details.sources.every((ulid) => sources.has(ulid));
}
