/**
 * The thread that merges: one at a time, kept from job to job, because to start it costs as much as a small job.
 * Owns the thread's life. It is ended by a job that is stopped or breaks it, and the next job has a new one.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Failure } from '../../libs/errors/failure.ts';
import { assert } from '../../libs/std/assert.ts';
import type { MergeCounts } from '../../libs/tsdb/block/merge-blocks.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';

/** What the thread is told. */
export interface MergeOrder {
  /** Folders of blocks. */
  readonly sourceDirectories: readonly string[];
  readonly outputDirectory: string;
  readonly outputs: readonly Ulid[];
}

/** What it answers; `ready` once, when it has started. */
export type MergeAnswer =
  | { readonly kind: 'ready' }
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

export class MergeThread implements AsyncDisposable {
  #worker: Worker | undefined;
  #isBusy = false;

  /** Starts the thread, where it does not run. */
  async start(): Promise<void> {
    if (this.#worker !== undefined) return;
    const worker = new Worker(workerUrl, { resourceLimits: { maxOldGenerationSizeMb: heapMb } });
    this.#worker = worker;
    worker.unref();
    await once(worker, 'message');
  }

  /**
   * Merges and verifies.
   * @returns the outputs that are there: none for a shard without series
   * @throws MergeFailure
   */
  async run(
    order: MergeOrder,
    onProgress: (series: number, samples: number) => void,
    signal: AbortSignal,
  ): Promise<{ outputs: readonly Ulid[]; counts: MergeCounts }> {
    signal.throwIfAborted();
    assert(!this.#isBusy, 'one merge at a time');
    this.#isBusy = true;
    try {
      await this.start();
      const worker = this.#worker;
      assert(worker !== undefined, 'the thread runs');
      return await speak(worker, order, onProgress, signal);
    } catch (error) {
      // A merge that failed and said so leaves the thread as it was.
      if (!(error instanceof MergeFailure)) await this[Symbol.asyncDispose]();
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }

  /** Ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}

async function speak(
  worker: Worker,
  order: MergeOrder,
  onProgress: (series: number, samples: number) => void,
  signal: AbortSignal,
): Promise<{ outputs: readonly Ulid[]; counts: MergeCounts }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ outputs: readonly Ulid[]; counts: MergeCounts }>();
  const onMessage = (answer: MergeAnswer): void => {
    if (answer.kind === 'progress') onProgress(answer.series, answer.samples);
    else if (answer.kind === 'done') resolve(answer);
    else if (answer.kind === 'failed') reject(new MergeFailure(answer.reason, answer.corrupt));
  };
  const onError = (error: Error): void =>
    reject(new Failure('internal', `the thread of a merge broke: ${error.message}`));
  const onExit = (code: number): void => reject(new Failure('internal', `the thread of a merge ended with ${code}`));
  const onAbort = (): void => reject(signal.reason);
  worker.ref();
  worker.on('message', onMessage);
  worker.once('error', onError);
  worker.once('exit', onExit);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    worker.postMessage(order);
    return await promise;
  } finally {
    worker.unref();
    worker.off('message', onMessage);
    worker.off('error', onError);
    worker.off('exit', onExit);
    signal.removeEventListener('abort', onAbort);
  }
}
