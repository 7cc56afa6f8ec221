/**
 * One push and one query are each one trace: their spans reach a collector over OTLP, below the sender's own span, and the
 * log lines of their work carry the trace's id.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { push } from '../support/push-client.ts';
import { startMaru } from '../support/start-maru.ts';
import { type SeenSpan, startTraceCollector } from '../support/start-trace-collector.ts';
import { waitFor } from '../support/wait-until.ts';

it('a push and a query are each one trace, below the span of who sent them', { timeout: 60_000 }, async () => {
  await using collector = await startTraceCollector();
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
  assert.deepEqual([...new Set(collector.spans.map(({ service }) => service))], ['maru-of-a-test']);
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
