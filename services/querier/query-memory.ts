/** What queries may take of the memory that the process may use, where no setting says it: each a share, and no more than it needs. */

const MiB = 1 << 20;
/** With 64 an expression of a megabyte ends the worker before it is refused. */
const workerHeapMbMin = 128;
const workerHeapMbMax = 1024;
/** Fewer would let one long query hold up all others. */
const workersMin = 2;
/** Samples of all queries together. */
const queriesPartOfMemory = 3 / 4;

/** Samples of one query: columns, which lie outside of any heap. */
export function queryMemoryBytes(usableBytes: number): number {
  return Math.min(usableBytes / 4, 1024 * MiB);
}

/** How many queries evaluate at once. */
export interface Concurrency {
  /** As somebody set it. */
  readonly asked: number;
  readonly cores: number;
  /** Beside those, for tenants of whom none runs. */
  readonly spares: number;
}

/** No more than there are cores, nor than the memory has room for where each takes all it may; but two at least. */
export function workersFor(usableBytes: number, queryBytesMax: number, { asked, cores, spares }: Concurrency): number {
  const held = Math.floor((usableBytes * queriesPartOfMemory) / queryBytesMax) - spares;
  return Math.min(asked, Math.max(workersMin, Math.min(cores, held)));
}

/** JavaScript objects of the query in one of so many workers: all of them together half of the memory. */
export function workerHeapMb(usableBytes: number, workers: number): number {
  const share = Math.floor(usableBytes / 2 / workers / MiB);
  return Math.max(workerHeapMbMin, Math.min(workerHeapMbMax, share));
}
