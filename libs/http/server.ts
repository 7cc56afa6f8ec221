/**
 * The process' HTTP server: what every room's routes share.
 * Owns timeouts against senders that never finish and readers that never read, the answer to what nobody handles, the operator's endpoints (/ready,
 * /healthz, /metrics) and the end of connections. Does not own any other route: rooms register plugins. Surprising: it listens
 * before the rooms are ready, so that /ready can say why they are not.
 */
import { isAscii } from 'node:buffer';
import type { Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify, type RouteHandler } from 'fastify';
import { Failure } from '../errors/failure.ts';
import { openFilesMax } from '../std/open-files.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { version } from '../telemetry/version.ts';
import { isUnexpected, sendFailure } from './failure-response.ts';
import { isRefusal } from './refusal.ts';
import { headerBytesMax, refuseGarbage } from './refuse-garbage.ts';
import type { TenantOf } from './tenant-header.ts';
import { traceRequests } from './trace-requests.ts';

export interface HttpConfig {
  readonly httpAddress: string;
  /** 0 picks a free port. */
  readonly httpPort: number;
  /** A request must have arrived whole within this, and of an answer something must be taken. */
  readonly readTimeout: number;
}

export interface HttpServer {
  readonly app: FastifyInstance;
  /** Starts to accept. @returns the URL under which it listens */
  listen(): Promise<string>;
  /** Stops accepting, lets answers under way finish. */
  close(): Promise<void>;
}

const headersTimeoutMs = 10_000;
const keepAliveTimeoutMs = 120_000;
/** How often connections that are too slow are looked for. */
const checkEveryMs = 1_000;
/** Connections beyond this, or beyond half of the files that the process may open, are closed as they come. */
const connectionsMax = 20_000;
/** Connections with a request under way are given this long when the process stops. */
const drainMs = 15_000;
/** Bodies up to this are written together with the head. */
const oneWriteBytesMax = 16 << 10;

export interface HttpDeps {
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly tenantOf: TenantOf;
  /** One line for each thing that is not ready. */
  readonly notReady: () => readonly string[];
  /** One line for each thing that is amiss although the process is ready: what needs it fails, the rest goes on. */
  readonly amiss?: () => readonly string[];
  /** Answers, as an API does, a URL that cannot be decoded; undefined where it is none of its own. */
  readonly refuse?: (request: FastifyRequest, reply: FastifyReply) => FastifyReply | Promise<FastifyReply> | undefined;
}

export function createHttpServer(
  config: HttpConfig,
  { metrics, log, tenantOf, notReady, amiss = () => [], refuse = () => undefined }: HttpDeps,
): HttpServer {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    // The rooms are there until the last connection has gone.
    return503OnClosing: false,
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: config.readTimeout,
    http: {
      headersTimeout: Math.min(headersTimeoutMs, config.readTimeout),
      requestTimeout: config.readTimeout,
      connectionsCheckingInterval: checkEveryMs,
      maxHeaderSize: headerBytesMax,
    },
    clientErrorHandler: refuseGarbage,
    routerOptions: { maxParamLength: 2048, ignoreDuplicateSlashes: true },
    // What fastify refuses before a route is found, such as a path with a broken percent escape.
    frameworkErrors: (error, request, reply) => refuse(request, reply) ?? sendFailure(reply, error),
  });
  // A body is read by those who want one, and count it (read-body.ts): whatever is sent to any other URL stays with the connection.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  // The log and blocks need files, too.
  app.server.maxConnections = Math.min(connectionsMax, Math.floor(openFilesMax() / 2));
  /** Which methods a URL without parameters has, for the answer to others. */
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method, config }) => {
    if (isRefusal(config)) return;
    const methods = methodsOf.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    methodsOf.set(url, methods);
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    // Counts while nothing can be written; node resets it when the answer is out. A request that was given up has no socket any more.
    const socket: Socket | null = request.raw.socket;
    socket?.setTimeout(config.readTimeout);
    done(null, isPlain(request.headers.origin) ? inOneWrite(payload) : payload);
  });
  traceRequests(app, (url) => !operatorUrls.has(url), tenantOf, log);
  app.setErrorHandler((error, request, reply) => {
    if (isUnexpected(error)) {
      const { method, routeOptions } = request;
      log.error({ error: String(error), stack: stackOf(error), method, url: routeOptions.url }, 'a request failed');
    }
    return sendFailure(reply, error);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const methods = methodsOf.get(path);
    if (methods === undefined) {
      return sendFailure(reply, new Failure('not_found', `no such endpoint: ${request.method} ${path.slice(0, 200)}`));
    }
    reply
      .code(405)
      .header('allow', [...methods].join(', '))
      .type('text/plain; charset=utf-8');
    return reply.send(`${request.method} is not allowed here, only ${[...methods].join(', ')}\n`);
  });
  app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(frontPage));
  // Some probes ask with HEAD, and Prometheus answers them.
  const method = ['GET', 'HEAD'];
  for (const url of ['/ready', '/-/ready']) {
    const handler: RouteHandler = (_request, reply) => {
      const reasons = notReady();
      reply.type('text/plain; charset=utf-8');
      if (reasons.length > 0) return reply.code(503).send(`${reasons.join('\n')}\n`);
      return reply.send(`${['ready', ...amiss()].join('\n')}\n`);
    };
    app.route({ method, url, handler });
  }
  for (const url of ['/healthz', '/-/healthy']) {
    const handler: RouteHandler = (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n');
    app.route({ method, url, handler });
  }
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return reply.send(await metrics.registry.metrics());
  });
  return {
    app,
    listen: () => app.listen({ host: config.httpAddress, port: config.httpPort }),
    close: async () => {
      // A connection that was busy when the end began stays open for its keep-alive otherwise.
      const idle = setInterval(() => app.server.closeIdleConnections(), 50);
      const busy = setTimeout(() => app.server.closeAllConnections(), drainMs);
      try {
        await app.close();
      } finally {
        clearInterval(idle);
        clearTimeout(busy);
      }
    },
  };
}

/** What probes, scrapes and browsers ask: never traced. */
const operatorUrls: ReadonlySet<string> = new Set(['/', '/ready', '/-/ready', '/healthz', '/-/healthy', '/metrics']);

/**
 * Whether the head is of ASCII: what came in another encoding is given back as it came, and node writes the head of a text in the text's.
 * @param origin all that an answer repeats of its request's head
 */
const isPlain = (origin: string | undefined): boolean => origin === undefined || isAscii(Buffer.from(origin));

/** A short body as a text, which node writes together with the head: a write costs as much as all else of a short answer. */
function inOneWrite(body: unknown): unknown {
  return Buffer.isBuffer(body) && body.length <= oneWriteBytesMax && isAscii(body) ? body.toString('latin1') : body;
}

const stackOf = (error: unknown): string | undefined => (error instanceof Error ? error.stack : undefined);

/** For the person who opens the port in a browser. */
const frontPage = `<!doctype html>
<meta charset="utf-8">
<title>Maru</title>
<style>body { font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em } code { background: #eee }</style>
<h1>Maru ${version}</h1>
<p>A multi-tenant, long-term Prometheus backend.</p>
<ul>
<li>Prometheus writes to <code>/api/v1/push</code>.</li>
<li>Grafana's Prometheus data source asks <code>/prometheus</code>.</li>
<li><a href="/ready">/ready</a>, <a href="/healthz">/healthz</a>, <a href="/metrics">/metrics</a></li>
</ul>
`;
