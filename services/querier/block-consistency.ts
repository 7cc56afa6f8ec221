/**
 * Which blocks of the bucket an answer needs, and whether each was read.
 * Owns both halves of one promise: an answer never misses a block silently. Pure: what the index says and what was read come in.
 */
import type { BucketIndex, IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { shardLabel } from '../../libs/tsdb/block/label-shard.ts';

/** What an index says of all times: worked out once, since many queries go by the same index. */
interface Standing {
  /** Blocks without a deletion mark. */
  readonly names: ReadonlySet<string>;
  /** Marked blocks whose samples stand in others, whatever time is asked for. */
  readonly replaced: ReadonlySet<IndexedBlock>;
  /** For each further marked block, those that were made out of all of its sources. */
  readonly madeOf: ReadonlyMap<IndexedBlock, readonly IndexedBlock[]>;
  /** Sources of which a block has all samples, and not downsampled ones alone. */
  readonly inFull: ReadonlySet<string>;
}

const standingOf = new WeakMap<BucketIndex, Standing>();

/**
 * Names of the blocks whose samples belong into an answer over [minT, maxT].
 * @param elsewhere names of blocks that somebody else answers for
 */
export function neededBlocks(index: BucketIndex, minT: number, maxT: number, elsewhere: ReadonlySet<string>): string[] {
  const { names, replaced, madeOf, inFull } = standingIn(index);
  const needed: string[] = [];
  for (const block of index.blocks) {
    if (block.minTime > maxT || block.maxTime <= minT || elsewhere.has(block.ulid)) continue;
    // Downsampled blocks stand beside those with all samples. Where those are gone, reading one says that it cannot be read.
    if (isDownsampled(block) && isThereInFull(block, inFull)) continue;
    // A marked one is read until it is deleted, unless all of its samples stand in others.
    if (replaced.has(block)) continue;
    const made = madeOf.get(block)?.filter(({ minTime, maxTime }) => minTime <= maxT && maxTime > minT);
    if (made !== undefined && isReplaced(block, made, names)) continue;
    needed.push(block.ulid);
  }
  return needed;
}

function standingIn(index: BucketIndex): Standing {
  const known = standingOf.get(index);
  if (known !== undefined) return known;
  const marked = new Set<string>(index.deletionMarks.map(({ ulid }) => ulid));
  const names = new Set<string>();
  // Only of these it is asked: an index of years names more sources than anything else.
  const firsts = new Set<string | undefined>();
  const coarse = new Set<string>();
  for (const block of index.blocks) {
    if (marked.has(block.ulid)) firsts.add(block.details?.sources[0]);
    else names.add(block.ulid);
    if (isDownsampled(block)) for (const source of block.details?.sources ?? []) coarse.add(source);
  }
  /** By each of their sources that is the first of a marked block. */
  const outputs = new Map<string, IndexedBlock[]>();
  const inFull = new Set<string>();
  for (const block of index.blocks) {
    const { sources = [], jobOutputs = [] } = block.details ?? {};
    const isOutput = firsts.size > 0 && jobOutputs.length > 0;
    const isFull = coarse.size > 0 && !isDownsampled(block);
    if (!isOutput && !isFull) continue;
    for (const source of sources) {
      if (isFull && coarse.has(source)) inFull.add(source);
      if (!isOutput || !firsts.has(source)) continue;
      const others = outputs.get(source);
      if (others === undefined) outputs.set(source, [block]);
      else others.push(block);
    }
  }
  const replaced = new Set<IndexedBlock>();
  const madeOf = new Map<IndexedBlock, readonly IndexedBlock[]>();
  for (const block of index.blocks) {
    if (!marked.has(block.ulid)) continue;
    const [first, ...sources] = block.details?.sources ?? [];
    const candidates = first === undefined ? [] : (outputs.get(first) ?? []);
    const made = candidates.filter(({ ulid, details }) => {
      return ulid !== block.ulid && sources.every((source) => details?.sources.includes(source));
    });
    // Those that cover it are of every answer that it is of.
    const covering = made.filter(({ minTime, maxTime }) => minTime <= block.minTime && maxTime >= block.maxTime);
    if (isReplaced(block, covering, names)) replaced.add(block);
    else madeOf.set(block, made);
  }
  const found = { names, replaced, madeOf, inFull };
  standingOf.set(index, found);
  return found;
}

const isDownsampled = ({ details }: IndexedBlock): boolean => (details?.resolutionMs ?? 0) > 0;

/** Whether blocks with all samples hold what a downsampled one was made from. */
function isThereInFull({ details }: IndexedBlock, inFull: ReadonlySet<string>): boolean {
  return (details?.sources ?? []).every((source) => inFull.has(source));
}

/** Whether all samples of a marked block stand in what was made out of its sources, or of more. */
function isReplaced(block: IndexedBlock, made: readonly IndexedBlock[], standing: ReadonlySet<string>): boolean {
  // One shard of them all has every series of that shard, and none of another.
  const hasShard = (shard: string): boolean => made.some((one) => standing.has(one.ulid) && shardOf(one) === shard);
  const shard = shardOf(block);
  if (shard !== undefined) return hasShard(shard);
  const isThere = (name: string): boolean => {
    if (standing.has(name)) return true;
    const became = shardOf(made.find(({ ulid }) => ulid === name));
    return became !== undefined && hasShard(became);
  };
  return made.some((output) => isMadeOf(output, block) && output.details?.jobOutputs.every(isThere) === true);
}

/** Whether the outputs of the job that made `output` are all that an unsplit block was made into, not one shard of it merged further. */
function isMadeOf(output: IndexedBlock, { compactionLevel }: IndexedBlock): boolean {
  if (shardOf(output) === undefined) return true;
  // The only shard that has series is told from a later one by its level.
  return (output.details?.jobOutputs.length ?? 0) > 1 || output.compactionLevel === compactionLevel + 1;
}

const shardOf = (block: IndexedBlock | undefined): string | undefined => block?.labels.get(shardLabel);

/** @throws Failure `internal` that names a block that was needed and not read */
export function checkAllRead(needed: readonly string[], read: readonly string[]): void {
  const there = new Set(read);
  const missing = needed.filter((name) => !there.has(name));
  if (missing.length === 0) return;
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
  throw new Failure('internal', `the answer would miss block ${missing[0]}${more}: it was needed and not read`);
}
