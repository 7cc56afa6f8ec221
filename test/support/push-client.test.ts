/**
 * Proves the tests' own sender against a real Prometheus: what it writes in both protocols, Prometheus stores.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { skipWithout } from './find-server.ts';
import type { Protocol } from './push-client.ts';
import { push } from './push-client.ts';
import { ask, queryAt } from './query-client.ts';
import { staleMarker } from './remote-write-messages.ts';
import type { PrometheusServer } from './start-prometheus.ts';
import { startPrometheus } from './start-prometheus.ts';

describe('the sender of the tests, into a real Prometheus', { skip: skipWithout('prometheus') }, () => {
  let prometheus: PrometheusServer;
  before(async () => {
    prometheus = await startPrometheus({ version: 3, scrape: {} });
  });
  after(() => prometheus?.[Symbol.asyncDispose]());

  for (const protocol of ['v1', 'v2'] satisfies Protocol[]) {
    it(`is understood in ${protocol}`, async () => {
      const now = Math.floor(Date.now() / 1000) * 1000;
      const name = `sent_${protocol}`;
      const trace = [['trace_id', 'abc']] as const;
      const answer = await push(
        prometheus.baseUrl,
        [
          {
            labels: [
              ['__name__', name],
              ['a', 'b'],
              ['emoji', '🌊'],
            ],
            samples: [
              { t: now - 2000, v: 1.5 },
              { t: now - 1000, v: 0 },
              { t: now, v: staleMarker },
            ],
            exemplars: [{ labels: trace, t: now - 2000, v: 0.25 }],
          },
          {
            labels: [['__name__', `${name}_integers`]],
            histograms: [
              {
                t: now,
                kind: 'integer',
                count: 6,
                sum: 12.5,
                schema: 0,
                zeroThreshold: 0.001,
                zeroCount: 1,
                positiveSpans: [
                  [0, 2],
                  [1, 1],
                ],
                positive: [1, 1, 0],
              },
            ],
          },
          {
            labels: [['__name__', `${name}_floats`]],
            histograms: [
              { t: now, kind: 'float', count: 3.5, sum: 4, schema: 3, positiveSpans: [[-2, 1]], positive: [3.5] },
            ],
          },
        ],
        { protocol, path: '/api/v1/write' },
      );
      assert.equal(answer.status, 204, answer.text);
      if (protocol === 'v2') assert.deepEqual(answer.written, { samples: 3, histograms: 2, exemplars: 1 });

      const raw = await queryAt(prometheus, `${name}[1m]`, now / 1000);
      assert.deepEqual(raw.result, [
        {
          metric: { __name__: name, a: 'b', emoji: '🌊' },
          values: [
            [now / 1000 - 2, '1.5'],
            [now / 1000 - 1, '0'],
          ],
        },
      ]);
      assert.deepEqual((await queryAt(prometheus, name, now / 1000)).result, [], 'the marker makes it stale');
      const integers = await queryAt(prometheus, `${name}_integers`, now / 1000);
      assert.deepEqual(integers.result[0].histogram?.[1], {
        count: '6',
        sum: '12.5',
        buckets: [
          [3, '-0.001', '0.001', '1'],
          [0, '0.5', '1', '1'],
          [0, '1', '2', '2'],
          [0, '4', '8', '2'],
        ],
      });
      const floats = await queryAt(prometheus, `histogram_count(${name}_floats)`, now / 1000);
      assert.equal(floats.result[0].value?.[1], '3.5');
      const exemplars = await ask(prometheus, 'query_exemplars', {
        query: name,
        start: now / 1000 - 60,
        end: now / 1000,
      });
      assert.match(JSON.stringify(exemplars.data), /"trace_id":"abc"/);
    });
  }
});
