/**
 * A few hundred requests to the HTTP API of Prometheus, good and bad, and the samples they are asked over.
 * Owns what is asked. Who is asked and what counts as the same is record-answers.ts.
 */
import type { SentSeries } from './remote-write-messages.ts';
import { staleMarker } from './remote-write-messages.ts';

export interface ApiRequest {
  readonly method: string;
  /** Below the root of the server. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Seconds. All samples lie within the ten seconds before. */
const now = Math.floor(Date.now() / 1000) - 5;

const names = {
  name: (value: string) => ['__name__', value] as const,
  job: (value: string) => ['job', value] as const,
};

/** What both servers hold. */
export function apiSeries(): SentSeries[] {
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
    {
      labels: [names.name('api_custom'), ['instance', 'x']],
      histograms: [
        {
          t: at(2),
          kind: 'integer',
          count: 9,
          sum: 1e6,
          schema: -53,
          customValues: [-1, 0.25, 1e-7, 2e6].sort((a, b) => a - b),
          positiveSpans: [
            [0, 1],
            [1, 2],
          ],
          positive: [3, 1, -2],
        },
      ],
    },
  ];
}

function queryRequests(): readonly ApiRequest[] {
  const list: ApiRequest[] = [];
  const get = (path: string) => list.push({ method: 'GET', path: `/api/v1/${path}` });
  const form = (path: string, body: string, type = 'application/x-www-form-urlencoded') =>
    list.push({ method: 'POST', path: `/api/v1/${path}`, body, headers: { 'content-type': type } });
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
  // Bytes that are no UTF-8: no label has them.
  for (const text of [
    '"\\xff"',
    'api_plain{job="\\xff"}',
    'api_plain{job!="\\xff"}',
    '{job=~"\\xff|a"}',
    '{"\\xff"=""}',
  ]) {
    const encoded = encodeURIComponent(text);
    for (const path of ['query', 'parse_query', 'format_query', 'query_exemplars']) {
      get(`${path}?query=${encoded}${path === 'query' ? `&time=${now}` : ''}`);
    }
    for (const path of ['series', 'labels', 'label/job/values']) get(`${path}?match[]=${encoded}`);
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
    { method: 'OPTIONS', path: '/api/v1/query' },
    { method: 'DELETE', path: '/api/v1/query' },
    { method: 'PUT', path: '/api/v1/rules' },
  );
  return list;
}

const formType = 'application/x-www-form-urlencoded';

function statisticsRequests(): readonly ApiRequest[] {
  const list: ApiRequest[] = [];
  for (const stats of ['true', 'all', 'x', '%3C%22%01%C3%A9%7F%3E']) {
    for (const query of [
      '1',
      'api_plain',
      'api_plain[9s]',
      'sum(api_plain)',
      'nothing',
      'rate(api_plain[5s])',
      'count_over_time(api_histogram[5s])',
      'api_histogram',
      'api_histogram[9s]',
      'rate(api_histogram[5s])',
      'max_over_time(api_plain[5s:2s])',
      'api_plain[5s:2s]',
      'rate(api_plain[5s] @ end())',
      'sum(api_plain) + sum(api_plain)',
      'scalar(api_gone @ 0) + api_plain',
      'sum(rate(api_plain[5s])) + on() count(api_odd)',
      'api_plain @ end()',
      'max_over_time(rate(api_plain[3s])[5s:1s])',
      'absent(nothing)',
      'max_over_time(api_plain[2s:1s])',
      'sum_over_time(count_over_time(api_plain[2s:500ms] offset 1s)[3s:1s])',
      'rate(api_histogram[1s])',
      'api_plain * scalar(count_over_time(api_histogram[9s] @ end()))',
      'topk(1, api_plain offset 2s)',
      'time() + vector(1)',
    ]) {
      const encoded = encodeURIComponent(query);
      list.push({ method: 'GET', path: `/api/v1/query?query=${encoded}&time=${now}&stats=${stats}` });
      if (query.endsWith(']')) continue;
      // With a step of 4 s there is time between windows.
      for (const step of stats === 'all' ? [1, 4, 0.5] : [1]) {
        const range = `start=${now - 10}&end=${now}&step=${step}`;
        list.push({ method: 'GET', path: `/api/v1/query_range?query=${encoded}&${range}&stats=${stats}` });
      }
    }
  }
  return list;
}

