import assert from 'node:assert/strict';
import { it } from 'node:test';
import { queryMemoryBytes, workerHeapMb } from './query-memory.ts';

const GiB = 1 << 30;

it('queries take a share of the memory that there is, and no more than they need', () => {
  for (const { usable, workers, heapMb, bytes } of [
    { usable: 64 * GiB, workers: 3, heapMb: 1024, bytes: GiB },
    { usable: 16 * GiB, workers: 21, heapMb: 390, bytes: GiB },
    { usable: 4 * GiB, workers: 3, heapMb: 682, bytes: GiB },
    { usable: 1 * GiB, workers: 3, heapMb: 170, bytes: GiB / 4 },
    { usable: GiB / 4, workers: 5, heapMb: 128, bytes: GiB / 16 },
  ]) {
    assert.equal(workerHeapMb(usable, workers), heapMb);
    assert.equal(queryMemoryBytes(usable), bytes);
  }
});
