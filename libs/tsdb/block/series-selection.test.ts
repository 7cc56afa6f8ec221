import assert from 'node:assert/strict';
import { it } from 'node:test';
import { viewOf } from '../../model/encoding/bytes.ts';
import { crc32c } from '../../model/encoding/crc32c.ts';
import { memoryReader } from '../../std/range-reader.ts';
import type { IndexLookup } from './index-lookup.ts';
import { selectSeries } from './series-selection.ts';

it('labels of many series become texts in turns: others are heard meanwhile', async () => {
  const seriesCount = 500;
  const entryBytes = 32;
  const file = new Uint8Array(entryBytes * (seriesCount + 1));
  const symbols = Array.from({ length: 20 }, (_, symbol) => symbol);
  for (let i = 1; i <= seriesCount; i++) {
    const at = i * entryBytes;
    // Ten labels, and a chunk from 0 to 0 at 8.
    file.set([25, 10, ...symbols, 1, 0, 0, 8], at);
    viewOf(file).setUint32(at + 26, crc32c(file, at + 1, at + 26));
  }
  const stop = new AbortController();
  const toc = { symbols: 5, series: entryBytes, labelIndices: file.length, postings: file.length };
  const lookup = {
    index: { toc },
    symbolText: (symbol: number) => {
      setImmediate(() => stop.abort(new Error('heard')));
      for (const begin = performance.now(); performance.now() - begin < 1; );
      return String(symbol);
    },
  } as unknown as IndexLookup;
  const places = Uint32Array.from({ length: seriesCount }, (_, i) => (i + 1) * 2);
  const reader = memoryReader('index', file);
  await assert.rejects(selectSeries(lookup, reader, places, 0, 1, seriesCount, 1024, stop.signal), /heard/);
});
