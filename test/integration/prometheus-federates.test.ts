/**
 * A real Prometheus 3.15 scrapes /federate of Maru, over protobuf as it does where it takes native histograms, and then has the
 * newest samples as they were sent.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEachCarrier } from '../support/carriers.ts';
import { compareAnswers } from '../support/compare-answers.ts';
import { skipWithout } from '../support/find-server.ts';
import { push } from '../support/push-client.ts';
import { ask, queryAt } from '../support/query-client.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { staleMarker } from '../support/remote-write-messages.ts';
import type { Maru } from '../support/start-maru.ts';
import type { PrometheusServer } from '../support/start-prometheus.ts';
import { startPrometheus } from '../support/start-prometheus.ts';
import { waitFor } from '../support/wait-until.ts';

const tenant = 'federate';
const now = Math.floor(Date.now() / 1000) - 2;
const t = now * 1000;
const common = [['job', 'sent']] as const;
const spans = { positiveSpans: [[0, 2]] as const, positive: [3, 1] };

const series: readonly SentSeries[] = [
  { labels: [['__name__', 'fed_float'], ...common], samples: [{ t, v: 1e-7 }] },
  { labels: [['__name__', 'fed_float'], ['a_b', '"\\\n'], ['instance', 'own'], ...common], samples: [{ t, v: -0 }] },
  { labels: [['__name__', 'fed_nan'], ...common], samples: [{ t, v: Number.NaN }] },
  { labels: [['__name__', 'fed.dotted'], ...common], samples: [{ t, v: Number.POSITIVE_INFINITY }] },
  { labels: [['__name__', 'fed_stale'], ...common], samples: [{ t, v: staleMarker }] },
  {
    labels: [['__name__', 'fed_integers'], ...common],
    histograms: [{ t, kind: 'integer', count: 7, sum: 2.5, schema: 3, zeroThreshold: 1e-3, zeroCount: 0, ...spans }],
  },
  {
    labels: [['__name__', 'fed_gauge'], ...common],
    histograms: [
      {
        t,
        kind: 'float',
        count: 9,
        sum: -1,
        schema: 0,
        negativeSpans: [[2, 1]],
        negative: [5],
        ...spans,
        resetHint: 3,
      },
    ],
  },
  {
    labels: [['__name__', 'fed_customs'], ...common],
    histograms: [{ t, kind: 'integer', count: 7, sum: 2.5, schema: -53, customValues: [1, 2, 5], ...spans }],
  },
];

const options = { skip: skipWithout('prometheus'), timeout: 120_000 };

describeEachCarrier('a Prometheus 3.15 that federates from Maru', options, (startMaru) => {
  let maru: Maru;
  let prometheus: PrometheusServer;

  before(async () => {
    maru = await startMaru();
    const sorted = series.map((one) => ({ ...one, labels: [...one.labels].sort(([a], [b]) => (a < b ? -1 : 1)) }));
    const { status, text } = await push(maru.baseUrl, sorted, { protocol: 'v1', tenant });
    assert.equal(status, 204, text);
    prometheus = await startPrometheus({
      version: 3,
      scrape: {},
      federate: { address: new URL(maru.queryUrl).host, path: '/prometheus/federate', match: '{job="sent"}', tenant },
    });
    await waitFor('a scrape that succeeded', async () => {
      const { result } = await queryAt({ baseUrl: prometheus.baseUrl }, 'up{job="federate"} == 1', Date.now() / 1000);
      return result.length > 0 ? true : undefined;
    });
  });
  after(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await maru?.[Symbol.asyncDispose]();
  });

  for (const query of ['fed_float', 'fed_nan', 'fed_integers', 'fed_gauge', 'fed_stale']) {
    it(`has ${query}`, async () => {
      const parameters = { query: `${query}[5m]`, time: now };
      const sent = await ask({ baseUrl: maru.queryUrl, tenant }, 'query', parameters);
      const found = await ask({ baseUrl: prometheus.baseUrl }, 'query', parameters);
      if (query === 'fed_stale') assert.deepEqual((found.data as { result: unknown[] }).result, []);
      else assert.deepEqual(compareAnswers(sent, found, 'bits'), []);
    });
  }

  it('has names that are not of the old letters with underscores: that is how Prometheus asks over protobuf', async () => {
    const { result } = await queryAt({ baseUrl: prometheus.baseUrl }, 'fed_dotted', now);
    assert.deepEqual(result, [{ metric: { __name__: 'fed_dotted', job: 'sent' }, value: [now, '+Inf'] }]);
  });

  it('has histograms with bounds of their own as classic ones', async () => {
    const parameters = { query: '{__name__=~"fed_customs_.*"}', time: now };
    const found = await ask({ baseUrl: prometheus.baseUrl }, 'query', parameters);
    const { result } = found.data as { result: { metric: Record<string, string>; value: [number, string] }[] };
    const texts = result.map(({ metric, value }) => `${metric.__name__} ${metric.le ?? ''} ${value[1]}`);
    assert.deepEqual(texts.sort(), [
      'fed_customs_bucket +Inf 7',
      'fed_customs_bucket 1.0 3',
      'fed_customs_bucket 2.0 7',
      'fed_customs_bucket 5.0 7',
      'fed_customs_count  7',
      'fed_customs_sum  2.5',
    ]);
  });
});