function timeRequests(): readonly ApiRequest[] {
  const zones = [
    'Z',
    '%2B00:00',
    '-00:00',
    '%2B14:00',
    '-12:30',
    '%2B23:59',
    '%2B99:00',
    '%2B1:00',
    '%2B0100',
    'z',
    '',
  ];
  const paths = zones.map((zone) => `query?query=time()&time=2024-02-29T23:59:59.5${zone}`);
  for (const time of [
    'NaN',
    'nan',
    '%2BInf',
    '-inf',
    'infinity',
    '1e400',
    '-1e400',
    '1e18',
    '1e-400',
    '0x1p-2',
    '1e3x',
  ]) {
    paths.push(`query?query=1&time=${time}`, `labels?end=${time}`, `query_range?query=1&start=${time}&end=1&step=1`);
  }
  for (const time of ['1969-12-31T23:59:59.9995Z', '-0.0004', '2262-04-11T23:47:16.854Z', '1677-09-21T00:12:44Z']) {
    paths.push(`query?query=time()&time=${time}`, `query_range?query=time()&start=${time}&end=${time}&step=1`);
  }
  // Not 0 and below: how far Prometheus comes until it notices is a matter of luck.
  for (const timeout of ['NaN', '1d', '1ns']) paths.push(`query?query=1&time=1&timeout=${timeout}`);
  const points = 'query_range?query=1&start=0&step=1';
  paths.push(`${points}&end=11000`, `${points}&end=11000.5`, `${points}&end=11001`, `${points}&end=1e9`);
  return paths.map((path) => ({ method: 'GET', path: `/api/v1/${path}` }));
}

function searchRequests(): readonly ApiRequest[] {
  const list: ApiRequest[] = [];
  const where = `start=${now - 60}&end=${now + 60}`;
  for (const endpoint of ['metric_names', 'label_names', 'label_values']) {
    const path = `/api/v1/search/${endpoint}`;
    const own = endpoint === 'label_values' ? 'label=job&' : '';
    for (const asked of [
      '',
      'search[]=api',
      'search[]=p',
      'search[]=API',
      'search[]=API&case_sensitive=false',
      'search[]=aplai',
      'search[]=aplai&fuzz_threshold=40',
      'search[]=aplai&fuzz_threshold=100',
      'search[]=api_plian&fuzz_alg=jarowinkler',
      'search[]=api_plian&fuzz_alg=jarowinkler&fuzz_threshold=80',
      'search[]=plain&fuzz_alg=jarowinkler',
      'search[]=jbo&search[]=odd&search[]=',
      'search[]=',
      'search[]=%F0%9F%8C%8A',
      'search[]=a.b',
      'sort_by=alpha',
      'sort_by=alpha&sort_dir=dsc',
      'search[]=p&sort_by=alpha&sort_dir=asc&limit=2',
      'sort_by=score',
      'sort_by=score&search[]=a',
      'sort_by=score&search[]=pi&limit=2',
      'sort_by=x',
      'sort_dir=asc',
      'sort_by=alpha&sort_dir=x',
      'sort_by=score&sort_dir=asc&search[]=a',
      // Without a term Prometheus takes any names up to the limit.
      'search[]=o&limit=1',
      'search[]=o&limit=2&batch_size=1',
      'limit=0',
      'limit=x',
      'limit=10000',
      'batch_size=0',
      'batch_size=2',
      'fuzz_threshold=101',
      'fuzz_threshold=-1',
      'fuzz_alg=x',
      'case_sensitive=x',
      'case_sensitive=T&search[]=api',
      'include_score=x',
      'match[]=api_plain',
      'match[]=api_odd&match[]=api_gone',
      'match[]={}',
      'match[]=',
      'match[]=x{',
      'start=x',
      'end=1',
      'x=%zz',
      Array.from({ length: 33 }, () => 'search[]=a').join('&'),
    ]) {
      list.push({ method: 'GET', path: `${path}?${own}${asked}&include_score=true&${where}` });
      if (asked.includes('start') || asked.includes('end='))
        list.push({ method: 'GET', path: `${path}?${own}${asked}` });
    }
    list.push(
      { method: 'GET', path: `${path}?${where}` },
      { method: 'GET', path: `${path}?${own}include_metadata=x&${where}` },
      { method: 'POST', path, body: `${own}search[]=a&${where}`, headers: { 'content-type': formType } },
      { method: 'PUT', path },
      { method: 'GET', path: `${path}?${own}${where}`, headers: { 'accept-encoding': 'gzip' } },
    );
  }
  return list;
}

