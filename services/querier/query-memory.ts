/** What queries may take of the memory that the process may use, where no setting says it: each a share, and no more than it needs. */

const MiB = 1 << 20;
/** With 64 an expression of a megabyte ends the worker before it is refused. */
const workerHeapMbMin = 128;
const workerHeapMbMax = 1024;

/** Samples of one query: columns, which lie outside of any heap. */
export function queryMemoryBytes(usableBytes: number): number {
  return Math.min(usableBytes / 4, 1024 * MiB);
}

/** JavaScript objects of the query in one of so many workers: all of them together half of the memory. */
export function workerHeapMb(usableBytes: number, workers: number): number {
  const share = Math.floor(usableBytes / 2 / workers / MiB);
  return Math.max(workerHeapMbMin, Math.min(workerHeapMbMax, share));
}
