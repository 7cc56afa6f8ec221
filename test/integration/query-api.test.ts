/**
 * The query API, good and bad requests, asked of a real Prometheus 3.15 and of Maru over the same samples: status, headers that
 * matter, and the bytes of the answer, up to the order of series, which Prometheus does not fix.
 * `wanted` lists where Maru differs on purpose. Values of expressions are the work of prometheus-sends.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { skipWithout } from '../support/find-server.ts';
import { push } from '../support/push-client.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { staleMarker } from '../support/remote-write-messages.ts';
import type { Maru } from '../support/start-maru.ts';
import { startMaru } from '../support/start-maru.ts';
import type { PrometheusServer } from '../support/start-prometheus.ts';
import { startPrometheus } from '../support/start-prometheus.ts';

const skip = skipWithout('prometheus');
const differencesShownMax = 20;
/** Not the one that Maru writes its own metrics to. Prometheus knows no tenants. */
const tenant = 'query-api';

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly type?: string;
}

/** Seconds. All samples lie within the ten seconds before. */
const now = Math.floor(Date.now() / 1000) - 5;

const names = {
  name: (value: string) => ['__name__', value] as const,
  job: (value: string) => ['job', value] as const,
};

function sentSeries(): SentSeries[] {
  const at = (second: number) => now * 1000 - 10_000 + second * 1000;
  const floats = (...values: readonly (SentSeries['samples'] extends readonly (infer S)[] | undefined ? S : never)[]) =>
    values;
  return [
    {
      labels: [names.name('api_plain'), names.job('a')],
      samples: [
        { t: at(1), v: 1 },
        { t: at(2) + 345, v: 2.5 },
      ],
    },
    {
      labels: [names.name('api_plain'), names.job('b')],
      samples: floats({ t: at(1), v: 1e-7 }, { t: at(2), v: 1e21 }),
    },
    {
      labels: [names.name('api_odd'), ['a.b', 'dot'], ['quoted', '"\\\n<&>\u2028'], ['wave', '\u{1f30a}']],
      samples: floats({ t: at(1), v: Number.POSITIVE_INFINITY }, { t: at(2), v: -0 }, { t: at(3), v: Number.NaN }),
    },
    {
      labels: [names.name('api_gone'), names.job('a')],
      samples: floats({ t: at(1), v: 1 }, { t: at(3), v: staleMarker }),
    },
    {
      labels: [names.name('api_histogram'), names.job('a')],
      histograms: [
        {
          t: at(2),
          kind: 'float',
          count: 16.5,
          sum: 12.25,
          schema: 1,
          zeroThreshold: 0.001,
          zeroCount: 2,
          positiveSpans: [
            [-1, 2],
            [1, 1],
          ],
          positive: [1, 0, 3.5],
          negativeSpans: [[0, 2]],
          negative: [4, 6],
        },
      ],
    },
  ];
}

