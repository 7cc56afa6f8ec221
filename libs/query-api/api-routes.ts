/**
 * The read API as HTTP: under /prometheus and at the root, GET and POST form.
 * Owns the way from a request to a form and from an answer to bytes on the wire: status, content type, CORS, compression,
 * and the client's leaving, which ends its query. Does not own who answers: a querier itself, or a query-frontend through one.
 * Facts: Prometheus 3.15 util/httputil (cors.go, compression.go), web/api/v1/api.go (Register, respond, respondError).
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ReadConsistency } from '../contracts/ingester.ts';
import { Failure } from '../errors/failure.ts';
import { type BodyLimits, readBody } from '../http/read-body.ts';
import { refusal } from '../http/refusal.ts';
import { anonymousTenant, type TenantOf } from '../http/tenant-header.ts';
import type { TenantId } from '../model/tenant-id.ts';
import { InflightBytes } from '../std/inflight-bytes.ts';
import { usableMemoryBytes } from '../std/usable-memory.ts';
import type { AnswerBody, ApiAnswer } from './api-answer.ts';
import { type ApiCall, apiDress, type Dress } from './api-call.ts';
import { type ApiPath, type ApiRow, apiRows } from './api-paths.ts';
import { badLabelPath } from './bad-label-path.ts';
import { acceptedEncoding, compressBody } from './compress-body.ts';
import { giveBackWhenSent } from './give-back.ts';
import { type MediaValue, parseMediaValue } from './media-value.ts';
import { multipartFields } from './multipart-form.ts';
import { RequestForm } from './request-form.ts';

const prefixes = ['/prometheus', ''];
/** Every answer ends with it, as a rule after all is sent: made once, because an error with a stack is not cheap. */
const clientLeft = new Failure('canceled', 'the client has left');
const formType = 'application/x-www-form-urlencoded';
const multipartType = 'multipart/form-data';
/** Under which a request has what its `Content-Type` says. */
const mediaKey = 'media';
/** What stands for a body until it is read. */
const hasBody = 'body';

/** What all bodies in the process may take together; read, one becomes a text and its parameters. */
const inflightShareOfMemory = 16;
/** So many of the largest size find room in any case. */
const largestInflight = 4;

/** What is told about every call when it has ended. */
export interface CallReport {
  readonly tenant: TenantId | undefined;
  readonly path: string;
  readonly form: RequestForm;
  readonly seconds: number;
  /** Undefined where the call succeeded. */
  readonly failure: Failure | undefined;
}

export interface RouteDeps {
  /** @throws Failure, which is dressed as the path wants it */
  readonly answer: (path: ApiPath, call: ApiCall) => Promise<ApiAnswer>;
  readonly maxFormBytes: number;
  /** What all bodies in the process may take together; absent, a share of the memory. */
  readonly inflightBytesMax?: number;
  /** A body must come at a pace that would have it here within this. */
  readonly arrivalMs: number;
  readonly tenantOf: TenantOf;
  readonly report: (call: CallReport) => void;
}

/** A fastify plugin with all routes of the API. */
export function apiRoutes(deps: RouteDeps): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    // Bodies are read by the handler, which counts them.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => done(null, hasBody));
    app.decorateRequest(mediaKey);
    const bodies: Bodies = {
      limits: { bytesMax: deps.maxFormBytes, tooLargeText, arrivalMs: deps.arrivalMs },
      inflight: new InflightBytes(
        deps.inflightBytesMax ??
          Math.max(usableMemoryBytes() / inflightShareOfMemory, largestInflight * deps.maxFormBytes),
        'bodies of queries',
      ),
    };
    app.addHook('onRequest', (request, _reply, done) => {
      // Fastify refuses what is no type; in Go it is none of a form.
      const type = request.headers['content-type'];
      if (type !== undefined) {
        if (type !== '') request.setDecorator(mediaKey, parseMediaValue(type));
        request.headers['content-type'] = 'application/octet-stream';
      }
      done();
    });
    app.setErrorHandler((error, request, reply) => {
      const { dress = apiDress } = request.routeOptions.config as { dress?: Dress };
      return send(request, reply, dress, dress.failure(asFailure(error)));
    });
    for (const prefix of prefixes) {
      const noContent = { httpStatus: 204, body: undefined };
      app.options(`${prefix}/api/v1/*`, (request, reply) => send(request, reply, apiDress, noContent));
      for (const row of apiRows) addRoute(app, prefix, row, deps, bodies);
    }
  };
}

