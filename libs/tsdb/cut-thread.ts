/**
 * The main thread's end of the thread that writes ranges to blocks: starts it, feeds it, ends it when nothing is to be written.
 * Owns the worker's life and how far the feed is ahead of it. Goes to cut-worker.ts.
 */
import { Worker } from 'node:worker_threads';
import type { BlockMeta } from './block/meta.ts';
import { type CutReply, type CutRequest, piecesAheadMax } from './cut-protocol.ts';
import type { RangeFeed } from './range-feed.ts';
import type { WriteRangeOptions } from './write-range.ts';

/** The memory of the thread is given back when there was nothing to be written for so long. */
const idleMs = 10_000;

export class CutThread {
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** Writes a range; one at a time. @throws what went wrong; an error of the disk keeps its code */
  async write(feed: RangeFeed, options: Omit<WriteRangeOptions, 'disk'>, signal: AbortSignal): Promise<BlockMeta> {
    signal.throwIfAborted();
    clearTimeout(this.#idle);
    this.#worker ??= new Worker(new URL('./cut-worker.ts', import.meta.url));
    const worker = this.#worker;
    worker.ref();
    const { promise, resolve, reject } = Promise.withResolvers<BlockMeta>();
    let pieces: AsyncIterator<CutRequest> | undefined;
    let credit = 0;
    let sending = false;
    const send = async () => {
      if (sending || pieces === undefined) return;
      sending = true;
      for (; credit > 0 && pieces !== undefined; credit--) {
        const { done, value } = await pieces.next();
        if (done === true) pieces = undefined;
        else worker.postMessage(value, transferOf(value));
      }
      sending = false;
    };
    const begin = (next: AsyncIterable<CutRequest>) => {
      pieces = next[Symbol.asyncIterator]();
      credit = piecesAheadMax;
      send().catch(reject);
    };
    const onMessage = (reply: CutReply) => {
      switch (reply.kind) {
        case 'wantLabels':
          return begin(requestsOf(feed.labels(), (slice) => ({ kind: 'labels', slice })));
        case 'wantChunks':
          return begin(requestsOf(feed.chunks(reply.places), (batch) => ({ kind: 'chunks', batch })));
        case 'more':
          credit++;
          send().catch(reject);
          return;
        case 'written':
          return resolve(reply.meta);
        case 'failed':
          reject(Object.assign(new Error(reply.message), reply.code === undefined ? {} : { code: reply.code }));
      }
    };
    const onExit = (code: number) => reject(new Error(`the thread that writes blocks has ended with code ${code}`));
    const onAbort = () => reject(signal.reason);
    worker.on('message', onMessage);
    worker.on('error', reject);
    worker.on('exit', onExit);
    signal.addEventListener('abort', onAbort);
    let isWhole = false;
    try {
      const { directory, ulid, cutFrom, withStartTimes } = options;
      worker.postMessage({ kind: 'write', directory, ulid, cutFrom, withStartTimes } satisfies CutRequest);
      const meta = await promise;
      isWhole = true;
      return meta;
    } finally {
      worker.off('message', onMessage);
      worker.off('error', reject);
      worker.off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
      pieces = undefined;
      worker.unref();
      // One that failed in the middle may still be at it: the next range gets another.
      if (!isWhole) await this.close();
      else this.#idle = setTimeout(() => void this.close(), idleMs).unref();
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}

async function* requestsOf<T>(
  pieces: AsyncIterable<T>,
  request: (piece: T | undefined) => CutRequest,
): AsyncGenerator<CutRequest> {
  for await (const piece of pieces) yield request(piece);
  yield request(undefined);
}

/** Columns that are the whole of their memory change hands without a copy. */
function transferOf(request: CutRequest): ArrayBuffer[] {
  if (request.kind === 'write') return [];
  const piece = request.kind === 'labels' ? request.slice : request.batch;
  const buffers = new Set<ArrayBuffer>();
  for (const column of Object.values(piece ?? {})) {
    if (ArrayBuffer.isView(column) && column.byteLength > 0 && column.buffer instanceof ArrayBuffer)
      buffers.add(column.buffer);
  }
  return [...buffers];
}
