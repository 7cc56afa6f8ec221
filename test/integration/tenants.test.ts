/**
 * Tenants never meet: a second tenant that tries every endpoint and every trick with names sees nothing of the first.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import protobuf from 'protobufjs';
import { compressSync } from 'snappy';
import { describeEachCarrier } from '../support/carriers.ts';
import { push, pushBody } from '../support/push-client.ts';
import { ask, queryAt } from '../support/query-client.ts';
import { rawRequest } from '../support/raw-http.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import type { Maru } from '../support/start-maru.ts';

const victim = 'victim';
/** Legal names that other software trips over. */
const hostileLegalNames = [
  '__proto__',
  'constructor',
  'toString',
  'Victim',
  'VICTIM',
  'victim.',
  '...',
  '.victim',
  "vic'tim",
  '(victim)',
  '*',
  '!',
  'victim-1',
  '_',
  'v'.repeat(150),
];
/** Names that break a rule of Mimir, as bytes of a header. */
const illegalNames = [
  '..',
  '.',
  'a/b',
  '__mimir_cluster',
  '../victim',
  '%2e',
  '%2e%2e',
  'v'.repeat(151),
  'victim|other',
  'a\\b',
  'victim\u0001',
  'victim\u007f',
  'a b',
  'a\tb',
  'victim,other',
  '\u00e9',
  'a:b',
  '$victim',
  'victim?',
  '{victim}',
];

const readSchema = protobuf.parse(`syntax = "proto3";
message LabelMatcher { int32 type = 1; string name = 2; string value = 3; }
message Query { int64 start_timestamp_ms = 1; int64 end_timestamp_ms = 2; repeated LabelMatcher matchers = 3; }
message ReadRequest { repeated Query queries = 1; repeated int32 accepted_response_types = 2; }`).root;

/** A remote read request for every series. */
function readEverything(acceptedResponseTypes: readonly number[]): Uint8Array<ArrayBuffer> {
  const type = readSchema.lookupType('ReadRequest');
  const matchers = [{ type: 2, name: '__name__', value: '.+' }];
  const message = { queries: [{ endTimestampMs: Date.now() + 60_000, matchers }], acceptedResponseTypes };
  return new Uint8Array(compressSync(Buffer.from(type.encode(type.fromObject(message)).finish())));
}

const queryPort = (maru: Maru): number => Number(new URL(maru.queryUrl).port);

