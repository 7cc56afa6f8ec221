/**
 * Every request that a client makes of the product is a span, and what its handler does is below it.
 * Owns which requests are traced (not what operators' probes and scrapes ask) and the attributes of their spans, by
 * OpenTelemetry's conventions for HTTP. Surprising: the context is entered after the body was parsed, since the events of a
 * socket lose it.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { endRequest, isTracing, type TracedRequest, traceRequest, within } from '../telemetry/trace.ts';

const tenantLengthMax = 150;

/** Adds the hooks, if there is an exporter by then; before the routes. */
export function traceRequests(app: FastifyInstance, isTraced: (url: string) => boolean): void {
  if (!isTracing()) return;
  const requests = new WeakMap<FastifyRequest, TracedRequest>();
  app.addHook('onRequest', (request, _reply, done) => {
    const route = request.routeOptions.url;
    if (route !== undefined && isTraced(route)) {
      const tenant = request.headers['x-scope-orgid'];
      const attributes = {
        'http.request.method': request.method,
        'http.route': route,
        ...(typeof tenant === 'string' ? { 'maru.tenant': tenant.slice(0, tenantLengthMax) } : {}),
      };
      requests.set(request, traceRequest(`${request.method} ${route}`, request.headers, attributes));
    }
    done();
  });
  app.addHook('preHandler', (request, _reply, done) => {
    const traced = requests.get(request);
    if (traced === undefined) done();
    else within(traced, done);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const traced = requests.get(request);
    if (traced !== undefined) endRequest(traced, reply.statusCode);
    done();
  });
}
