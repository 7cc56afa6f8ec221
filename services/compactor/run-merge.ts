/**
 * A merge in a thread of its own. Owns the thread: it is ended with its job, or when the job is stopped.
 */
import { Worker } from 'node:worker_threads';
import { Failure } from '../../libs/errors/failure.ts';
import type { MergeCounts } from '../../libs/tsdb/block/merge-blocks.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';

/** What the thread is told. */
export interface MergeOrder {
  /** Folders of blocks. */
  readonly sourceDirectories: readonly string[];
  readonly outputDirectory: string;
  readonly outputs: readonly Ulid[];
}

export type MergeAnswer =
  | { readonly kind: 'progress'; readonly series: number; readonly samples: number }
  | { readonly kind: 'done'; readonly outputs: readonly Ulid[]; readonly counts: MergeCounts }
  | { readonly kind: 'failed'; readonly reason: string; readonly corrupt: Ulid | undefined };

/** A merge that failed for what is in its sources, or for the disk. */
export class MergeFailure extends Failure {
  /** The source that is damaged, where one is. */
  readonly corrupt: Ulid | undefined;

  constructor(reason: string, corrupt: Ulid | undefined) {
    super('internal', reason);
    this.corrupt = corrupt;
  }
}

/** The heap of the thread: what a merge holds lies outside of it. */
const heapMb = 512;
const workerUrl = new URL('./merge-worker.ts', import.meta.url);

/**
 * Merges and verifies.
 * @returns the outputs that are there: none for a shard without series
 * @throws MergeFailure
 */
export async function runMerge(
  order: MergeOrder,
  onProgress: (series: number, samples: number) => void,
  signal: AbortSignal,
): Promise<{ outputs: readonly Ulid[]; counts: MergeCounts }> {
  signal.throwIfAborted();
  const worker = new Worker(workerUrl, { workerData: order, resourceLimits: { maxOldGenerationSizeMb: heapMb } });
  const stop = () => void worker.terminate();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      worker.on('message', (answer: MergeAnswer) => {
        if (answer.kind === 'progress') onProgress(answer.series, answer.samples);
        else if (answer.kind === 'done') resolve(answer);
        else reject(new MergeFailure(answer.reason, answer.corrupt));
      });
      worker.once('error', (error) =>
        reject(new MergeFailure(`the thread of a merge broke: ${error.message}`, undefined)),
      );
      worker.once('exit', (code) =>
        reject(
          signal.aborted ? signal.reason : new MergeFailure(`the thread of a merge ended with ${code}`, undefined),
        ),
      );
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