function headerRequests(): readonly ApiRequest[] {
  const list: ApiRequest[] = [];
  const paths = ['/api/v1/query?query=1&time=1', '/api/v1/labels', '/api/v1/query?query=)', '/api/v1/alerts'];
  for (const path of [...paths, '/api/v1/status/walreplay', '/api/v1/notifications', '/federate?match[]=api_plain']) {
    for (const encoding of ['gzip', 'deflate', 'deflate, gzip', 'gzip;q=1.0, *', ' gzip ,br', 'GZIP', 'br', '']) {
      list.push({ method: 'GET', path, headers: { 'accept-encoding': encoding } });
    }
    for (const accept of ['application/json', 'text/html', '*/*', 'application/xml;q=0.9']) {
      if (!path.startsWith('/federate')) list.push({ method: 'GET', path, headers: { accept } });
    }
  }
  for (const origin of ['http://grafana', 'null', '']) {
    list.push({ method: 'GET', path: '/api/v1/query?query=1&time=1', headers: { origin } });
  }
  const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
  for (const path of ['query', 'query_range', 'label/x/values', 'nothing/at/all', 'search/metric_names']) {
    list.push({ method: 'OPTIONS', path: `/api/v1/${path}`, headers: preflight });
  }
  return list;
}

function statusRequests(): readonly ApiRequest[] {
  const get = (path: string) => ({ method: 'GET', path: `/api/v1/${path}` });
  const list: ApiRequest[] = [
    'targets',
    'targets?state=Active',
    'targets?state=any&scrapePool=x',
    'targets?state=x',
    'targets/metadata',
    'targets/metadata?limit=0x1',
    'targets/metadata?match_target=up',
    'targets/metadata?match_target={}',
    'targets/metadata?match_target={',
    'targets/metadata?match_target={a=~"("}&metric=x',
    'targets/metadata?match_target=1&limit=x',
    'targets/metadata?match_target=',
    'label/%ff/values',
    'scrape_pools',
    'alertmanagers',
    'notifications',
    'features',
    'openapi.yaml',
    'openapi.yaml?openapi_version=3.1',
    'metadata?limit=x',
    'metadata?limit=1.5',
    'metadata?limit_per_metric=x',
    'metadata?limit=0',
    'metadata?metric=nothing',
    'metadata',
    'status/buildinfo',
    'status/config',
    'status/flags',
    'status/runtimeinfo',
    'status/walreplay',
    'status/tsdb?limit=100',
    'status/tsdb?limit=0',
    'status/tsdb?limit=-1',
    'status/tsdb?limit=x',
    'status/tsdb?limit=10001',
    'status/tsdb?limit=99999999999999999999',
    'nothing',
  ].map(get);
  for (const path of ['delete_series', 'clean_tombstones', 'snapshot']) {
    for (const method of ['POST', 'PUT', 'GET']) list.push({ method, path: `/api/v1/admin/tsdb/${path}` });
  }
  for (const path of ['status/tsdb', 'features', 'read', 'targets', 'query', 'series', 'format_query', 'metadata']) {
    for (const method of ['HEAD', 'DELETE', 'PATCH']) list.push({ method, path: `/api/v1/${path}` });
  }
  return list;
}

