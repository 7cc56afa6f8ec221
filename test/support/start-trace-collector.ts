/**
 * A collector of a test: takes spans over OTLP (protobuf over HTTP) and remembers them.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';

/** The part of opentelemetry/proto/collector/trace/v1 and trace/v1 that tests read. */
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

export interface SeenSpan {
  /** `service.name` of its process. */
  readonly service: string;
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

export interface TraceCollector extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** Those that have come so far. */
  readonly spans: readonly SeenSpan[];
}

/** Listens until it is disposed. */
export async function startTraceCollector(): Promise<TraceCollector> {
  const spans: SeenSpan[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const decoded = message.decode(Buffer.concat(parts));
    const { resource_spans = [] } = message.toObject(decoded, { longs: String, bytes: Buffer }) as Received;
    for (const { resource, scope_spans } of resource_spans) {
      const service = attributesOf(resource.attributes)['service.name'] ?? '';
      for (const span of scope_spans.flatMap((scope) => scope.spans)) {
        spans.push({
          service,
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
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
