/**
 * One job from its sources in the bucket to their marks: download → merge and verify in a thread → upload → index → read the index
 * back → mark the sources. Can be repeated after any end: until the last step the sources stand, and what an interrupted run left in
 * the bucket is either a whole set of outputs, which covers the sources (coverage.ts), or is merged again.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { indexedBlock, updateBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { markForDeletion } from '../../libs/blocks/deletion-mark.ts';
import { downloadBlock } from '../../libs/blocks/download-block.ts';
import { blockKey, metaName } from '../../libs/blocks/paths.ts';
import { type UploadedBlock, uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { freeBytesOf, spareBytes } from '../../libs/std/free-bytes.ts';
import { CorruptBlock } from '../../libs/tsdb/block/corrupt-block.ts';
import type { MergeCounts } from '../../libs/tsdb/block/merge-blocks.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import { MergeFailure, type MergeThread } from './merge-thread.ts';
import type { PlannedJob } from './plan-jobs.ts';

export interface JobDeps {
  readonly bucket: Bucket;
  /** Folder for blocks under way. */
  readonly directory: string;
  /** Bytes that the disk of a folder has left; absent: it is asked. */
  readonly freeBytes?: (directory: string) => Promise<number>;
  readonly nowMs: () => number;
  readonly newUlid: () => Ulid;
  readonly thread: MergeThread;
  readonly onProgress: (step: JobStep) => void;
}

export interface JobStep {
  readonly step: 'downloading' | 'merging' | 'uploading' | 'marking';
  /** From 0 to 1. */
  readonly done: number;
}

export interface JobResult {
  readonly outputs: readonly Ulid[];
  readonly counts: MergeCounts;
}