/** Answers a path whose label name is no UTF-8, for which there is no route; undefined where it is none of these. */
export function refuseBadLabel(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> | undefined {
  const failure = badLabelPath(request.raw.url ?? '');
  if (failure === undefined) return undefined;
  if (request.method !== 'GET') return refuseMethod(reply, 'GET, OPTIONS');
  return send(request, reply, apiDress, apiDress.failure(failure));
}

/** What bodies meet before they are read. */
interface Bodies {
  readonly limits: BodyLimits;
  readonly inflight: InflightBytes;
}

function tooLargeText(bytesMax: number): string {
  return `the body is too large: larger than ${bytesMax} bytes. To adjust the related limit, configure query.max-form-bytes.`;
}

function addRoute(app: FastifyInstance, prefix: string, row: ApiRow, deps: RouteDeps, bodies: Bodies): void {
  const url = prefix + row.path;
  app.route({
    method: [...row.methods],
    url,
    exposeHeadRoute: false,
    config: { dress: row.dress },
    handler: (request, reply) => answer(request, reply, row, deps, bodies),
  });
  const others = ['HEAD', 'GET', 'POST', 'PUT', 'DELETE', 'PATCH'].filter(
    (method) => !row.methods.some((one) => one === method),
  );
  const allowed = [...row.methods, 'OPTIONS'].sort().join(', ');
  app.route({ method: others, url, config: refusal, handler: (_request, reply) => refuseMethod(reply, allowed) });
  if (url.startsWith(`${prefix}/api/v1/`)) return;
  app.options(url, (_request, reply) => reply.header('allow', allowed).send());
}

async function refuseMethod(reply: FastifyReply, allowed: string): Promise<FastifyReply> {
  return reply.code(405).header('allow', allowed).type('text/plain; charset=utf-8').send('Method Not Allowed\n');
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  row: ApiRow,
  deps: RouteDeps,
  bodies: Bodies,
): Promise<FastifyReply> {
  let begin = performance.now();
  const form = new RequestForm();
  let tenant: TenantId | undefined;
  let failure: Failure | undefined;
  let result: ApiAnswer;
  const client = new AbortController();
  reply.raw.once('close', () => {
    // What has been answered well and whole has nothing under way, and telling it costs as much as parsing its question.
    if (failure !== undefined || !reply.raw.writableFinished) client.abort(clientLeft);
  });
  try {
    tenant = row.isOpen === true ? anonymousTenant : deps.tenantOf(request.headers);
    const body = await readParameters(request, reply, row, form, tenant, bodies);
    begin = performance.now();
    const { name = '' } = request.params as { name?: string };
    const { accept = '', 'cache-control': cacheControl = '' } = request.headers;
    const gzip = row.dress.compresses && acceptedEncoding(request.headers) === 'gzip';
    const noStore = cacheControl.toLowerCase().includes('no-store');
    const consistency = consistencyOf(request.headers['x-read-consistency']);
    const asker = tenant;
    const hold = (bytes: number): void => {
      const allowance = bodies.inflight.shareOf(asker);
      allowance.take(bytes);
      whenOver(reply, () => allowance.give(bytes));
    };
    const { signal } = client;
    const call = { tenant, form, signal, labelName: name, body, hold, accept, gzip, noStore, consistency };
    result = await deps.answer(row.path, call);
  } catch (error) {
    failure = asFailure(error);
    result = row.dress.failure(shown(failure));
  }
  deps.report({
    tenant,
    path: row.path.replace('/api/v1', ''),
    form,
    seconds: (performance.now() - begin) / 1000,
    failure,
  });
  return send(request, reply, row.dress, result);
}

/** @throws Failure `bad_data` for a word that it is none of */
function consistencyOf(header: string | string[] | undefined): ReadConsistency {
  if (header === undefined || header === '') return 'default';
  if (header === 'eventual' || header === 'strong') return header;
  throw new Failure('bad_data', `the header X-Read-Consistency is eventual or strong, not ${JSON.stringify(header)}`);
}

/**
 * Reads the parameters of the body and of the URL: those of a form stand before the URL's, those of a multipart form behind.
 * @returns a body that is no form; it is held until the answer is out or its client has left
 */
async function readParameters(
  request: FastifyRequest,
  reply: FastifyReply,
  row: ApiRow,
  form: RequestForm,
  tenant: TenantId,
  { limits, inflight }: Bodies,
): Promise<Uint8Array> {
  const media = request.getDecorator<MediaValue | undefined>(mediaKey);
  let body: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  if (request.body === hasBody) {
    const held = await readBody(request.raw, limits, inflight.shareOf(tenant));
    whenOver(reply, held.release);
    body = held.bytes;
  }
  if (row.forms === 'urlencoded' && request.method !== 'GET' && media?.error !== undefined) {
    throw new Failure('bad_data', `error parsing form values: ${media.error}`);
  }
  // Only forms have parameters, as in Go.
  const isForm = media?.type === formType && row.forms !== 'none';
  const isMultipart = media?.type === multipartType && row.forms === undefined;
  if (isForm) form.append(textOf(body));
  const question = request.raw.url?.indexOf('?') ?? -1;
  if (question >= 0) form.append(request.raw.url?.slice(question + 1) ?? '');
  if (isMultipart) {
    for (const field of multipartFields(media?.parameters.get('boundary') ?? '', body)) form.add(field);
  }
  return isForm || isMultipart ? new Uint8Array(0) : body;
}

/** Calls `then` when the answer is out or its client has left. */
function whenOver(reply: FastifyReply, then: () => void): void {
  if (reply.raw.closed) then();
  else reply.raw.once('close', then);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

async function send(
  request: FastifyRequest,
  reply: FastifyReply,
  { cors, compresses }: Dress,
  answer: ApiAnswer,
): Promise<FastifyReply> {
  const { httpStatus, contentType = 'application/json', headers = {}, gzip = false, body, retryAfterSeconds } = answer;
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
  reply.code(httpStatus).headers(headers);
  if (compresses || cors) {
    reply.header('vary', [...(compresses ? ['Accept-Encoding'] : []), ...(cors ? ['Origin'] : [])]);
  }
  const { origin } = request.headers;
  if (cors && origin !== undefined && origin !== '') {
    reply.header('access-control-allow-headers', 'Accept, Authorization, Content-Type, Origin');
    reply.header('access-control-allow-methods', 'GET, POST, OPTIONS');
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-expose-headers', 'Date');
  }
  if (body === undefined) return reply.send();
  reply.header('content-type', contentType);
  const note = answer.isOwn === true ? giveBackWhenSent(reply.raw) : () => undefined;
  if (gzip) {
    reply.header('content-encoding', 'gzip');
    return reply.send(await sendable(body, note));
  }
  const encoding = compresses ? acceptedEncoding(request.headers) : undefined;
  if (encoding === undefined) return reply.send(await sendable(body, note));
  reply.header('content-encoding', encoding);
  return reply.send(compressBody(await sendable(body, note), encoding));
}

/** A body of one piece as that, with its length; others as a stream. @param note is told each piece */
async function sendable(body: AnswerBody, note: (piece: Uint8Array) => void): Promise<Uint8Array | Readable> {
  if (body instanceof Uint8Array) {
    note(body);
    return body;
  }
  const first = await body.next();
  if (first.done === true) return new Uint8Array(0);
  note(first.value);
  const second = await body.next();
  if (second.done === true) return first.value;
  note(second.value);
  return Readable.from(resumed([first.value, second.value], body, note), { objectMode: false });
}

/** An iteration with what was already taken from it put back in front; leaving it early closes the iteration. */
async function* resumed(
  taken: readonly Uint8Array[],
  rest: AsyncIterableIterator<Uint8Array>,
  note: (piece: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* taken;
    for (;;) {
      const next = await rest.next();
      if (next.done === true) return;
      note(next.value);
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}

/** What the client is told of a failure: not our stack. */
function shown(failure: Failure): Failure {
  if (failure.kind !== 'internal') return failure;
  const [firstLine = ''] = failure.message.split('\n');
  return new Failure('internal', firstLine, { cause: failure });
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (isHttpError(error)) {
    const kind = error.statusCode === 413 ? 'too_large' : 'bad_data';
    if (error.statusCode < 500) return new Failure(kind, error.message, { cause: error });
  }
  return new Failure('internal', error instanceof Error ? error.message : String(error), { cause: error });
}

/** An error of fastify's own, before a handler ran. */
function isHttpError(error: unknown): error is Error & { statusCode: number } {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';
}
