import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, inflateSync } from 'node:zlib';
import Fastify from 'fastify';
import { emptyBucketIndex } from '../../libs/blocks/bucket-index.ts';
import type { HeadStatus } from '../../libs/contracts/ingester.ts';
import { tenantReader } from '../../libs/http/tenant-header.ts';
import { encodeSnappy } from '../../libs/model/encoding/snappy-encoder.ts';
import { Labels } from '../../libs/model/labels.ts';
import { compileMatcher } from '../../libs/model/matcher-predicate.ts';
import { parseMetricSelector } from '../../libs/promql/syntax/parser.ts';
import type { CallReport } from '../../libs/query-api/api-routes.ts';
import { apiRoutes, refuseBadLabel } from '../../libs/query-api/api-routes.ts';
import { type HeldList, ListMemory } from '../../libs/series/list-memory.ts';
import { ProtobufWriter } from '../../libs/wire/protobuf-writer.ts';
import type { ApiDeps } from './endpoint.ts';
import { endpoints } from './endpoints.ts';
import { MemorySource } from './memory-source.testing.ts';
import { QueryPool } from './query-pool.ts';
import { selectorsOf } from './selector-syntax.ts';

const source = new MemorySource([
  { labels: { __name__: 'up', job: 'a<b' }, samples: [[1000, 1]] },
  { labels: { __name__: 'up', job: 'c', 'a.b': 'x' }, samples: [[2000, 1]] },
  { labels: { __name__: 'down', job: 'c' }, samples: [[3000, 1]] },
]);
source.storedMetadata.push(
  { metric: 'up', type: 'gauge', help: 'Is it <up>?', unit: '' },
  { metric: 'up', type: 'gauge', help: 'Another', unit: '' },
  { metric: 'wait_seconds', type: 'counter', help: 'Waited', unit: 'seconds' },
);
source.storedExemplars.push({
  labels: new Labels(['__name__', 'up']),
  exemplars: [{ labels: new Labels(['trace_id', 'a<b']), value: 1e-7, timestampMs: 1500 }],
});

const status: HeadStatus = {
  series: 3,
  labelPairs: 4,
  chunks: 3,
  minT: undefined,
  maxT: 3000,
  seriesByMetric: [{ name: 'a<b', count: 2 }],
  valuesByLabel: [],
  bytesByLabel: [],
  seriesByPair: [{ name: '__name__=up', count: 2 }],
};