function requests(): readonly Request[] {
  const list: Request[] = [];
  const get = (path: string) => list.push({ method: 'GET', path });
  const form = (path: string, body: string, type = 'application/x-www-form-urlencoded') =>
    list.push({ method: 'POST', path, body, type });
  const range = `start=${now - 10}&end=${now}&step=1`;
  for (const query of [
    'api_plain',
    'api_odd',
    'api_gone',
    'api_histogram',
    'api_plain{job="b"}',
    'api_plain[5s]',
    'nothing',
    '1e-7',
    '"<a>"',
    'vector(1)',
    '-1/0',
    'api_histogram[9s]',
  ]) {
    const encoded = encodeURIComponent(query);
    for (const time of [now - 8, now - 7.655, now - 6, now]) get(`query?query=${encoded}&time=${time}`);
    get(`query_range?query=${encoded}&${range}`);
    get(`query_range?query=${encoded}&${range}&limit=1`);
    get(`query?query=${encoded}&time=${now}&limit=1`);
    get(`query?query=${encoded}&time=${now}&lookback_delta=2s`);
    form('query', `query=${encoded}&time=${now - 6}`);
    get(`format_query?query=${encoded}`);
    get(`parse_query?query=${encoded}`);
  }
  const times = [
    ...[
      '0',
      '1.5',
      '-1',
      '1e3',
      '1_000',
      '0x10p2',
      '0x1',
      '1e400',
      '',
      'x',
      '1__0',
      '_1',
      '1_',
      '1_e3',
      '.5',
      '5.',
      '.',
      '1e',
      '--5',
    ],
    ...['2020-01-01T00:00:00Z', '2020-01-01T00:00:00+01:30', '2020-02-30T00:00:00Z', '2020-01-01T00:00:00.123456789Z'],
    ...['2020-01-01T0:00:00Z', '2020-01-01T00:00:00,5Z', '2020-01-01T24:00:00Z', '2020-01-01t00:00:00z', '2020-01-01'],
    ...['2020-01-01T00:00:00+24:00', '2020-01-01T00:00:00-25:00', '2020-01-01T00:00:60Z', 'é'],
  ];
  for (const time of times.map(encodeURIComponent)) {
    get(`query?query=1&time=${time}${time === '' ? 'x' : ''}`);
    get(`query_range?query=1&start=${time}&end=9000000000&step=10000000`);
    get(`query_range?query=1&start=0&end=${time}&step=1`);
    get(`labels?start=${time}`);
    get(`series?match[]=api_plain&end=${time}`);
  }
  for (const duration of [
    '1',
    '0',
    '-1',
    'x',
    '1m',
    '1h30m',
    '30m1h',
    '1.5',
    '1.5m',
    '1ms',
    '1y1w1d',
    '',
    '1e400',
    'NaN',
    'inf',
    '1e10',
    '1d1d',
  ].map(encodeURIComponent)) {
    get(`query_range?query=1&start=0&end=100&step=${duration}`);
    get(`query?query=1&time=1&lookback_delta=${duration}`);
    if (!['0', '-1', 'NaN', '1ms'].includes(duration)) get(`query?query=1&time=1&timeout=${duration}`);
  }
  for (const limit of ['1', '0', '2', '-1', 'x', '1.5', '99999999999999999999', '+5', '9223372036854775807'].map(
    encodeURIComponent,
  )) {
    for (const path of ['query?query=1&time=1', `query_range?query=1&${range}`, 'labels?', 'label/job/values?']) {
      get(`${path}&limit=${limit}`);
    }
    get(`series?match[]=api_odd&limit=${limit}`);
    get(`rules?group_limit=${limit}`);
  }
  const selectors = [
    'api_plain',
    '',
    '{',
    '{}',
    '{a=""}',
    '{a!="b"}',
    '{job=~".*"}',
    '{job=~".+"}',
    '{a=~"("}',
    'up[5m]',
    'sum(up)',
  ];
  for (const selector of [...selectors, '__proto__', '{__proto__="x"}', '{"a.b"="dot"}', 'up offset 5m'].map(
    encodeURIComponent,
  )) {
    for (const path of ['labels', 'label/job/values', 'series', 'rules']) {
      get(`${path}?match[]=${selector}`);
      get(`${path}?match[]=api_odd&match[]=${selector}`);
    }
    for (const path of ['query_exemplars', 'format_query', 'parse_query']) get(`${path}?query=${selector}`);
  }
  for (const name of ['a.b', 'U__a_2e_b', 'U__', 'U__a_zz_', '__name__', 'wave', 'quoted', '__proto__', 'a%20b']) {
    get(`label/${name}/values`);
  }
  for (const text of [
    'type=x',
    'type=Alert',
    'exclude_alerts=x',
    'group_next_token=x',
    'group_limit=5&group_next_token=x',
    'x=%zz',
  ]) {
    get(`rules?${text}`);
  }
  for (const text of ['x=%zz', 'match[]=up&x=%z', 'match[]=up;a', 'start=0', 'match[]=api_plain&start=5&end=1', ''])
    get(`series?${text}`);
  for (const text of ['query=up&start=5&end=1', 'query=1', '', 'query=)']) get(`query_exemplars?${text}`);
  for (const path of ['alerts', 'rules']) get(path);
  for (const query of ['', 'up{', 'sum(', 'rate(up)', '1 +', 'nosuch(up)', 'up and 1'])
    get(`query?time=1&query=${encodeURIComponent(query)}`);
  form('format_query?query=a', 'query=b&query=c');
  form('format_query?query=a', 'x=c');
  form('format_query?query=a', 'query=b', 'text/plain');
  form('format_query?query=a', 'query=b', 'application/x-www-form-urlencoded; charset=utf-8');
  form('query_range', 'query=1&start=0&end=11001&step=1');
  form('query_range', 'query=1&start=2&end=1&step=1');
  form('series', 'match[]=api_plain&limit=1x');
  form('labels', 'match[]=api_odd');
  form('parse_query', 'query=%22%3C%26%3E%E2%80%A8%5C%22%5Cn%7F%22');
  list.push(
    { method: 'OPTIONS', path: 'query' },
    { method: 'DELETE', path: 'query' },
    { method: 'PUT', path: 'rules' },
  );
  return list;
}

interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | null>>;
  readonly text: string;
}

const headersThatMatter = [
  'content-type',
  'vary',
  'allow',
  'access-control-allow-origin',
  'access-control-allow-methods',
];

async function see(baseUrl: string, request: Request): Promise<Seen> {
  const answer = await fetch(`${baseUrl}/api/v1/${request.path}`, {
    method: request.method,
    headers: {
      origin: 'http://grafana',
      'x-scope-orgid': tenant,
      'accept-encoding': 'identity',
      ...(request.type === undefined ? {} : { 'content-type': request.type }),
    },
    ...(request.body === undefined ? {} : { body: request.body }),
    signal: AbortSignal.timeout(20_000),
  });
  return {
    status: answer.status,
    headers: Object.fromEntries(headersThatMatter.map((name) => [name, answer.headers.get(name)])),
    text: sortedLists(await answer.text()),
  };
}

/** The text with the list of series or values in the order of their texts. Numbers are not touched: the text is cut, not parsed. */
function sortedLists(text: string): string {
  const list =
    /^(\{"status":"success","data":(?:\{"resultType":"(?:vector|matrix)","result":)?)\[(\{.*\})\](\}?(?:,"warnings":.*)?\}?)$/s;
  const parts = list.exec(text);
  if (parts === null) return text;
  const items = (parts[2] ?? '').split(/(?<=\}),(?=\{"(?:metric"|__name__"))/);
  return `${parts[1]}[${items.sort().join(',')}]${parts[3]}`;
}

describe('the query API of Prometheus 3.15 and of Maru', { skip, timeout: 120_000 }, () => {
  let maru: Maru;
  let prometheus: PrometheusServer;

  before(async () => {
    maru = await startMaru();
    prometheus = await startPrometheus({ version: 3, scrape: {} });
    const series = sentSeries();
    for (const [baseUrl, path] of [
      [maru.baseUrl, '/api/v1/push'],
      [prometheus.baseUrl, '/api/v1/write'],
    ] as const) {
      const { status, text } = await push(baseUrl, series, { protocol: 'v1', path, tenant });
      assert.equal(status, 204, text);
    }
  });
  after(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await maru?.[Symbol.asyncDispose]();
  });

  it('agrees on every request', async (test) => {
    const differences: string[] = [];
    const asked = requests();
    for (const request of asked) {
      const [expected, actual] = await Promise.all([see(prometheus.baseUrl, request), see(maru.queryUrl, request)]);
      const [wanted, got] = [JSON.stringify(expected), JSON.stringify(actual)];
      if (wanted === got) continue;
      differences.push(
        `${request.method} ${request.path} ${request.body ?? ''}\n  expected ${wanted}\n  got      ${got}`,
      );
    }
    test.diagnostic(`${asked.length - differences.length} of ${asked.length} requests agree`);
    assert.equal(differences.length, 0, differences.slice(0, differencesShownMax).join('\n'));
  });
});
