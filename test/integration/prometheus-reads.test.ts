/**
 * A real Prometheus 3.15 without samples of its own, configured with `remote_read`, answers queries over what Maru holds: floats,
 * histograms of every kind, gaps, staleness, samples that came late. Prometheus asks for streamed chunks; a proxy in between
 * makes another ask for samples. Its answers are compared with Maru's own.
 */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, it } from 'node:test';
import protobuf from 'protobufjs';
import { compressSync, uncompressSync } from 'snappy';
import { describeEachCarrier } from '../support/carriers.ts';
import { compareAnswers } from '../support/compare-answers.ts';
import { skipWithout } from '../support/find-server.ts';
import { push } from '../support/push-client.ts';
import { ask } from '../support/query-client.ts';
import type { SentHistogram, SentSeries } from '../support/remote-write-messages.ts';
import { staleMarker } from '../support/remote-write-messages.ts';
import type { Maru } from '../support/start-maru.ts';
import type { PrometheusServer } from '../support/start-prometheus.ts';
import { startPrometheus } from '../support/start-prometheus.ts';

const tenant = 'read';
const end = Math.floor(Date.now() / 1000) - 10;
/** Over more than one range of two hours, and more than one chunk. */
const begin = end - 3 * 3600;
const step = 30;

const schema = protobuf.parse(`syntax = "proto3";
message ReadRequest { repeated bytes queries = 1; repeated int32 accepted_response_types = 2; }`).root;
const requestType = schema.lookupType('ReadRequest');

function histogram(i: number, kind: SentHistogram['kind']): SentHistogram {
  const t = (begin + i * step) * 1000;
  const spans = {
    positiveSpans: [
      [0, 2],
      [i > 200 ? 2 : 1, 1],
    ] as const,
    negativeSpans: [[1, 1]] as const,
  };
  return kind === 'integer'
    ? {
        t,
        kind,
        count: 4 * i + 1,
        sum: i * 1.5,
        schema: 3,
        zeroThreshold: 1e-3,
        zeroCount: 1,
        ...spans,
        positive: [i, 0, 0],
        negative: [i],
      }
    : { t, kind, count: 4.5 * i, sum: -i, schema: 0, ...spans, positive: [i, i, i * 1.5], negative: [i], resetHint: 3 };
}

/** What came in time, then what came late. */
function sent(): readonly (readonly SentSeries[])[] {
  const points = Array.from({ length: (end - begin) / step }, (_, i) => i);
  const inTime: SentSeries[] = [];
  const late: SentSeries[] = [];
  for (let series = 0; series < 40; series++) {
    const labels = [
      ['__name__', 'read_floats'],
      // The order of arrival is not that of the labels.
      ['i', String((series * 7) % 40)],
    ] as const;
    const samples = points
      .filter((i) => series % 3 !== 0 || i % 50 > 5)
      .map((i) => ({
        t: (begin + i * step) * 1000 + series,
        v: series % 5 === 4 && i % 100 === 99 ? staleMarker : i ** 1.1,
      }));
    inTime.push({ labels, samples: samples.filter((_, i) => series % 4 !== 0 || i % 10 !== 3) });
    if (series % 4 === 0) late.push({ labels, samples: samples.filter((_, i) => i % 10 === 3) });
  }
  inTime.push(
    {
      labels: [
        ['__name__', 'read_odd'],
        ['a.b', '"\\\n'],
        ['wave', '\u{1f30a}'],
      ],
      samples: [
        { t: (begin + 1) * 1000, v: Number.NaN },
        { t: (end - 2) * 1000, v: Number.NEGATIVE_INFINITY },
        { t: (end - 1) * 1000, v: -0 },
      ],
    },
    { labels: [['__name__', 'read_integers']], histograms: points.map((i) => histogram(i, 'integer')) },
    { labels: [['__name__', 'read_gauges']], histograms: points.map((i) => histogram(i, 'float')) },
    {
      labels: [['__name__', 'read_customs']],
      histograms: points.map((i) => ({
        t: (begin + i * step) * 1000,
        kind: 'integer',
        count: 3 * i,
        sum: i,
        schema: -53,
        customValues: [0.5, 1, 2.5],
        positiveSpans: [[0, 3]],
        positive: [i, 0, 0],
      })),
    },
  );
  return [inTime, late];
}

/** Samples with start times, which 2.0 alone can carry: their chunks have encodings of their own. */
function started(): readonly SentSeries[] {
  const points = Array.from({ length: 200 }, (_, i) => i);
  const startOf = (i: number) => (begin + Math.floor(i / 50) * 50 * step) * 1000 - 7;
  return [
    {
      labels: [['__name__', 'read_started']],
      samples: points.map((i) => ({ t: (begin + i * step) * 1000, v: i % 50, st: startOf(i) })),
    },
    {
      labels: [['__name__', 'read_started_integers']],
      histograms: points.map((i) => ({
        ...histogram(i % 50, 'integer'),
        t: (begin + i * step) * 1000,
        st: startOf(i),
      })),
    },
  ];
}