/** Queries here are orders to the scripted worker. */
const pool = new QueryPool({
  workersMax: 1,
  queuedMax: 5,
  queuedPerTenantMax: 5,
  heapMb: 32,
  workerUrl: new URL('./scripted-worker.testing.ts', import.meta.url),
  workerData: undefined,
});
const api: ApiDeps = {
  sourceOf: () => source,
  ingester: {
    headStatus: async () => status,
    restoreProgress: () => ({ bytesDone: 5, bytesTotal: 10 }),
  },
  pool,
  bucketIndexOf: async () => emptyBucketIndex,
  syntax: {
    parseSelector: parseMetricSelector,
    selectorsOf: (query) => selectorsOf(query, {}),
    matchesEmpty: (matcher) => compileMatcher(matcher).matchesEmpty,
  },
  timeoutMs: 60_000,
  lookbackMs: 300_000,
  searchLimitMax: 1000,
  features: new Set(['search-api']),
  startMs: 1000,
  nowMs: () => 5000,
};
const reports: CallReport[] = [];
/** Where lists count, in the test that sets it. */
let listMemory: HeldList | undefined;
const app = Fastify({ frameworkErrors: (_error, request, reply) => refuseBadLabel(request, reply) ?? assert.fail() });
before(async () => {
  await app.register(
    apiRoutes({
      answer: (path, call) => endpoints[path](listMemory === undefined ? call : { ...call, listMemory }, api),
      maxFormBytes: 10_000,
      inflightBytesMax: 100_000,
      arrivalMs: 60_000,
      tenantOf: tenantReader('reject'),
      report: (call) => reports.push(call),
    }),
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
});
after(async () => {
  await app.close();
  await pool.close();
});

const form = 'application/x-www-form-urlencoded';
const tenant = { 'x-scope-orgid': 'a' };

function get(url: string, headers: Record<string, string> = {}) {
  return app.inject({ method: 'GET', url, headers: { ...tenant, ...headers } });
}

/** Over a real connection: bodies are read from it. */
async function post(url: string, payload: string, type: string = form, tenant = 'a') {
  const { port } = app.server.address() as AddressInfo;
  const headers = { 'x-scope-orgid': tenant, 'content-type': type };
  const answer = await fetch(`http://127.0.0.1:${port}${url}`, { method: 'POST', body: payload, headers });
  const body = await answer.text();
  return { statusCode: answer.status, headers: answer.headers, body, json: () => JSON.parse(body) };
}

const success = (data: string) => `{"status":"success","data":${data}}`;
const failure = (type: string, words: string) => JSON.stringify({ status: 'error', errorType: type, error: words });

describe('the label endpoints', () => {
  for (const { url, status, body } of [
    { url: '/labels', body: success('["__name__","a.b","job"]') },
    { url: '/labels?match[]=down', body: success('["__name__","job"]') },
    { url: '/labels?match[]=down&match[]={job="a<b"}', body: success('["__name__","job"]') },
    { url: '/labels?start=3&end=4', body: success('["__name__","job"]') },
    { url: '/labels?start=4', body: success('[]') },
    {
      url: '/labels?limit=1',
      body: '{"status":"success","data":["__name__"],"warnings":["results truncated due to limit"]}',
    },
    { url: '/labels?limit=3', body: success('["__name__","a.b","job"]') },
    { url: '/label/job/values', body: success('["a\\u003cb","c"]') },
    { url: '/label/a.b/values', body: success('["x"]') },
    { url: '/label/U__a_2e_b/values', body: success('["x"]') },
    { url: '/label/__proto__/values', body: success('[]') },
    { url: '/label/U__/values', status: 400, body: failure('bad_data', 'invalid label name: ""') },
    {
      url: '/label/job/values?limit=1',
      body: '{"status":"success","data":["a\\u003cb"],"warnings":["results truncated due to limit"]}',
    },
    { url: '/series?match[]=up{job="c"}', body: success('[{"__name__":"up","a.b":"x","job":"c"}]') },
    { url: '/series?match[]={job="a<b"}', body: success('[{"__name__":"up","job":"a<b"}]') },
    { url: '/series?match[]=nothing', body: success('[]') },
    {
      url: '/series?match[]=up&match[]=down&limit=1',
      body: '{"status":"success","data":[{"__name__":"down","job":"c"}],"warnings":["results truncated due to limit"]}',
    },
    { url: '/series', status: 400, body: failure('bad_data', 'no match[] parameter provided') },
    {
      url: '/series?match[]=up&x=%zz',
      status: 400,
      body: failure('bad_data', 'error parsing form values: invalid URL escape "%zz"'),
    },
    {
      url: '/series?match[]={a=""}',
      status: 400,
      body: failure('bad_data', 'invalid parameter "match[]": match[] must contain at least one non-empty matcher'),
    },
    {
      url: '/labels?match[]={a=~".*"}',
      status: 400,
      body: failure('bad_data', 'match[] must contain at least one non-empty matcher'),
    },
    {
      url: '/labels?match[]=',
      status: 400,
      body: failure('bad_data', 'unknown position: parse error: unexpected end of input'),
    },
    {
      url: '/metadata',
      body: success(
        '{"up":[{"type":"gauge","unit":"","help":"Is it \\u003cup\\u003e?"},{"type":"gauge","unit":"","help":"Another"}],' +
          '"wait_seconds":[{"type":"counter","unit":"seconds","help":"Waited"}]}',
      ),
    },
    {
      url: '/metadata?metric=up&limit_per_metric=1',
      body: success('{"up":[{"type":"gauge","unit":"","help":"Is it \\u003cup\\u003e?"}]}'),
    },
    {
      url: '/metadata?limit=1&limit_per_metric=1',
      body: success('{"up":[{"type":"gauge","unit":"","help":"Is it \\u003cup\\u003e?"}]}'),
    },
    { url: '/metadata?limit=0', body: success('{}') },
    { url: '/targets/metadata?limit=0x1', status: 400, body: failure('bad_data', 'limit must be a number') },
    { url: '/targets/metadata?limit=1', body: success('[]') },
    { url: '/targets/metadata?match_target={}', body: success('[]') },
    {
      url: '/targets/metadata?match_target={a',
      status: 400,
      body: failure(
        'bad_data',
        'invalid parameter "match_target": 1:3: parse error: unexpected end of input inside braces',
      ),
    },
    { url: '/metadata?limit=x', status: 400, body: failure('bad_data', 'limit must be a number') },
    {
      url: '/query_exemplars?query=up',
      body: success(
        '[{"seriesLabels":{"__name__":"up"},"exemplars":[{"labels":{"trace_id":"a<b"},"value":"1e-07","timestamp":1.500}]}]',
      ),
    },
    { url: '/query_exemplars?query=1', status: 204, body: '' },
    {
      url: '/query_exemplars?query=up&start=2&end=1',
      status: 400,
      body: failure('bad_data', 'end timestamp must not be before start timestamp'),
    },
  ] as readonly { url: string; status?: number; body: string }[]) {
    it(`GET ${url}`, async () => {
      const answer = await get(`/api/v1${url.replaceAll('"', '%22').replaceAll('<', '%3C')}`);
      assert.deepEqual([answer.statusCode, answer.body], [status ?? 200, body]);
    });
  }

  it('take forms', async () => {
    assert.equal((await post('/api/v1/series', 'match%5B%5D=down')).body, success('[{"__name__":"down","job":"c"}]'));
    assert.equal((await post('/api/v1/labels?match[]=up', 'match[]=down')).body, success('["__name__","a.b","job"]'));
    const ignored = await post('/api/v1/labels?limit=1', 'limit=x', 'text/plain');
    assert.equal(ignored.statusCode, 200);
  });

  it('take no parameters from a body of a type that is none', async () => {
    for (const type of ['garbage;;;', 'a/b/c', ';'])
      assert.match((await post('/api/v1/labels?limit=2', 'limit=1', type)).body, /"data":\["__name__","a.b"\]/);
  });

  for (const [type, reason] of [
    ['', 'no match[] parameter provided'],
    ['text/plain', 'no match[] parameter provided'],
    ['a/b/c', 'error parsing form values: mime: unexpected content after media subtype'],
    ['application/x-www-form-urlencoded; charset', 'error parsing form values: mime: invalid media parameter'],
    ['application/x-www-form-urlencoded; a=b; a=c', 'error parsing form values: mime: duplicate parameter name'],
    // This one asks for its form by name, which Go reads no multipart ones for.
    ['multipart/form-data; boundary=b', 'no match[] parameter provided'],
  ] as const) {
    it(`say what a body of the type ${JSON.stringify(type)} lacks`, async () => {
      const field = '--b\r\nContent-Disposition: form-data; name="match[]"\r\n\r\nup\r\n--b--';
      const answer = await post('/api/v1/series', type.startsWith('multipart') ? field : 'match[]=up', type);
      assert.deepEqual(answer.json(), { status: 'error', errorType: 'bad_data', error: reason });
    });
  }

  it('take multipart forms, behind the parameters of the URL', async () => {
    const field = (name: string, value: string) =>
      `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const type = 'multipart/form-data; boundary=b';
    const labels = `${field('match[]', 'down')}${field('limit', '1')}--b--\r\n`;
    assert.match((await post('/api/v1/labels', labels, type)).body, /"data":\["__name__"\]/);
    assert.match((await post('/api/v1/labels?limit=2', labels, type)).body, /"data":\["__name__","job"\]/);
    const cutOff = await post('/api/v1/labels', field('limit', '1'), type);
    assert.equal(cutOff.body, success('["__name__","a.b","job"]'));
  });
});

describe('lists that there is no room for', () => {
  after(() => {
    listMemory = undefined;
  });
  for (const url of [
    '/api/v1/labels',
    '/api/v1/label/job/values',
    '/api/v1/series?match[]=up',
    '/api/v1/query_exemplars?query=up&start=0&end=5',
    '/api/v1/metadata',
    '/api/v1/search/metric_names?start=0&end=5',
    '/api/v1/search/label_names?start=0&end=5',
    '/api/v1/search/label_values?label=job&start=0&end=5',
  ]) {
    it(`${url} is to be asked again, or not to be had`, async () => {
      const memory = new ListMemory(2_000);
      memory.hold('others').take(900);
      listMemory = memory.hold('a');
      const later = await get(url);
      assert.equal(later.statusCode, 503);
      assert.equal(later.json().errorType, 'unavailable');
      assert.match(later.json().error, /^too many lists of labels and series at once: /);
      assert.equal(later.headers['retry-after'], '1');
      listMemory = new ListMemory(2).hold('a');
      const never = await get(url);
      assert.equal(never.statusCode, 422);
      const words =
        'the list takes more than the 1 bytes of memory that one may take: narrow its selectors or its time range';
      assert.deepEqual(never.json(), { status: 'error', errorType: 'execution', error: words });
      listMemory = new ListMemory(1 << 20).hold('a');
      assert.equal((await get(url)).statusCode, 200);
    });
  }
});

describe('the endpoints of what is not there yet', () => {
  for (const { url, body } of [
    { url: '/rules', body: success('{"groups":[]}') },
    { url: '/rules?type=alert&exclude_alerts=true&group_limit=5', body: success('{"groups":[]}') },
    { url: '/rules?type=x', body: failure('bad_data', 'invalid parameter "type": not supported value "x"') },
    {
      url: '/rules?exclude_alerts=x',
      body: failure(
        'bad_data',
        'invalid parameter "exclude_alerts": error converting exclude_alerts: strconv.ParseBool: parsing "x": invalid syntax',
      ),
    },
    {
      url: '/rules?group_limit=0',
      body: failure('bad_data', 'invalid parameter "group_limit": group_limit needs to be greater than 0'),
    },
    {
      url: '/rules?group_next_token=x',
      body: failure(
        'bad_data',
        'invalid parameter "group_next_token": group_limit needs to be present in order to paginate over the groups',
      ),
    },
    { url: '/alerts', body: success('{"alerts":[]}') },
    { url: '/status/config', body: success('{}') },
    { url: '/status/flags', body: success('{}') },
  ]) {
    it(`GET ${url}`, async () => assert.equal((await get(`/prometheus/api/v1${url}`)).body, body));
  }

  it('say which Prometheus they speak', async () => {
    const { data } = (await get('/prometheus/api/v1/status/buildinfo')).json();
    assert.equal(data.version, '3.15.0');
    assert.match(data.application, /^Maru \d/);
  });
});

describe('HTTP around the endpoints', () => {
  it('has the headers of Prometheus', async () => {
    const answer = await get('/api/v1/query?query=hello', { origin: 'http://grafana' });
    assert.equal(answer.body, 'hello');
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.deepEqual(answer.headers.vary, ['Accept-Encoding', 'Origin']);
    assert.equal(answer.headers['access-control-allow-origin'], 'http://grafana');
    assert.equal(answer.headers['access-control-allow-methods'], 'GET, POST, OPTIONS');
    assert.equal(answer.headers['access-control-allow-headers'], 'Accept, Authorization, Content-Type, Origin');
    assert.equal(answer.headers['access-control-expose-headers'], 'Date');
    assert.equal(answer.headers['content-length'], '5');
    assert.equal((await get('/api/v1/query?query=hello')).headers['access-control-allow-origin'], undefined);
    const refused = await get('/api/v1/label/%ff/values', { origin: 'http://grafana' });
    assert.deepEqual([refused.statusCode, refused.body], [400, failure('bad_data', 'invalid label name: "\\xff"')]);
    for (const name of ['content-type', 'vary', 'access-control-allow-origin', 'access-control-expose-headers']) {
      assert.deepEqual(refused.headers[name], answer.headers[name], name);
    }
  });

  it('answers a preflight and refuses other methods', async () => {
    assert.equal((await app.inject({ method: 'OPTIONS', url: '/prometheus/api/v1/query' })).statusCode, 204);
    const refused = await app.inject({ method: 'DELETE', url: '/api/v1/series' });
    assert.deepEqual([refused.statusCode, refused.headers.allow], [405, 'GET, OPTIONS, POST']);
    assert.equal((await post('/api/v1/metadata', '')).statusCode, 405);
    assert.equal((await post('/api/v1/label/%ff/values', '')).statusCode, 405);
    const outside = await app.inject({ method: 'OPTIONS', url: '/prometheus/federate' });
    assert.deepEqual([outside.statusCode, outside.headers.allow, outside.body], [200, 'GET, OPTIONS', '']);
  });

  it('compresses small and large answers as asked', async () => {
    const gzip = await get('/api/v1/query?query=hello', { 'accept-encoding': 'br, gzip' });
    assert.equal(gzip.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(gzip.rawPayload).toString(), 'hello');
    const deflate = await get('/api/v1/query?query=write+5000', { 'accept-encoding': 'deflate, gzip' });
    assert.equal(inflateSync(deflate.rawPayload).length, 5_000_000);
  });

  it('streams a large answer', async () => {
    const answer = await get('/api/v1/query?query=write+5000');
    assert.equal(answer.headers['content-length'], undefined);
    assert.equal(answer.rawPayload.length, 5_000_000);
  });

  it('turns failures of a query into statuses', async () => {
    const failed = await get('/api/v1/query?query=fail');
    assert.deepEqual([failed.statusCode, failed.body], [422, failure('execution', 'as ordered')]);
    const thrown = await get('/api/v1/query?query=throw');
    assert.deepEqual([thrown.statusCode, thrown.body], [500, failure('internal', 'Error: a bug')]);
    const died = await get('/api/v1/query?query=die');
    assert.equal(died.statusCode, 500);
    const late = await get('/api/v1/query?query=spin&timeout=20ms');
    const words = 'query timed out in expression evaluation';
    assert.deepEqual([late.statusCode, late.body], [503, failure('timeout', words)]);
    assert.equal((await get('/api/v1/query?query=hello')).body, 'hello');
  });

  it('needs a tenant', async () => {
    const answer = await app.inject({ method: 'GET', url: '/api/v1/labels' });
    assert.deepEqual([answer.statusCode, answer.body], [401, failure('bad_data', 'no org id')]);
  });

  it('refuses a body over its maximum', async () => {
    const answer = await post('/api/v1/query', `query=${'x'.repeat(10_001)}`);
    assert.equal(answer.statusCode, 413);
    assert.equal(answer.json().status, 'error');
    assert.equal((await post('/api/v1/query', 'x'.repeat(10_001), 'text/plain')).statusCode, 413);
  });

  it('refuses bodies that all together are too much, and has room again when their senders have left', async () => {
    const { port } = app.server.address() as AddressInfo;
    const large = `query=hello&x=${'x'.repeat(9_900)}`;
    for (const [type, left] of [
      [form, 'destroy'],
      ['application/x-protobuf', 'destroy'],
      [form, 'end'],
    ] as const) {
      assert.equal((await post('/api/v1/query', large)).statusCode, 200);
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined); // a reset is a way to close
      const path = type === form ? '/api/v1/query' : '/api/v1/read';
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: x\r\nx-scope-orgid: a\r\ncontent-type: ${type}\r\ncontent-length: 10000\r\n\r\n`,
      );
      await once(app.server, 'request');
      const refused = await post('/api/v1/query', large);
      assert.deepEqual([refused.statusCode, refused.headers.get('retry-after')], [503, '1']);
      assert.match(refused.json().error, /too many bodies of queries at once: \d+ of \d+ bytes are in use/);
      assert.equal(refused.json().errorType, 'unavailable');
      assert.equal((await post('/api/v1/query', large, form, 'b')).statusCode, 200, 'there is room for others');
      if (left === 'destroy') socket.destroy();
      else socket.end('x'.repeat(10_000));
      while ((await post('/api/v1/query', large)).statusCode === 503)
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });

  it('counts what a body decompresses to', async () => {
    const { port } = app.server.address() as AddressInfo;
    const matcher = new ProtobufWriter();
    const [query, one] = [matcher.begin(1), matcher.begin(3)];
    matcher.text(2, 'a');
    matcher.text(3, 'x'.repeat(80_000));
    matcher.end(one);
    matcher.end(query);
    const pieces: Uint8Array[] = [];
    encodeSnappy(matcher.sink.written(), (piece) => pieces.push(piece.slice()));
    const body = Buffer.concat(pieces);
    assert.ok(body.length < 10_000);
    const read = await fetch(`http://127.0.0.1:${port}/api/v1/read`, { method: 'POST', body, headers: tenant });
    assert.deepEqual([read.status, read.headers.get('retry-after')], [503, '1']);
    assert.match(await read.text(), /too many bodies of queries at once/);
    assert.equal((await post('/api/v1/query', `query=hello&x=${'x'.repeat(9_900)}`)).statusCode, 200);
  });

  it('refuses queries beyond the queue', async () => {
    const asked = Array.from({ length: 20 }, () => get('/api/v1/query?query=spin&timeout=100ms'));
    const statuses = (await Promise.all(asked)).map(({ statusCode }) => statusCode);
    assert.equal(statuses.filter((status) => status === 503).length, 6);
    assert.equal(statuses.filter((status) => status === 429).length, 14);
    assert.equal((await get('/api/v1/query?query=hello')).body, 'hello');
  });

  it('stops the query of a client that leaves', async () => {
    const { port } = app.server.address() as AddressInfo;
    const client = new AbortController();
    const url = `http://127.0.0.1:${port}/api/v1/query?query=spin`;
    const asked = fetch(url, { headers: tenant, signal: client.signal }).catch(() => 'left');
    await once(app.server, 'request');
    while (pool.running === 0) await new Promise((resolve) => setImmediate(resolve));
    client.abort();
    assert.equal(await asked, 'left');
    assert.equal((await get('/api/v1/query?query=hello')).body, 'hello');
    assert.equal(reports.at(-2)?.failure?.kind, 'canceled');
  });

  it('stops the query of a client that leaves half-way through the answer', async () => {
    const { port } = app.server.address() as AddressInfo;
    const client = new AbortController();
    const url = `http://127.0.0.1:${port}/api/v1/query?query=write+500000`;
    const answer = await fetch(url, { headers: tenant, signal: client.signal });
    await answer.body?.getReader().read();
    client.abort();
    assert.equal((await get('/api/v1/query?query=hello')).body, 'hello');
  });
});

