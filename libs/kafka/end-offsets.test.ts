import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LogOffsets } from './end-offsets.ts';

it('where the log ends is not asked of brokers that did not answer a moment ago', async () => {
  const view = { id: 'a', leaders: [1], batchBytesMax: 1000 };
  const topic = { name: 'log', problem: 'it is away' as string | undefined, check: () => view };
  // No broker is there.
  const offsets = new LogOffsets(
    { clientId: 'test', bootstrapBrokers: ['127.0.0.1:1'], retries: 0, retryDelay: 1 },
    topic,
  );
  const away = { kind: 'unavailable', message: /it is away/ };
  await assert.rejects(offsets.ends(), away);
  await assert.rejects(offsets.bounds(0), away);
  topic.problem = undefined;
  await assert.rejects(offsets.ends(), { kind: 'unavailable', message: /the offsets of the log cannot be had/ });
  await offsets.stop();
});
