/**
 * Where spans go: over OTLP (protobuf over HTTP) to a collector, as the standard environment variables say
 * (opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables). Without an endpoint there is no tracing, and
 * nothing of the SDK is even loaded: it costs a third of a second at start.
 */
import { hostname } from 'node:os';

export interface TraceExport {
  /** Sends what is left. Never throws: a collector that is away is no reason not to stop. */
  stop(): Promise<void>;
}

/** How long the last spans may take when the process stops. */
const flushMs = 2_000;

/**
 * Starts exporting if OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, and neither OTEL_SDK_DISABLED
 * nor OTEL_TRACES_EXPORTER=none stands against it. The service is `maru`, or `maru-ingester` and the like in a process that is not
 * all of it, unless OTEL_SERVICE_NAME says otherwise. Sampling, batching, headers, resource: by their OTEL_* variables.
 */
export async function startTraceExport(
  env: Readonly<Record<string, string | undefined>>,
  version: string,
  targets: readonly string[],
): Promise<TraceExport | undefined> {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT ?? '';
  if (endpoint === '' || env.OTEL_SDK_DISABLED === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return undefined;
  const [api, sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }, core, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/context-async-hooks'),
    import('@opentelemetry/core'),
    import('@opentelemetry/resources'),
  ]);
  const own = resources.resourceFromAttributes({
    'service.name': targets.includes('all') ? 'maru' : `maru-${targets.join('-')}`,
    'service.version': version,
    'service.instance.id': `${hostname()}:${process.pid}`,
  });
  const named = resources.detectResources({ detectors: [resources.envDetector] });
  const provider = new sdk.BasicTracerProvider({
    resource: resources.defaultResource().merge(own).merge(named),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter())],
  });
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  api.propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  api.trace.setGlobalTracerProvider(provider);
  return {
    async stop() {
      const late = new Promise<void>((resolve) => setTimeout(resolve, flushMs).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}
