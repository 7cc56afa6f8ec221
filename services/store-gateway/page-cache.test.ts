import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryReader, type RangeReader } from '../../libs/std/range-reader.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { cachedReader, countedReader, MemoryPageCache } from './page-cache.ts';

const { signal } = new AbortController();
const page = 16 << 10;
const object = Uint8Array.from({ length: 3_000_001 }, (_, i) => i ^ (i >> 8) ^ (i >> 16));

/** Ranges that rise and do not overlap, gaps of all sizes between them. */
function randomRanges(prng: Prng): { begin: number; end: number }[] {
  const ranges: { begin: number; end: number }[] = [];
  let at = prng.below(100_000);
  while (ranges.length < 40) {
    const end = at + 1 + prng.below(prng.below(3) === 0 ? 200_000 : 500);
    if (end > object.length) break;
    ranges.push({ begin: at, end });
    at = end + prng.below(prng.below(4) === 0 ? 900_000 : 3000);
  }
  return ranges;
}

describe('a reader through the cache', () => {
  it('gives what the object has, whatever is cached, planned or not', async () => {
    const prng = new Prng(1);
    for (let run = 0; run < 100; run++) {
      const cache = new MemoryPageCache(prng.below(3) === 0 ? 100_000 : 1 << 30);
      const counts = { requests: 0, bytes: 0, cachedBytes: 0 };
      const reader = cachedReader(countedReader(memoryReader('object', object), counts), cache, 'k', counts);
      for (let round = 0; round < 3; round++) {
        const ranges = randomRanges(prng);
        const source: RangeReader = prng.below(2) === 0 ? (reader.plan?.(ranges) ?? reader) : reader;
        const read = await Promise.all(ranges.map(({ begin, end }) => source.read(begin, end, signal)));
        for (const [i, { begin, end }] of ranges.entries()) {
          assert.ok(Buffer.from(object.buffer, begin, end - begin).equals(read[i] as Uint8Array), `run ${run}`);
        }
      }
    }
  });

  it('joins what is missing over small gaps, asks for nothing twice, and keeps no gaps', async () => {
    const cache = new MemoryPageCache(1 << 30);
    const counts = { requests: 0, bytes: 0, cachedBytes: 0 };
    const reader = cachedReader(countedReader(memoryReader('object', object), counts), cache, 'k', counts);
    const ranges = [
      { begin: 0, end: 10 },
      { begin: 30 * page, end: 30 * page + 10 },
      { begin: 100 * page, end: 100 * page + 10 },
    ];
    const plan = reader.plan?.(ranges) ?? reader;
    for (const { begin, end } of ranges) await plan.read(begin, end, signal);
    assert.equal(counts.requests, 2);
    assert.equal(counts.bytes, 32 * page);
    assert.equal(cache.bytes, 3 * page);
    const again = reader.plan?.(ranges) ?? reader;
    for (const { begin, end } of ranges) await again.read(begin, end, signal);
    assert.equal(counts.requests, 2);
    assert.equal(counts.cachedBytes, 30);
  });

  it('small ranges far apart keep no more of what was read for them than they are', async () => {
    const counts = { requests: 0, bytes: 0, cachedBytes: 0 };
    const far: RangeReader = { name: 'far', size: 1e9, read: async (begin, end) => new Uint8Array(end - begin) };
    const ranges = Array.from({ length: 1_000 }, (_, i) => ({ begin: i * 750_000, end: i * 750_000 + 300 }));
    const plan = cachedReader(far, new MemoryPageCache(1 << 20), 'k', counts).plan?.(ranges) ?? far;
    let held = 0;
    for (const { begin, end } of ranges) held += (await plan.read(begin, end, signal)).buffer.byteLength;
    assert.ok(held < 1 << 20, `${held} bytes are held for ${ranges.length * 300}`);
  });

  it('a failure of a request is told to each range that needs it, and the next plan asks again', async () => {
    let fails = true;
    const memory = memoryReader('object', object);
    const unsteady: RangeReader = {
      ...memory,
      read: (...args) => (fails ? Promise.reject(new Error('away')) : memory.read(...args)),
    };
    const counts = { requests: 0, bytes: 0, cachedBytes: 0 };
    const reader = cachedReader(countedReader(unsteady, counts), new MemoryPageCache(1 << 30), 'k', counts);
    const ranges = [
      { begin: 5, end: 10 },
      { begin: 3 * page, end: 3 * page + 10 },
    ];
    const plan = reader.plan?.(ranges) ?? reader;
    for (const { begin, end } of ranges) await assert.rejects(plan.read(begin, end, signal), /away/);
    fails = false;
    assert.equal((await reader.read(5, 10, signal)).length, 5);
    await assert.rejects(reader.read(0, object.length + 1, signal), RangeError);
  });
});
