/**
 * Spans of this process, by OpenTelemetry's API: what a piece of work was, whose, and how long it took.
 * Owns the form of a span, where a request's trace comes in and how it goes on to other processes. Does not own whether spans are
 * kept or where they go (export-traces.ts): until an exporter is started every span is a no-op, so callers never ask.
 */
import type { IncomingHttpHeaders } from 'node:http';
import {
  type Attributes,
  type Context,
  context,
  ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { Failure } from '../errors/failure.ts';
import { forTenant, tenantAtWork } from './tenant-work.ts';

const tracer = trace.getTracer('maru');

/** Whether an exporter was started. */
export function isTracing(): boolean {
  const provider = trace.getTracerProvider();
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer('maru') !== undefined;
}

/** Does `work` inside a span below the caller's, or just does it where the caller works for no trace that is kept. */
export function traced<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  if (keptSpan() === undefined) return work();
  return inside(tracer.startSpan(name, { attributes }), context.active(), work);
}

/**
 * Does `work` inside a span below that of another process.
 * @param parent what its `traceparent` gave there; '' or what is none: `work` is just done
 */
export function tracedBelow<T>(
  parent: string,
  name: string,
  kind: 'server' | 'consumer',
  attributes: Attributes,
  work: () => T,
): T {
  const from = propagation.extract(ROOT_CONTEXT, { traceparent: parent });
  if (trace.getSpanContext(from) === undefined) return work();
  const options = { kind: kind === 'server' ? SpanKind.SERVER : SpanKind.CONSUMER, attributes };
  return inside(tracer.startSpan(name, options, from), from, work);
}

/** A throw or rejection ends the span as an error and goes on; that nobody waits any more is none. `work` begins in this turn. */
function inside<T>(span: Span, parent: Context, work: () => T): T {
  const fail = (error: unknown): never => {
    if (error instanceof Failure && error.kind === 'canceled') span.setAttribute('maru.canceled', true);
    else
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    span.end();
    throw error;
  };
  let result: T;
  try {
    result = context.with(trace.setSpan(parent, span), work);
  } catch (error) {
    return fail(error);
  }
  if (!(result instanceof Promise)) {
    span.end();
    return result;
  }
  const ended = (value: unknown): unknown => {
    span.end();
    return value;
  };
  return result.then(ended, fail) as T;
}

/** The span that the caller works for, if it is one that is exported. */
function keptSpan(): Span | undefined {
  const span = trace.getActiveSpan();
  return span !== undefined && (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0 ? span : undefined;
}

/** How another process goes on with the caller's trace (W3C traceparent); '' where there is none, or none that is kept. */
export function traceparent(): string {
  const span = keptSpan();
  if (span === undefined) return '';
  const { traceId, spanId } = span.spanContext();
  return `00-${traceId}-${spanId}-01`;
}

/** Does something in a certain trace, whoever calls. */
export type InTrace = <T>(work: () => T) => T;

/** Does `work` for no trace and no tenant: what is not of the request that happens to be under way. */
export const untraced: InTrace = (work) => forTenant('', () => context.with(ROOT_CONTEXT, work));

/** For what is called back later by somebody else, an event or a worker: does it in the trace, and for the tenant, that the caller works for now. */
export function keepTrace(): InTrace {
  const active = context.active();
  const tenant = tenantAtWork();
  return (work) => forTenant(tenant, () => context.with(active, work));
}

/** A request that was taken: its span, and the context to handle it in. */
export interface TracedRequest {
  readonly span: Span;
  readonly context: Context;
}

/** Begins the span of a request, below the sender's where its headers name one (W3C traceparent). */
export function traceRequest(name: string, headers: IncomingHttpHeaders, attributes: Attributes): TracedRequest {
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
  return { span, context: trace.setSpan(parent, span) };
}

/** Lets `next` and all that follows from it see the request's span as the active one. */
export function within(request: TracedRequest, next: () => void): void {
  context.with(request.context, next);
}

/** Ends the span of a request that was answered. */
export function endRequest({ span }: TracedRequest, httpStatus: number): void {
  span.setAttribute('http.response.status_code', httpStatus);
  if (httpStatus >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** The trace that the caller works for, in the words of a log line; nothing where there is none. */
export function traceFields(): { trace_id?: string } {
  const span = trace.getActiveSpan();
  return span === undefined ? {} : { trace_id: span.spanContext().traceId };
}
