/**
 * Which blocks of a tenant are merged into which: pure, from the bucket index alone. The plan is Mimir's split-and-merge: ranges
 * from the smallest to the largest (2 h, 12 h, 24 h), blocks that lie in the same range together, unsplit blocks split first.
 * Owns the plan. Does not own when a job runs, nor how often one that failed is tried again (failed-jobs.ts). What overlaps comes
 * first by itself: overlapping blocks share a smallest range.
 */
import { createHash } from 'node:crypto';
import type { IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import { isoTime } from '../../libs/std/iso-time.ts';
import { shardLabel } from '../../libs/tsdb/block/label-shard.ts';
import { mergeSourcesMax } from '../../libs/tsdb/block/merge-blocks.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';

export interface PlannedJob {
  /** Of its sources: the same as long as they are. */
  readonly id: string;
  /** What it is, for people. */
  readonly name: string;
  readonly stage: 'split' | 'merge';
  /** Of merged blocks: the value of their shard label, empty where they are not split. */
  readonly shard: string;
  /** Outputs: more than one when blocks are split. */
  readonly shardCount: number;
  readonly rangeBegin: number;
  readonly rangeEnd: number;
  /** By time. */
  readonly sources: readonly IndexedBlock[];
  /** Why it must wait, undefined where it need not. */
  readonly waitsFor: string | undefined;
}

export interface PlanOptions {
  /** Rising, each a multiple of the one before, in milliseconds. */
  readonly rangesMs: readonly number[];
  /** Into how many shards blocks are split; 0 is not at all. */
  readonly shardCount: number;
  readonly nowMs: number;
  /** A block from an ingester waits so long for those of others. */
  readonly firstLevelWaitMs: number;
  /** Blocks that are marked, or were set aside: no job has them. */
  readonly excluded: ReadonlySet<Ulid>;
}

/** Jobs in the order in which they should run: the smallest range first, then the oldest. No two share a block. */
export function planJobs(blocks: readonly IndexedBlock[], options: PlanOptions): PlannedJob[] {
  const { rangesMs, excluded } = options;
  const groups = new Map<string, IndexedBlock[]>();
  let newestEnd = Number.NEGATIVE_INFINITY;
  for (const block of blocks) {
    newestEnd = Math.max(newestEnd, block.maxTime);
    // What others have downsampled holds chunks that nobody here can read.
    if (excluded.has(block.ulid) || (block.details?.resolutionMs ?? 0) > 0) continue;
    const key = groupKey(block);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [block]);
    else group.push(block);
  }
  const jobs: PlannedJob[] = [];
  for (const [key, group] of groups) {
    group.sort((a, b) => a.minTime - b.minTime || (a.ulid < b.ulid ? -1 : 1));
    const ofGroup: PlannedJob[] = [];
    for (const rangeMs of rangesMs) {
      for (const job of jobsOfRange(key, group, rangeMs, options)) {
        // What is still to be merged below belongs into this job: it waits.
        if (!ofGroup.some((smaller) => conflict(job, smaller))) ofGroup.push(job);
      }
    }
    jobs.push(...ofGroup);
  }
  return jobs
    .filter((job) => job.rangeEnd <= newestEnd || fillsItsRange(job))
    .sort((a, b) => length(a) - length(b) || a.rangeBegin - b.rangeBegin || (a.name < b.name ? -1 : 1));
}

const length = ({ rangeBegin, rangeEnd }: PlannedJob): number => rangeEnd - rangeBegin;

/** Blocks may be merged only if they agree in everything but their shard. */
function groupKey({ labels }: IndexedBlock): string {
  return JSON.stringify([...labels].filter(([name]) => name !== shardLabel).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function* jobsOfRange(
  group: string,
  blocks: readonly IndexedBlock[],
  rangeMs: number,
  options: PlanOptions,
): Generator<PlannedJob> {
  const { rangesMs, shardCount } = options;
  const byRange = new Map<number, IndexedBlock[]>();
  for (const block of blocks) {
    const begin = Math.floor(block.minTime / rangeMs) * rangeMs;
    // A block that is longer than the range, or lies across two, is not this range's affair.
    if (block.maxTime > begin + rangeMs) continue;
    const list = byRange.get(begin);
    if (list === undefined) byRange.set(begin, [block]);
    else list.push(block);
  }
  for (const [rangeBegin, inRange] of byRange) {
    const range = { group, rangeBegin, rangeEnd: rangeBegin + rangeMs };
    const unsplit = inRange.filter(({ labels }) => !labels.has(shardLabel));
    if (rangeMs === rangesMs[0] && shardCount > 1 && unsplit.length > 0) {
      yield job(range, 'split', '', shardCount, unsplit, options);
      continue;
    }
    const shards = new Map<string, IndexedBlock[]>();
    for (const block of inRange) {
      const shard = block.labels.get(shardLabel) ?? '';
      shards.set(shard, [...(shards.get(shard) ?? []), block]);
    }
    for (const [shard, merged] of shards) {
      if (merged.length > 1) yield job(range, 'merge', shard, 1, merged, options);
    }
  }
}

function job(
  { group, rangeBegin, rangeEnd }: { group: string; rangeBegin: number; rangeEnd: number },
  stage: PlannedJob['stage'],
  shard: string,
  shardCount: number,
  blocks: readonly IndexedBlock[],
  { nowMs, firstLevelWaitMs }: PlanOptions,
): PlannedJob {
  const sources = blocks.slice(0, mergeSourcesMax);
  const identity = [group, stage, shard, shardCount, ...sources.map(({ ulid }) => ulid).sort()];
  const waiting = sources.find(
    ({ compactionLevel, uploadedAtMs, outOfOrder }) =>
      compactionLevel <= 1 && !outOfOrder && uploadedAtMs + firstLevelWaitMs > nowMs,
  );
  return {
    id: createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16),
    name: `${stage} ${shard === '' ? '' : `${shard} `}${iso(rangeBegin)} to ${iso(rangeEnd)}`,
    stage,
    shard,
    shardCount,
    rangeBegin,
    rangeEnd,
    sources,
    waitsFor: waiting === undefined ? undefined : `${waiting.ulid} is new: others of its range may still come`,
  };
}

const iso = (ms: number): string => isoTime(ms).replace(':00.000Z', 'Z');

function conflict(a: PlannedJob, b: PlannedJob): boolean {
  const overlap = a.rangeBegin < b.rangeEnd && b.rangeBegin < a.rangeEnd;
  // A split makes blocks of every shard.
  return overlap && (a.shard === b.shard || a.stage === 'split' || b.stage === 'split');
}

/** Whether no further block can come into the range of the job: then it need not wait for a newer block to begin. */
function fillsItsRange({ sources, rangeBegin, rangeEnd }: PlannedJob): boolean {
  const end = Math.max(...sources.map(({ maxTime }) => maxTime));
  return sources[0]?.minTime === rangeBegin && end === rangeEnd;
}
