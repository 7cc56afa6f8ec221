/**
 * The process' HTTP server: what every room's routes share.
 * Owns timeouts against senders that never finish, the answer to what nobody handles, and the operator's endpoints (/ready, /healthz,
 * /metrics). Does not own any other route: rooms register plugins. Surprising: it listens before the rooms are ready, so that
 * /ready can say why they are not.
 */
import { type FastifyInstance, fastify } from 'fastify';
import { Failure } from '../errors/failure.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { sendFailure } from './failure-response.ts';

export interface HttpConfig {
  readonly httpAddress: string;
  /** 0 picks a free port. */
  readonly httpPort: number;
  /** A request must have arrived whole within this. */
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

/** @param notReady one line for each thing that is not ready */
export function createHttpServer(config: HttpConfig, metrics: Metrics, notReady: () => readonly string[]): HttpServer {
  const app = fastify({
    logger: false,
    disableRequestLogging: true,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    keepAliveTimeout: keepAliveTimeoutMs,
    requestTimeout: config.readTimeout,
    http: {
      headersTimeout: Math.min(headersTimeoutMs, config.readTimeout),
      requestTimeout: config.readTimeout,
      connectionsCheckingInterval: checkEveryMs,
    },
    routerOptions: { maxParamLength: 2048 },
  });
  app.setErrorHandler((error, _request, reply) => sendFailure(reply, error));
  app.setNotFoundHandler((request, reply) =>
    sendFailure(
      reply,
      new Failure('not_found', `no such endpoint: ${request.method} ${request.url.split('?')[0]?.slice(0, 200)}`),
    ),
  );
  for (const url of ['/ready', '/-/ready']) {
    app.get(url, (_request, reply) => {
      const reasons = notReady();
      reply.type('text/plain; charset=utf-8');
      return reasons.length === 0 ? reply.send('ready\n') : reply.code(503).send(`${reasons.join('\n')}\n`);
    });
  }
  for (const url of ['/healthz', '/-/healthy']) {
    app.get(url, (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'));
  }
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return reply.send(await metrics.registry.metrics());
  });
  return {
    app,
    listen: () => app.listen({ host: config.httpAddress, port: config.httpPort }),
    close: () => app.close(),
  };
}