const expressions = [
  'read_started',
  'rate(read_started[10m])',
  'rate(read_started_integers[10m])',
  'read_floats',
  'read_floats{i=~"1.|2"}',
  'read_floats{i!~"1.*",i!=""}',
  'sum(rate(read_floats[5m]))',
  'count_over_time(read_floats[30m])',
  'max_over_time(read_odd[4h])',
  '{__name__=~"read_(odd|integers)"}',
  'read_integers',
  'rate(read_integers[10m])',
  'histogram_quantile(0.7, rate(read_integers[10m]))',
  'read_gauges',
  'sum_over_time(read_gauges[5m])',
  'read_customs',
  'histogram_quantile(0.4, increase(read_customs[1h]))',
  'nothing',
];

/** Passes requests on; those for Prometheus' readings without the types that they accept, so that samples come. */
async function proxyForSamples(target: string, seen: Set<string>): Promise<Server> {
  const server = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const message = requestType.decode(uncompressSync(Buffer.concat(chunks), { asBuffer: true }) as Buffer);
    const bare = requestType.encode({ ...message, accepted_response_types: [], acceptedResponseTypes: [] }).finish();
    const answer = await fetch(target, {
      method: 'POST',
      headers: {
        'x-scope-orgid': String(request.headers['x-scope-orgid']),
        'content-type': 'application/x-protobuf',
        'content-encoding': 'snappy',
      },
      body: new Uint8Array(compressSync(bare)),
    });
    seen.add(`${answer.status} ${answer.headers.get('content-type')}`);
    response.writeHead(answer.status, {
      'content-type': answer.headers.get('content-type') ?? '',
      'content-encoding': answer.headers.get('content-encoding') ?? '',
    });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const options = { skip: skipWithout('prometheus'), timeout: 120_000 };

describeEachCarrier('a Prometheus 3.15 that reads from Maru', options, (startMaru) => {
  let maru: Maru;
  let proxy: Server;
  const seen = new Set<string>();
  const readers: PrometheusServer[] = [];

  before(async () => {
    maru = await startMaru({ args: ['--enable-feature=st-storage'] });
    for (const series of sent()) {
      const { status, text } = await push(maru.baseUrl, series, { protocol: 'v1', tenant });
      assert.equal(status, 204, text);
    }
    const { status, text } = await push(maru.baseUrl, started(), { protocol: 'v2', tenant });
    assert.equal(status, 204, text);
    const url = `${maru.queryUrl}/api/v1/read`;
    proxy = await proxyForSamples(url, seen);
    const { port } = proxy.address() as AddressInfo;
    for (const readUrl of [url, `http://127.0.0.1:${port}/`]) {
      readers.push(await startPrometheus({ version: 3, scrape: {}, remoteRead: { url: readUrl, tenant } }));
    }
  });
  after(async () => {
    for (const reader of readers) await reader[Symbol.asyncDispose]();
    proxy?.close();
    await maru?.[Symbol.asyncDispose]();
  });

  for (const [index, form] of ['streamed chunks', 'samples'].entries()) {
    it(`answers as Maru does, over ${form}`, async (test) => {
      const own = { baseUrl: maru.queryUrl, tenant };
      const other = { baseUrl: (readers[index] as PrometheusServer).baseUrl };
      let compared = 0;
      for (const query of expressions) {
        for (const [path, parameters] of [
          ['query', { query, time: end }],
          ['query', { query, time: begin + 4000.5 }],
          ['query_range', { query, start: begin, end, step: 97 }],
        ] as const) {
          const expected = await ask(own, path, parameters);
          assert.equal(expected.status, 'success', query);
          // The order of a sum and the kernel of a power are not fixed.
          const agreement = /quantile|sum\(/.test(query) ? 'close' : 'bits';
          const differences = compareAnswers(expected, await ask(other, path, parameters), agreement);
          assert.deepEqual(differences, [], `${path} ${query}`);
          compared++;
        }
      }
      for (const query of [
        'read_floats[3h]',
        'read_integers[3h]',
        'read_gauges[3h]',
        'read_customs[3h]',
        'read_odd[4h]',
        'read_started[3h]',
      ]) {
        const differences = compareAnswers(
          await ask(own, 'query', { query, time: end }),
          await ask(other, 'query', { query, time: end }),
          'bits',
        );
        assert.deepEqual(differences, [], query);
        compared++;
      }
      if (form === 'samples') assert.deepEqual([...seen], ['200 application/x-protobuf']);
      test.diagnostic(`${compared} answers agree`);
    });
  }
});
