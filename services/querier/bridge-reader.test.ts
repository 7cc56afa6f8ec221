import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import type { ChunkBatch } from '../../libs/series/series-source.ts';
import { spareMemory } from '../../libs/std/spare-memory.ts';
import { BridgeReader } from './bridge-reader.ts';
import { controlWords, type ReadReply } from './worker-protocol.ts';

const seriesCount = 64;
const chunkBytes = 100;

/** A chunk a series. */
function batchOf(firstSeries: number, count: number): ChunkBatch {
  const each = (_: unknown, i: number): number => i;
  return {
    firstSeries,
    chunkBegin: Uint32Array.from({ length: count + 1 }, each),
    encoding: new Uint8Array(count).fill(1),
    minT: new Float64Array(count),
    maxT: new Float64Array(count).fill(1),
    byteBegin: Uint32Array.from({ length: count + 1 }, (_, i) => i * chunkBytes),
    bytes: new Uint8Array(count * chunkBytes).fill(firstSeries + 1),
  };
}

it('memory that the chunks of a selection lay in serves the next one once all was read, and not before', () => {
  const { port1, port2 } = new MessageChannel();
  const reader = new BridgeReader(port2, new Int32Array(new SharedArrayBuffer(controlWords * 4)), 1, []);
  // One half of the series comes from each of two sources.
  const half = seriesCount / 2;
  const parts = [0, 1].map(() => ({ isSorted: true, located: undefined, whole: batchOf(0, half) }));
  const selected: ReadReply = {
    kind: 'selected',
    job: 1,
    selection: 0,
    strings: ['i', ...Array.from({ length: seriesCount }, (_, i) => `${i}`)],
    begin: Uint32Array.from({ length: seriesCount + 1 }, (_, i) => i * 2),
    refs: Uint32Array.from({ length: seriesCount * 2 }, (_, i) => (i % 2 === 0 ? 0 : 1 + (i >> 1))),
    setOf: undefined,
    warnings: [],
    costs: undefined,
    parts,
    table: {
      partBegin: Uint32Array.from({ length: seriesCount + 1 }, (_, i) => i),
      partSource: Uint32Array.from({ length: seriesCount }, (_, i) => (i < half ? 0 : 1)),
      partSeries: Uint32Array.from({ length: seriesCount }, (_, i) => i % half),
    },
  };
  port1.postMessage(selected);
  const selection = reader.select({ matchers: [], minT: 0, maxT: 1 });
  const batch = selection.next();
  assert.ok(batch !== undefined);
  const { buffer } = batch.bytes;
  assert.equal(batch.chunkBegin.length - 1, seriesCount);
  assert.notEqual(spareMemory.take(1, 1 << 20).buffer, buffer, 'somebody looks at it');
  selection.release?.(batch);
  assert.equal(spareMemory.take(1, 1 << 20).buffer, buffer);
  selection.close();
  assert.equal(spareMemory.take(1, 1 << 20).length, 1, 'it is not given twice');
  port1.close();
});
