/**
 * Spans of this process, by OpenTelemetry's API: what a piece of work was, whose, and how long it took.
 * Owns the form of a span and where a request's trace comes in. Does not own whether spans are kept or where they go
 * (export-traces.ts): until an exporter is started every span is a no-op, so callers never ask.
 */
import type { IncomingHttpHeaders } from 'node:http';
import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

const tracer = trace.getTracer('maru');

/** Does `work` inside a span; a throw or rejection ends the span as an error and goes on. `work` begins in this turn. */
export async function traced<T>(name: string, attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T> {
  const span = tracer.startSpan(name, { attributes });
  try {
    return await context.with(trace.setSpan(context.active(), span), work, undefined, span);
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    throw error;
  } finally {
    span.end();
  }
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

/** The headers by which another process goes on with the caller's trace; none where there is no trace. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/** The trace that the caller works for, in the words of a log line; nothing where there is none. */
export function traceFields(): { trace_id?: string } {
  const span = trace.getActiveSpan();
  return span === undefined ? {} : { trace_id: span.spanContext().traceId };
}