describe('the endpoints about the server', () => {
  for (const { url, body, status: wanted = 200 } of [
    {
      url: '/status/tsdb',
      body: success(
        '{"headStats":{"numSeries":3,"numLabelPairs":4,"chunkCount":3,"minTime":9223372036854775807,"maxTime":3000},' +
          '"seriesCountByMetricName":[{"name":"a\\u003cb","value":2}],"labelValueCountByLabelName":[],' +
          '"memoryInBytesByLabelName":[],"seriesCountByLabelValuePair":[{"name":"__name__=up","value":2}]}',
      ),
    },
    { url: '/status/tsdb?limit=0', status: 400, body: failure('bad_data', 'limit must be a positive number') },
    { url: '/status/tsdb?limit=10001', status: 400, body: failure('bad_data', 'limit must not exceed 10000') },
    { url: '/status/walreplay', body: success('{"min":0,"max":10,"current":5}') },
    { url: '/status/config', body: success('{}') },
    { url: '/targets', body: success('{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}') },
  ]) {
    it(`GET ${url}`, async () => {
      const answer = await get(`/api/v1${url}`);
      assert.deepEqual([answer.statusCode, answer.body], [wanted, body]);
    });
  }

  it('says nothing about the machine', async () => {
    const { data } = (await get('/api/v1/status/runtimeinfo')).json() as { data: Record<string, unknown> };
    assert.deepEqual(
      [data.startTime, data.serverTime, data.CWD, data.hostname],
      ['1970-01-01T00:00:01.000Z', '1970-01-01T00:00:05.000Z', '', ''],
    );
  });

  it('answers anybody where no tenant is concerned', async () => {
    for (const url of ['/status/buildinfo', '/status/config', '/status/flags', '/openapi.yaml']) {
      assert.equal((await app.inject({ method: 'GET', url: `/api/v1${url}` })).statusCode, 200, url);
    }
    assert.equal((await app.inject({ method: 'GET', url: '/api/v1/status/tsdb' })).statusCode, 401);
  });

  it('has no admin API', async () => {
    const answer = await post('/api/v1/admin/tsdb/delete_series', 'match[]=up');
    assert.deepEqual([answer.statusCode, answer.body], [500, failure('unavailable', 'admin APIs disabled')]);
  });
});

