/**
 * Every request that a client makes of the product is a span, and what its handler does is below it, for the tenant that it names.
 * Owns which requests are traced (not what operators' probes and scrapes ask) and the attributes of their spans, by
 * OpenTelemetry's conventions for HTTP. Surprising: the context is entered right before the handler, which reads the body itself:
 * what the events of a socket call would not have it.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { TenantId } from '../model/tenant-id.ts';
import type { Logger } from '../telemetry/log.ts';
import { forTenant } from '../telemetry/tenant-work.ts';
import { endRequest, isTracing, type TracedRequest, traceRequest, within } from '../telemetry/trace.ts';
import type { TenantOf } from './tenant-header.ts';

/** Adds the hooks, before the routes; spans are made if there is an exporter by then. */
export function traceRequests(
  app: FastifyInstance,
  isTraced: (url: string) => boolean,
  tenantOf: TenantOf,
  log: Logger,
): void {
  const hasSpans = isTracing();
  const requests = new WeakMap<FastifyRequest, TracedRequest>();
  const isOfClient = ({ routeOptions: { url } }: FastifyRequest): boolean => url !== undefined && isTraced(url);
  const tenantIn = ({ headers }: FastifyRequest): TenantId | '' => {
    try {
      return tenantOf(headers);
    } catch {
      // Told by the handler.
      return '';
    }
  };
  const inContext = (request: FastifyRequest, act: () => void): void => {
    const traced = requests.get(request);
    forTenant(tenantIn(request), () => (traced === undefined ? act() : within(traced, act)));
  };
  app.addHook('onRequest', (request, _reply, done) => {
    if (hasSpans && isOfClient(request)) {
      const route = request.routeOptions.url ?? '';
      const tenant = tenantIn(request);
      const attributes = {
        'http.request.method': request.method,
        'http.route': route,
        ...(tenant === '' ? {} : { 'maru.tenant': tenant }),
      };
      requests.set(request, traceRequest(`${request.method} ${route}`, request.headers, attributes));
    }
    done();
  });
  app.addHook('preHandler', (request, _reply, done) => {
    if (!isOfClient(request)) {
      done();
      return;
    }
    inContext(request, done);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const traced = requests.get(request);
    if (isOfClient(request) && log.isLevelEnabled('debug')) {
      const { method, routeOptions } = request;
      const fields = { method, route: routeOptions.url, status: reply.statusCode, ms: reply.elapsedTime };
      inContext(request, () => log.debug(fields, 'a request was answered'));
    }
    if (traced !== undefined) endRequest(traced, reply.statusCode);
    done();
  });
}