function federateRequests(): readonly ApiRequest[] {
  const list: ApiRequest[] = [];
  const get = (query: string, accept?: string) =>
    list.push({ method: 'GET', path: `/federate?${query}`, ...(accept === undefined ? {} : { headers: { accept } }) });
  for (const match of ['api_plain', 'api_odd', 'api_gone', 'api_histogram', 'api_custom', 'nothing', '{job="a"}']) {
    get(`match[]=${match}`);
  }
  for (const match of ['', '{', '{}', '{a=""}', 'up[5m]', 'sum(up)']) get(`match[]=${match}`);
  get('');
  get('match[]=api_plain&match[]={job="a"}&match[]=api_odd');
  get('match[]=api_plain&x=%zz');
  for (const accept of [
    'text/plain',
    'text/plain;version=0.0.4;escaping=allow-utf-8',
    'text/plain;version=0.0.4;escaping=dots',
    'text/plain;version=0.0.4;escaping=values',
    'text/plain;version=0.0.4;escaping=underscores',
    'text/plain;version=0.0.4;escaping=x',
    'text/plain;version=1.0.0',
    'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
    'application/json',
    '*/*',
  ]) {
    get('match[]={__name__=~"api_.*"}', accept);
  }
  for (const method of ['POST', 'PUT', 'OPTIONS', 'HEAD']) list.push({ method, path: '/federate?match[]=up' });
  list.push({ method: 'POST', path: '/api/v1/label/%ff/values' });
  return list;
}

function readRequests(): readonly ApiRequest[] {
  const post = (body: string, type: string) => ({
    method: 'POST',
    path: '/api/v1/read',
    body,
    headers: { 'content-type': type },
  });
  // The second body is a snappy block of nothing: a request without queries.
  return [
    post('x', 'application/x-protobuf'),
    post('\0', 'application/x-protobuf'),
    { method: 'GET', path: '/api/v1/read' },
  ];
}

/** Bodies of all kinds, as curl, browsers and mail programs make them. */
function bodyRequests(): readonly ApiRequest[] {
  const list: ApiRequest[] = [];
  const post = (path: string, body: string, type: string) =>
    list.push({ method: 'POST', path: `/api/v1/${path}`, body, headers: { 'content-type': type } });
  const multipart = 'multipart/form-data; boundary=b';
  const field = (disposition: string, value: string, more = '') =>
    `--b\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${value}\r\n`;
  const time = field('form-data; name=time', '1');
  for (const name of [
    'name="query"',
    'NAME = query',
    "name*=utf-8''qu%65ry",
    "name*=UTF-8'en'query; name=x",
    "name*=iso-8859-1''query",
    "name*0*=utf-8''qu%65; name*1=ry",
    'name=query; name=x',
    'name=query; x',
    'name=query;',
    'name=query; filename=x',
  ]) {
    post('query', `${time}${field(`form-data; ${name}`, '1+1')}--b--`, multipart);
  }
  for (const [encoding, value] of [
    ['quoted-printable', '1=2B=\r\n1'],
    ['Quoted-Printable', '1=zz1'],
    ['quoted-printable', '\u0001'],
    ['base64', 'MSsx'],
  ]) {
    const more = `Content-Transfer-Encoding: ${encoding}\r\n`;
    post('query', `${time}${field('form-data; name=query', value ?? '', more)}--b--`, multipart);
  }
  const query = field('form-data; name=query', '1');
  for (const end of ['--b--\r\n', '--b--\n', '--b\r\n', '--b\r\nX: y', '--b', '']) {
    post('query', time + query + end, multipart);
    post('query', (time + query + end).replaceAll('\r', ''), multipart);
  }
  for (const type of [multipart, 'multipart/form-data', 'multipart/mixed; boundary=b', `${multipart}; x`]) {
    for (const path of ['labels', 'series', 'series?match[]=api_odd', `search/metric_names?start=${now - 60}`]) {
      post(path, `${field('form-data; name="match[]"', 'api_plain')}--b--`, type);
    }
  }
  for (const type of [
    `${formType}; charset=utf-8`,
    formType.toUpperCase(),
    `${formType}; charset`,
    `${formType}; a=b; a=c`,
    `${formType}, text/plain`,
    'text/plain',
    'x y',
    'a/b/c',
    ';',
  ]) {
    for (const path of ['labels', 'series', 'series?match[]=api_odd', `search/metric_names?start=${now - 60}`]) {
      post(path, 'match[]=api_plain', type);
    }
  }
  return list;
}

/** Everything that is asked, in order. */
export function apiRequests(): readonly ApiRequest[] {
  return [
    ...queryRequests(),
    ...statisticsRequests(),
    ...timeRequests(),
    ...searchRequests(),
    ...headerRequests(),
    ...bodyRequests(),
    ...statusRequests(),
    ...federateRequests(),
    ...readRequests(),
  ];
}
