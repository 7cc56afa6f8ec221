import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Failure } from '../errors/failure.ts';
import { forTenant, tenantAtWork, tenantFields } from './tenant-work.ts';
import { keepTrace, traced, tracedBelow, traceFields, untraced } from './trace.ts';

const traceId = 'a'.repeat(32);
const parent = `00-${traceId}-00f067aa0ba902b7-01`;

describe('spans', () => {
  const exporter = new InMemorySpanExporter();
  before(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  });
  after(() => {
    context.disable();
    propagation.disable();
    trace.disable();
  });

  for (const { what, error, status, isCanceled } of [
    { what: 'that went well is none', error: undefined, status: SpanStatusCode.UNSET, isCanceled: undefined },
    {
      what: 'that nobody waits for any more is none',
      error: new Failure('canceled', 'the caller left'),
      status: SpanStatusCode.UNSET,
      isCanceled: true,
    },
    {
      what: 'that failed is one',
      error: new Failure('unavailable', 'it is away'),
      status: SpanStatusCode.ERROR,
      isCanceled: undefined,
    },
  ]) {
    it(`as an error: work ${what}`, async () => {
      exporter.reset();
      const fail = async (): Promise<void> => {
        await Promise.resolve();
        if (error !== undefined) throw error;
      };
      const work = tracedBelow(parent, 'outer', 'server', {}, () => traced('inner', {}, fail));
      await work.catch((thrown: unknown) => assert.equal(thrown, error));
      const ended = exporter.getFinishedSpans();
      assert.deepEqual(
        ended.map(({ name, status: { code }, attributes }) => [name, code, attributes['maru.canceled']]),
        ['inner', 'outer'].map((name) => [name, status, isCanceled]),
      );
    });
  }

  it('what is called back later is of the trace and the tenant of whoever asked for it', async () => {
    const seen = (): object => ({ ...traceFields(), ...tenantFields() });
    let later: () => object = seen;
    await tracedBelow(parent, 'outer', 'server', {}, async () => {
      forTenant('team-a', () => {
        const kept = keepTrace();
        later = () => kept(seen);
      });
    });
    assert.deepEqual(seen(), {});
    assert.deepEqual(later(), { trace_id: traceId, tenant: 'team-a' });
    forTenant('team-b', () => {
      assert.deepEqual(later(), { trace_id: traceId, tenant: 'team-a' });
      assert.equal(tenantAtWork(), 'team-b');
      assert.deepEqual(untraced(seen), {});
    });
  });
});