describeEachCarrier('tenants', { timeout: 120_000 }, (startMaru) => {
  let maru: Maru;
  const now = Math.floor(Date.now() / 1000);
  const secret: SentSeries[] = [
    {
      labels: [
        ['__name__', 'secret_metric'],
        ['secret_label', 'secret_value'],
      ],
      samples: [{ t: now * 1000, v: 42 }],
      exemplars: [{ labels: [['trace_id', 'secret_trace']], t: now * 1000, v: 1 }],
      metadata: { type: 2, help: 'secret_help', unit: '' },
    },
  ];
  before(async () => {
    maru = await startMaru({ args: ['--enable-feature=search-api'] });
    assert.equal((await push(maru.baseUrl, secret, { protocol: 'v2', tenant: victim })).status, 204);
  });
  after(() => maru?.[Symbol.asyncDispose]());

  /** Every read endpoint as text, for one tenant. */
  const readAll = async (tenant: string | undefined, prefix: string): Promise<string> => {
    const target = {
      baseUrl: `${new URL(maru.queryUrl).origin}${prefix}`,
      ...(tenant === undefined ? {} : { tenant }),
    };
    const range = { start: now - 3600, end: now + 60 };
    const everything = '{__name__=~".+"}';
    const answers = [
      await ask(target, 'query', { query: 'secret_metric', time: now }),
      await ask(target, 'query', { query: 'secret_metric', time: now }, 'POST'),
      await ask(target, 'query', { query: `${everything}[1h]`, time: now }),
      await ask(target, 'query', { query: 'count_values("v", {secret_label=~".+"})', time: now }),
      await ask(target, 'query', { query: '{secret_label!=""}', time: now, tenant: victim, 'X-Scope-OrgID': victim }),
      await ask(target, 'query_range', { query: 'secret_metric', ...range, step: 15 }),
      await ask(target, 'query_exemplars', { query: 'secret_metric', ...range }),
      await ask(target, 'series', { 'match[]': 'secret_metric', ...range }),
      await ask(target, 'series', { 'match[]': '{secret_label=~".+"}', ...range }, 'POST'),
      await ask(target, 'labels', range),
      await ask(target, 'labels'),
      await ask(target, 'label/__name__/values', range),
      await ask(target, 'label/secret_label/values'),
      await ask(target, 'metadata'),
      await ask(target, 'metadata', { metric: 'secret_metric' }),
      await ask(target, 'rules'),
      await ask(target, 'alerts'),
      await ask(target, 'status/buildinfo'),
      await ask(target, 'status/tsdb', { limit: 100 }),
      // What may hold a costly pattern takes another way.
      await ask(target, 'label/secret_label/values', { 'match[]': '{secret_label=~"(s?){200}.+"}' }),
      await ask(target, 'query', { query: '{secret_label=~"(s?){200}.+"}', time: now }),
    ];
    for (const answer of answers) assert.equal(answer.status, 'success', JSON.stringify(answer));
    const headers: Record<string, string> = tenant === undefined ? {} : { 'x-scope-orgid': tenant };
    const texts: string[] = [];
    for (const [path, init] of [
      [`/federate?match[]=${encodeURIComponent(everything)}`, {}],
      [`/api/v1/search/metric_names?include_metadata=true&start=${range.start}`, {}],
      [`/api/v1/search/label_names?start=${range.start}`, {}],
      [`/api/v1/search/label_values?label=secret_label&start=${range.start}`, {}],
      ['/api/v1/read', { method: 'POST', body: readEverything([0]) }],
      ['/api/v1/read', { method: 'POST', body: readEverything([1]) }],
    ] as const) {
      const answer = await fetch(`${new URL(maru.queryUrl).origin}${prefix}${path}`, { headers, ...init });
      assert.equal(answer.status, 200, path);
      texts.push(Buffer.from(await answer.arrayBuffer()).toString('latin1'));
    }
    return JSON.stringify(answers.map(({ data }) => data)) + texts.join('\n');
  };

  it('the first sees its own through every endpoint', async () => {
    for (const prefix of ['', '/prometheus']) {
      const seen = await readAll(victim, prefix);
      for (const word of ['secret_metric', 'secret_value', 'secret_trace', 'secret_help', '"42"'])
        assert.ok(seen.includes(word), `${word} in ${prefix}`);
    }
  });

  it('another sees nothing of it through any endpoint, before and after it writes', async () => {
    for (const tenant of ['other', undefined, ...hostileLegalNames]) {
      for (const prefix of ['', '/prometheus'])
        assert.doesNotMatch(await readAll(tenant, prefix), /secret_(value|trace|help)|"42"/, String(tenant));
      const own: SentSeries[] = [
        {
          labels: [
            ['__name__', 'secret_metric'],
            ['owner', tenant ?? 'nobody'],
          ],
          samples: [{ t: now * 1000, v: 7 }],
        },
      ];
      const answer = await push(maru.baseUrl, own, { protocol: 'v1', ...(tenant === undefined ? {} : { tenant }) });
      assert.equal(answer.status, 204, `${tenant}: ${answer.text}`);
      assert.doesNotMatch(await readAll(tenant, '/prometheus'), /secret_(value|trace|help)|"42"/, String(tenant));
      const { result } = await queryAt(
        { baseUrl: maru.queryUrl, ...(tenant === undefined ? {} : { tenant }) },
        'secret_metric',
        now,
      );
      assert.deepEqual(
        result.map(({ metric, value }) => [metric.owner, value?.[1]]),
        [[tenant ?? 'nobody', '7']],
      );
    }
    assert.match(await readAll(victim, '/prometheus'), /"42"/);
  });

  it('names that break a rule are rejected on every kind of endpoint', async () => {
    const body = pushBody('v1', [{ labels: [['__name__', 'smuggled']], samples: [{ t: now * 1000, v: 1 }] }]);
    for (const name of illegalNames) {
      const header = `x-scope-orgid: ${Buffer.from(name, 'utf8').toString('latin1')}`;
      const written = await rawRequest(
        maru.port,
        [
          'POST /api/v1/push HTTP/1.1',
          'host: maru',
          'content-type: application/x-protobuf',
          'content-encoding: snappy',
          header,
          `content-length: ${body.length}`,
        ],
        body,
      );
      assert.match(written, /^HTTP\/1\.1 4\d\d /, `${JSON.stringify(name)}: ${written.slice(0, 200)}`);
      const read = await rawRequest(
        queryPort(maru),
        ['GET /prometheus/api/v1/query?query=up HTTP/1.1', 'host: maru', header],
        new Uint8Array(0),
      );
      assert.match(read, /^HTTP\/1\.1 4\d\d /, `${JSON.stringify(name)}: ${read.slice(0, 200)}`);
    }
    assert.ok(maru.isRunning());
    for (const tenant of [victim, undefined]) {
      const target = { baseUrl: maru.queryUrl, ...(tenant === undefined ? {} : { tenant }) };
      assert.deepEqual((await queryAt(target, 'smuggled', now)).result, []);
    }
  });

  it('two tenant headers are never the first or the second tenant at will', async () => {
    const heads = [`x-scope-orgid: ${victim}`, 'x-scope-orgid: other'];
    const read = await rawRequest(
      queryPort(maru),
      ['GET /prometheus/api/v1/query?query=secret_metric HTTP/1.1', 'host: maru', ...heads],
      new Uint8Array(0),
    );
    assert.match(read, /^HTTP\/1\.1 4\d\d /, read.slice(0, 300));
  });

  it('all of it outlives a restart', async () => {
    await maru.kill();
    maru.launch();
    await maru.ready();
    assert.match(await readAll(victim, ''), /"42"/);
    for (const tenant of ['other', undefined, ...hostileLegalNames])
      assert.doesNotMatch(await readAll(tenant, '/prometheus'), /secret_(value|trace|help)|"42"/);
  });
});

describeEachCarrier('tenancy.missing-header=reject', {}, (startMaru) => {
  it('401 `no org id` on writes and reads', async () => {
    await using maru = await startMaru({ args: ['--tenancy.missing-header=reject'] });
    const answer = await push(maru.baseUrl, [], { protocol: 'v1' });
    assert.equal(answer.status, 401);
    assert.match(answer.text, /no org id/);
    for (const path of [
      'query?query=up',
      'labels',
      'label/a/values',
      'series?match[]=up',
      'metadata',
      'query_exemplars?query=up',
    ]) {
      const read = await fetch(`${maru.queryUrl}/api/v1/${path}`);
      assert.equal(read.status, 401, path);
      assert.match(await read.text(), /no org id/);
    }
    assert.equal((await push(maru.baseUrl, [], { protocol: 'v1', tenant: 'someone' })).status, 204);
  });
});
