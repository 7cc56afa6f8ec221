import assert from 'node:assert/strict';
import { it } from 'node:test';
import { queryMemoryBytes, workerHeapMb, workersFor } from './query-memory.ts';

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

it('no more queries evaluate at once than there are cores, nor than the memory has room for', () => {
  for (const { usable, bytes, asked = 20, cores, workers } of [
    { usable: 64 * GiB, bytes: GiB, cores: 8, workers: 8 },
    { usable: 64 * GiB, bytes: GiB, cores: 64, workers: 20 },
    { usable: 64 * GiB, bytes: GiB, cores: 64, asked: 1, workers: 1 },
    { usable: 64 * GiB, bytes: GiB, cores: 1, workers: 2 },
    { usable: 16 * GiB, bytes: GiB, cores: 64, workers: 11 },
    { usable: 2 * GiB, bytes: GiB / 2, cores: 8, workers: 2 },
    { usable: 2 * GiB, bytes: GiB / 8, cores: 8, workers: 8 },
    { usable: 2 * GiB, bytes: 4 * GiB, cores: 8, workers: 2 },
  ]) {
    assert.equal(workersFor(usable, bytes, { asked, cores, spares: 1 }), workers);
  }
});
