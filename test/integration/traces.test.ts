/**
 * One push and one query are each one trace: their spans reach a collector over OTLP, below the sender's own span, and the
 * log lines of their work carry the trace's id.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import protobuf from 'protobufjs';
import { push } from '../support/push-client.ts';
import { startMaru } from '../support/start-maru.ts';
import { waitFor } from '../support/wait-until.ts';

/** The part of opentelemetry/proto/collector/trace/v1 and trace/v1 that the test reads. */
const message = protobuf
  .parse(
    `syntax = "proto3";
    message Request { repeated ResourceSpans resource_spans = 1; }
    message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
    message Resource { repeated KeyValue attributes = 1; }
    message ScopeSpans { repeated Span spans = 2; }
    message Span { bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6; repeated KeyValue attributes = 9; Status status = 15; }
    message Status { string message = 2; int32 code = 3; }
    message KeyValue { string key = 1; Value value = 2; }
    message Value { string string_value = 1; int64 int_value = 3; }`,
    { keepCase: true },
  )
  .root.lookupType('Request');

interface SeenSpan {
  readonly name: string;
  readonly trace: string;
  readonly id: string;
  readonly parent: string;
  readonly attributes: Readonly<Record<string, string>>;
}

interface Attribute {
  key: string;
  value: { string_value?: string; int_value?: string };
}
interface ReceivedSpan {
  trace_id: Buffer;
  span_id: Buffer;
  parent_span_id: Buffer;
  name: string;
  attributes?: Attribute[];
}
interface Received {
  resource_spans?: { resource: { attributes: Attribute[] }; scope_spans: { spans: ReceivedSpan[] }[] }[];
}

const attributesOf = (list: readonly Attribute[] = []) =>
  Object.fromEntries(list.map(({ key, value }) => [key, value.string_value ?? String(value.int_value)]));

async function startCollector() {
  const spans: SeenSpan[] = [];
  const services = new Set<string>();
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const decoded = message.decode(Buffer.concat(parts));
    const { resource_spans = [] } = message.toObject(decoded, { longs: String, bytes: Buffer }) as Received;
    for (const { resource, scope_spans } of resource_spans) {
      services.add(attributesOf(resource.attributes)['service.name'] ?? '');
      for (const span of scope_spans.flatMap((scope) => scope.spans)) {
        spans.push({
          name: span.name,
          trace: span.trace_id.toString('hex'),
          id: span.span_id.toString('hex'),
          parent: span.parent_span_id?.toString('hex') ?? '',
          attributes: attributesOf(span.attributes),
        });
      }
    }
    response.setHeader('content-type', 'application/x-protobuf').end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    services,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

it('a push and a query are each one trace, below the span of who sent them', { timeout: 60_000 }, async () => {
  await using collector = await startCollector();
  await using maru = await startMaru({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_SERVICE_NAME: 'maru-of-a-test',
    },
  });
  const traceparent = (trace: string) => `00-${trace}-00f067aa0ba902b7-01`;
  const [pushed, asked, failed] = ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32)];
  const labels: [string, string][] = [['__name__', 'up']];
  const answer = await push(maru.baseUrl, [{ labels, samples: [{ t: Date.now(), v: 1 }] }], {
    protocol: 'v2',
    tenant: 'team-a',
    headers: { traceparent: traceparent(pushed) },
  });
  assert.equal(answer.status, 204);
  const query = await fetch(`${maru.queryUrl}/api/v1/query`, {
    method: 'POST',
    body: new URLSearchParams({ query: 'sum(up)' }),
    headers: { traceparent: traceparent(asked), 'x-scope-orgid': 'team-a' },
  });
  assert.equal(query.status, 200);
  await query.text();
  const bad = await fetch(`${maru.queryUrl}/api/v1/query?query=sum(`, {
    headers: { traceparent: traceparent(failed) },
  });
  assert.equal(bad.status, 400);
  await (await fetch(`${maru.baseUrl}/metrics`)).text();

  const route = (span: SeenSpan) => span.attributes['http.route'] ?? '';
  await waitFor('the spans of all three', () =>
    [pushed, asked, failed].every((trace) => collector.spans.some((span) => span.trace === trace && route(span) !== ''))
      ? true
      : undefined,
  );
  for (const { trace, name, child } of [
    { trace: pushed, name: 'POST /api/v1/push', child: 'ingester.push' },
    { trace: asked, name: 'POST /prometheus/api/v1/query', child: 'querier.query' },
  ]) {
    const spans = collector.spans.filter((span) => span.trace === trace);
    const server = spans.find((span) => span.name === name) ?? assert.fail(JSON.stringify(spans));
    assert.equal(server.parent, '00f067aa0ba902b7');
    assert.equal(server.attributes['maru.tenant'], 'team-a');
    const below = spans.find((span) => span.name === child) ?? assert.fail(JSON.stringify(spans));
    assert.equal(below.parent, server.id);
  }
  const refused = collector.spans.find((span) => span.trace === failed && route(span) !== '');
  assert.equal(refused?.attributes['http.response.status_code'], '400');
  assert.deepEqual([...collector.services], ['maru-of-a-test']);
  assert.equal(
    collector.spans.some((span) => span.attributes['http.route'] === '/metrics'),
    false,
    'scrapes are not traced',
  );
});

it('a collector that is away holds nothing up', { timeout: 60_000 }, async () => {
  await using maru = await startMaru({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_BSP_SCHEDULE_DELAY: '50' },
  });
  const answer = await push(maru.baseUrl, [{ labels: [['__name__', 'up']], samples: [{ t: Date.now(), v: 1 }] }], {
    protocol: 'v1',
  });
  assert.equal(answer.status, 204);
  assert.deepEqual(await maru.stop(), { code: 0, signal: null });
});
