/**
 * What Grafana's Prometheus data source asks, in its order and with its headers, when a data source is saved, a dashboard is
 * opened and a query is built: every call has the answer that Grafana goes on with. Read from Grafana's own source
 * (packages/grafana-prometheus, pkg/promlib).
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEachCarrier } from '../support/carriers.ts';
import { push } from '../support/push-client.ts';
import type { Maru } from '../support/start-maru.ts';

const tenant = 'grafana';
const now = Math.floor(Date.now() / 1000) - 20;
const formType = 'application/x-www-form-urlencoded';

interface Envelope {
  readonly status: string;
  readonly data: unknown;
}

describeEachCarrier("Grafana's Prometheus data source", { timeout: 60_000 }, (startMaru) => {
  let maru: Maru;

  before(async () => {
    maru = await startMaru();
    const series = ['a', 'b'].flatMap((instance) =>
      ['200', '500'].map((code, c) => ({
        labels: [
          ['__name__', 'http_requests_total'],
          ['code', code],
          ['instance', instance],
          ['job', 'shop'],
        ] as const,
        samples: Array.from({ length: 40 }, (_, i) => ({ t: (now - 600 + i * 15) * 1000, v: i * (c + 1) })),
        exemplars: [{ labels: [['trace_id', `t-${instance}-${code}`]] as const, t: (now - 30) * 1000, v: 1 }],
        metadata: { type: 1, help: 'Requests so far.', unit: '' },
      })),
    );
    const { status, text } = await push(maru.baseUrl, series, { protocol: 'v2', tenant });
    assert.equal(status, 204, text);
  });
  after(() => maru?.[Symbol.asyncDispose]());

  /** As Grafana's backend sends it: GET with a query string, or POST with a form. */
  async function ask(method: 'GET' | 'POST', path: string, parameters: readonly (readonly [string, string])[] = []) {
    const form = new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value]));
    const url = `${maru.queryUrl}/api/v1/${path}${method === 'GET' && parameters.length > 0 ? `?${form}` : ''}`;
    const answer = await fetch(url, {
      method,
      headers: {
        'x-scope-orgid': tenant,
        'user-agent': 'Grafana/12.3.0',
        'accept-encoding': 'gzip',
        'x-dashboard-uid': 'shop',
        'x-panel-id': '2',
        'x-grafana-org-id': '1',
        ...(method === 'POST' ? { 'content-type': formType } : {}),
      },
      ...(method === 'POST' ? { body: form.toString() } : {}),
    });
    assert.equal(answer.status, 200, `${method} ${path}`);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(answer.headers.get('content-encoding'), 'gzip');
    const envelope = (await answer.json()) as Envelope;
    assert.equal(envelope.status, 'success');
    return envelope.data;
  }

  const range = [
    ['start', String(now - 600)],
    ['end', String(now)],
  ] as const;
  const selector = ['match[]', 'http_requests_total{job="shop"}'] as const;

  it('saves: which server is it, and does it evaluate', async () => {
    const info = (await ask('GET', 'status/buildinfo')) as { version: string; application: string; features: object };
    assert.match(info.version, /^3\.15/);
    // Grafana takes a server without these for a plain Prometheus, and one with them for Mimir.
    assert.ok('ruler_config_api' in info.features);
    const sum = await ask('POST', 'query', [
      ['query', '1+1'],
      ['time', '4'],
    ]);
    assert.deepEqual(sum, { resultType: 'scalar', result: [4, '2'] });
  });

  it('opens a dashboard: variables, panels, exemplars, annotations', async () => {
    assert.deepEqual(await ask('GET', 'label/instance/values', [...range, selector, ['limit', '40000']]), ['a', 'b']);
    const panel = (await ask('POST', 'query_range', [
      ['query', 'sum by (code) (rate(http_requests_total{job="shop",instance=~"a|b"}[1m0s]))'],
      ...range,
      ['step', '15'],
      ['timeout', '60s'],
    ])) as { resultType: string; result: { metric: object; values: unknown[] }[] };
    assert.deepEqual(
      [panel.resultType, panel.result.map(({ metric }) => metric)],
      ['matrix', [{ code: '200' }, { code: '500' }]],
    );
    assert.ok((panel.result[0]?.values.length ?? 0) > 30);
    const table = (await ask('POST', 'query', [
      ['query', 'topk(1, http_requests_total)'],
      ['time', String(now - 30)],
    ])) as { result: unknown[] };
    assert.equal(table.result.length, 1);
    const exemplars = (await ask('POST', 'query_exemplars', [
      ['query', 'sum by (code) (rate(http_requests_total{code="500"}[1m0s]))'],
      ...range,
    ])) as { exemplars: { labels: Record<string, string> }[] }[];
    assert.deepEqual(exemplars.map(({ exemplars: [first] }) => first?.labels.trace_id).sort(), ['t-a-500', 't-b-500']);
  });

  it('builds a query: metrics, their metadata, labels, values, layout', async () => {
    const names = await ask('GET', 'label/__name__/values', [...range, ['limit', '40000']]);
    assert.deepEqual(names, ['http_requests_total']);
    assert.deepEqual(await ask('GET', 'metadata', [['limit', '40000']]), {
      http_requests_total: [{ type: 'counter', unit: '', help: 'Requests so far.' }],
    });
    const labels = ['__name__', 'code', 'instance', 'job'];
    for (const method of ['POST', 'GET'] as const) {
      assert.deepEqual(await ask(method, 'labels', [...range, selector, ['limit', '40000']]), labels);
      const series = (await ask(method, 'series', [...range, selector, ['limit', '40000']])) as unknown[];
      assert.equal(series.length, 4);
    }
    const layout = await ask('POST', 'format_query', [['query', 'sum(rate(http_requests_total[1m]))/2']]);
    assert.equal(layout, 'sum(rate(http_requests_total[1m])) / 2');
    assert.deepEqual(await ask('GET', 'rules'), { groups: [] });
    assert.deepEqual(await ask('GET', 'alerts'), { alerts: [] });
  });

  it('shows the words of an error', async () => {
    const answer = await fetch(`${maru.queryUrl}/api/v1/query_range`, {
      method: 'POST',
      headers: { 'x-scope-orgid': tenant, 'content-type': formType },
      body: new URLSearchParams({ ...Object.fromEntries(range), query: 'rate(http_requests_total)', step: '15' }),
    });
    assert.equal(answer.status, 400);
    const { errorType, error } = (await answer.json()) as { errorType: string; error: string };
    assert.equal(errorType, 'bad_data');
    assert.match(error, /expected type range vector in call to function "rate", got instant vector/);
  });
});