/** @throws MergeFailure, or what the bucket and the disk throw */
export async function runJob(
  tenant: TenantId,
  job: PlannedJob,
  deps: JobDeps,
  signal: AbortSignal,
): Promise<JobResult> {
  const directory = join(deps.directory, job.id);
  await rm(directory, { recursive: true, force: true });
  await mkdir(join(directory, 'out'), { recursive: true });
  try {
    await checkRoom(job, directory, deps);
    const sourceDirectories = await download(tenant, job, directory, deps, signal);
    const samples = job.sources.reduce((sum, { details }) => sum + (details?.numSamples ?? 0), 0);
    const outputDirectory = join(directory, 'out');
    const merged = await deps.thread.run(
      {
        sourceDirectories,
        outputDirectory,
        outputs: Array.from({ length: Math.max(1, job.shardCount) }, deps.newUlid),
      },
      (_, samplesDone) =>
        deps.onProgress({ step: 'merging', done: samples > 0 ? Math.min(1, samplesDone / samples) : 0 }),
      signal,
    );
    const uploaded: UploadedBlock[] = [];
    for (const ulid of merged.outputs) {
      deps.onProgress({ step: 'uploading', done: uploaded.length / merged.outputs.length });
      uploaded.push(await uploadBlock(deps.bucket, tenant, ulid, join(outputDirectory, ulid), signal));
    }
    deps.onProgress({ step: 'marking', done: 0 });
    await publish(tenant, job, uploaded, deps, signal);
    return merged;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The outputs are hardly larger than the sources, which lie beside them. @throws Failure `unavailable` */
async function checkRoom(job: PlannedJob, directory: string, { freeBytes = freeBytesOf }: JobDeps): Promise<void> {
  const needed = 2 * bytesOf(job) + spareBytes;
  const free = await freeBytes(directory);
  if (free >= needed) return;
  throw new Failure('unavailable', `the merge needs ${needed} bytes of the disk of ${directory}, and ${free} are free`);
}

/** Of all sources. */
function bytesOf({ sources }: PlannedJob): number {
  let sum = 0;
  for (const { details } of sources) {
    sum += details?.indexBytes ?? 0;
    for (const bytes of details?.segmentBytes ?? []) sum += bytes;
  }
  return sum;
}

async function download(
  tenant: TenantId,
  job: PlannedJob,
  directory: string,
  deps: JobDeps,
  signal: AbortSignal,
): Promise<string[]> {
  const bytesTotal = bytesOf(job);
  let bytesDone = 0;
  const directories: string[] = [];
  for (const { ulid } of job.sources) {
    const path = join(directory, ulid);
    await mkdir(path);
    const onProgress = (bytes: number): void => {
      bytesDone += bytes;
      deps.onProgress({ step: 'downloading', done: bytesTotal > 0 ? Math.min(1, bytesDone / bytesTotal) : 0 });
    };
    try {
      await downloadBlock(deps.bucket, tenant, ulid, path, signal, onProgress);
    } catch (error) {
      if (await lacksBytes(error, tenant, ulid, deps.bucket, signal))
        throw new MergeFailure(String(error instanceof Error ? error.message : error), ulid);
      throw error;
    }
    directories.push(path);
  }
  return directories;
}

/** Whether a block that could not be had is there, but not whole: it would not be had another time either. */
async function lacksBytes(
  error: unknown,
  tenant: TenantId,
  ulid: Ulid,
  bucket: Bucket,
  signal: AbortSignal,
): Promise<boolean> {
  if (error instanceof CorruptBlock) return true;
  if (!(error instanceof Failure)) return false;
  // Its meta.json cannot be understood any more.
  if (error.kind === 'bad_data') return true;
  if (error.kind !== 'not_found') return false;
  return (await bucket.stat(blockKey(tenant, ulid, metaName), signal)) !== undefined;
}

/** Outputs into the index, the index read back, and only then the sources marked. */
async function publish(
  tenant: TenantId,
  job: PlannedJob,
  uploaded: readonly UploadedBlock[],
  { bucket, nowMs }: JobDeps,
  signal: AbortSignal,
): Promise<void> {
  const added = uploaded.map(({ meta, sizes }) => indexedBlock(meta, nowMs(), sizes));
  const names = new Set(added.map(({ ulid }) => ulid));
  const stored = await updateBucketIndex(
    bucket,
    tenant,
    nowMs(),
    (old) => {
      // One with these blocks alone would hide all others: the next cleaning finds them with the rest.
      if (old === undefined) throw new Failure('unavailable', `the bucket index of ${tenant} is gone`);
      return { ...old, blocks: [...old.blocks.filter(({ ulid }) => !names.has(ulid)), ...added] };
    },
    signal,
  );
  const indexed = new Set(stored?.index.blocks.map(({ ulid }) => ulid));
  for (const ulid of names) {
    if (!indexed.has(ulid)) throw new Failure('unavailable', `block ${ulid} is not in the index that was read back`);
  }
  const details = names.size === 0 ? emptiedDetails : compactedDetails([...names]);
  const markedAtMs = Math.floor(nowMs() / 1000) * 1000;
  const sources = new Set(job.sources.map(({ ulid }) => ulid));
  for (const ulid of sources) await markForDeletion(bucket, tenant, ulid, { nowMs: markedAtMs, details }, signal);
  await updateBucketIndex(
    bucket,
    tenant,
    nowMs(),
    (old) =>
      old === undefined
        ? undefined
        : {
            ...old,
            deletionMarks: [
              ...old.deletionMarks,
              ...[...sources]
                .filter((ulid) => !old.deletionMarks.some((mark) => mark.ulid === ulid))
                .map((ulid) => ({ ulid, markedAtMs })),
            ],
          },
    signal,
  );
}

const compactedWords = 'compacted into ';
/** Every sample of the sources was deleted by tombstones. */
const emptiedDetails = 'compacted into nothing: every sample was deleted';

/** What the mark of a merged block says. */
export function compactedDetails(outputs: readonly Ulid[]): string {
  return compactedWords + outputs.join(', ');
}

/** The blocks that hold what a marked block does, as its mark says: they must be there when it goes. Undefined where it says no such thing. */
export function coverOf(details: string): string[] | undefined {
  if (!details.startsWith(compactedWords) || details === emptiedDetails) return undefined;
  return details.slice(compactedWords.length).split(', ');
}
