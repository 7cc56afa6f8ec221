import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../config/read-config.ts';
import { Failure } from '../errors/failure.ts';
import { kafkaKeys } from './config.ts';
import { KafkaTopic } from './topic.ts';

describe('the topic of the log', () => {
  it('a bucket that is away is not taken for Kafka, nor Kafka for a bucket', async () => {
    const told: string[] = [];
    const tell = (_fields: object, message: string): void => void told.push(message);
    let isBucketAway = true;
    const topic = new KafkaTopic({
      config: readConfig(kafkaKeys, { args: [], env: {} }, ''),
      // No broker is there.
      connection: { clientId: 'test', bootstrapBrokers: ['127.0.0.1:1'], retries: 0, retryDelay: 1 },
      knownId: async () => {
        if (isBucketAway) throw new Failure('unavailable', 'it does not answer');
        return undefined;
      },
      noteId: async (id) => id,
      noteName: 'metrics/note.json',
      log: { info: tell, warn: tell, error: tell },
    });
    for (let time = 0; time < 2; time++) await topic.look();
    assert.deepEqual(told, ['the bucket is away: the topic cannot be looked at']);
    assert.match(topic.problem ?? '', /^the id of the topic .* metrics\/note\.json, .*: it does not answer$/);
    isBucketAway = false;
    for (let time = 0; time < 2; time++) await topic.look();
    assert.deepEqual(told.slice(1), ['Kafka is away: the topic cannot be looked at']);
    assert.match(topic.problem ?? '', /^Kafka: topic maru-ingest cannot be looked at: /);
    await topic.stop();
  });
});
