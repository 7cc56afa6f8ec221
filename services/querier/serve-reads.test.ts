import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import { MemorySource } from './memory-source.testing.ts';
import { ReadServer } from './serve-reads.ts';
import { controlWords, type ReadRequest } from './worker-protocol.ts';

const { signal } = new AbortController();
const series = Array.from({ length: 300 }, (_, i) => ({
  labels: { __name__: 'm', i: String(i) },
  samples: [[1, 1] as const],
}));

/** Batches that are made of each of so many sources before the worker has taken one. */
async function batchesAheadOf(count: number): Promise<number[]> {
  const sources = Array.from({ length: count }, () => Object.assign(new MemorySource(series), { batchSize: 10 }));
  const { port1, port2 } = new MessageChannel();
  const server = new ReadServer(port1, new Int32Array(new SharedArrayBuffer(controlWords * 4)));
  let replies = 0;
  port2.on('message', () => replies++);
  server.begin(1, mergeSources(sources), signal);
  const query = { matchers: [], minT: 0, maxT: 1e12 };
  port2.postMessage({ kind: 'select', job: 1, selection: 0, query } satisfies ReadRequest);
  for (let before = -1; before !== replies || replies === 0; ) {
    before = replies;
    for (let i = 0; i < 20; i++) await turn();
  }
  server.close();
  port2.close();
  return sources.map(({ batchesGiven }) => batchesGiven);
}

describe('reads for a worker', () => {
  it('go ahead in each of few parts by more than in each of many', async () => {
    assert.deepEqual(await batchesAheadOf(1), [8]);
    assert.deepEqual(await batchesAheadOf(20), new Array(20).fill(6));
    assert.deepEqual(await batchesAheadOf(200), new Array(200).fill(1));
  });
});
