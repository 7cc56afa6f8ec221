import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { LogProducer } from './produce.ts';
import type { TopicView } from './topic.ts';

/** A topic that is right until it is made anew. */
class FakeTopic {
  readonly name = 'log';
  problem: string | undefined;

  check(): TopicView {
    if (this.problem !== undefined) throw new Failure('unavailable', this.problem);
    return { id: 'a', leaders: [1], batchBytesMax: 1000 };
  }

  async look(): Promise<void> {}
}

describe('records into the log', () => {
  it('that wait when the topic is found to be another one are refused, and the process goes on', async () => {
    const topic = new FakeTopic();
    const producer = new LogProducer({
      // Nothing is sent: no broker is there.
      connection: { clientId: 'test', bootstrapBrokers: ['127.0.0.1:1'], retries: 0, retryDelay: 1 },
      topic,
      compression: 'none',
    });
    const record = { key: Buffer.from('tenant'), value: Buffer.from('value') };
    for (let round = 0; round < 2; round++) {
      const appended = [producer.append(0, record), producer.append(0, record)];
      topic.problem = 'topic log was made anew';
      for (const one of appended)
        await assert.rejects(one, { kind: 'unavailable', message: 'topic log was made anew' });
      topic.problem = undefined;
    }
    await producer.stop();
  });
});
