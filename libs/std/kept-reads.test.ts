import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KeptReads } from './kept-reads.ts';
import { memoryReader, type RangeReader } from './range-reader.ts';

const { signal } = new AbortController();

/** A file of so many bytes, byte i of which is i modulo 256, that notes what is read of it. */
function noted(size: number): { reader: RangeReader; reads: string[] } {
  const file = memoryReader(
    'file',
    Uint8Array.from({ length: size }, (_, i) => i),
  );
  const reads: string[] = [];
  const read: RangeReader['read'] = (begin, end, stop, into) => {
    reads.push(`${begin}-${end}`);
    return file.read(begin, end, stop, into);
  };
  return { reader: { ...file, read }, reads };
}

it('what was read is not read again, of each file its own', async () => {
  const kept = new KeptReads(1 << 20);
  const files = [noted(1000), noted(2000)] as const;
  const readers = files.map(({ reader }) => kept.readerOf(reader));
  for (let round = 0; round < 2; round++) {
    for (const reader of readers) {
      assert.deepEqual([...(await reader.read(10, 13, signal))], [10, 11, 12]);
      assert.deepEqual([...(await reader.read(10, 12, signal))], [10, 11]);
    }
  }
  for (const { reads } of files) assert.deepEqual(reads, ['10-13', '10-12']);
  await assert.rejects(readers[0]?.read(990, 1001, signal) ?? Promise.resolve(), RangeError);
  await assert.rejects(readers[0]?.read(10, 13, AbortSignal.abort()) ?? Promise.resolve(), { name: 'AbortError' });
});

it('as much is kept as there is room for, and what was used last', async () => {
  const kept = new KeptReads(3 * 1300);
  const { reader, reads } = noted(10_000);
  const keeping = kept.readerOf(reader);
  const ask = (number: number) => keeping.read(number * 1000, number * 1000 + 1000, signal);
  for (const number of [0, 1, 2, 0, 3]) await ask(number);
  assert.deepEqual(reads.splice(0), ['0-1000', '1000-2000', '2000-3000', '3000-4000']);
  assert.ok(kept.bytes <= 3 * 1300);
  await ask(0);
  assert.deepEqual(reads, []);
  await ask(1);
  assert.deepEqual(reads, ['1000-2000']);
});

it('what is large, or read into memory of its reader, is not kept', async () => {
  const kept = new KeptReads(1 << 20);
  const { reader, reads } = noted(100_000);
  const keeping = kept.readerOf(reader);
  for (let round = 0; round < 2; round++) {
    await keeping.read(0, 70_000, signal);
    await keeping.read(0, 10, signal, new Uint8Array(10));
  }
  assert.equal(reads.length, 4);
  assert.equal(kept.bytes, 0);
});