describe('the search API', () => {
  const wide = 'start=0&end=5';
  for (const { url, lines } of [
    { url: 'metric_names?', lines: ['{"results":[{"name":"down"},{"name":"up"}]}', true] },
    {
      url: 'metric_names?search[]=UP&case_sensitive=f&include_score=1&include_metadata=true',
      lines: ['{"results":[{"name":"up","score":1,"type":"gauge","help":"Is it \\u003cup\\u003e?"}]}', true],
    },
    { url: 'label_names?sort_by=alpha&sort_dir=dsc&limit=1', lines: ['{"results":[{"name":"job"}]}', false] },
    {
      url: 'label_names?batch_size=2',
      lines: ['{"results":[{"name":"__name__"},{"name":"a.b"}]}', '{"results":[{"name":"job"}]}', true],
    },
    { url: 'label_values?label=job&match[]=down', lines: ['{"results":[{"value":"c"}]}', true] },
    { url: 'label_values?label=nothing', lines: ['{"results":[]}', true] },
  ]) {
    it(url, async () => {
      const answer = await get(`/api/v1/search/${url}&${wide}`);
      const trailer = `{"status":"success","has_more":${lines.at(-1) === false}}`;
      assert.equal(answer.headers['content-type'], 'application/x-ndjson; charset=utf-8');
      assert.equal(answer.body, `${[...lines.slice(0, -1), trailer].join('\n')}\n`);
    });
  }

  it('refuses a term that is longer than what may be found', async () => {
    const search = (length: number) =>
      post('/api/v1/search/metric_names?search[]=up', `search[]=${'x'.repeat(length)}`);
    assert.equal((await search(2048)).statusCode, 200);
    const words = 'search[] term too long: got 2049 characters, maximum is 2048';
    assert.deepEqual((await search(2049)).json(), { status: 'error', errorType: 'bad_data', error: words });
  });
});
