/**
 * Writes through a real Kafka, as real processes: what is acknowledged is seen by the next read, whoever is killed meanwhile.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { skipWithout } from '../support/find-server.ts';
import { push } from '../support/push-client.ts';
import { type KafkaBroker, startKafka } from '../support/start-kafka.ts';
import { startMaru } from '../support/start-maru.ts';

describe('one process behind Kafka', { timeout: 240_000, skip: skipWithout('kafka') }, () => {
  let kafka: KafkaBroker;
  before(async () => {
    kafka = await startKafka();
  });
  after(() => kafka?.[Symbol.asyncDispose]());

  it('answers what it acknowledged', async () => {
    await using maru = await startMaru({
      args: [
        '--ingest.log=kafka',
        `--kafka.brokers=${kafka.address}`,
        '--kafka.partitions=1',
        '--self-metrics.tenant=none',
      ],
    });
    const t = Date.now() - 60_000;
    for (let i = 0; i < 20; i++) {
      const { status, text } = await push(
        maru.baseUrl,
        [
          {
            labels: [
              ['__name__', 'm'],
              ['series', `s${i % 3}`],
            ],
            samples: [{ t: t + i * 1000, v: i }],
          },
        ],
        { protocol: 'v2' },
      );
      assert.equal(status, 204, text);
      const answer = await fetch(
        `${maru.queryUrl}/api/v1/query?query=m{series="s${i % 3}"}&time=${(t + i * 1000) / 1000}`,
      );
      const { data, warnings } = (await answer.json()) as {
        data: { result: { value: [number, string] }[] };
        warnings?: string[];
      };
      assert.equal(warnings, undefined);
      assert.equal(data.result[0]?.value[1], String(i));
    }
  });
});
