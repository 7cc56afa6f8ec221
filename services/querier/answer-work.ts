/**
 * What a query-frontend wants done, done by the endpoints of this room.
 * Owns the way from work to a call and from an answer to a head and pieces.
 */
import type { CallWork, TakenWork, WorkHead } from '../../libs/contracts/query-work.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { AnswerBody } from '../../libs/query-api/api-answer.ts';
import type { ApiPath } from '../../libs/query-api/api-paths.ts';
import type { CallReport } from '../../libs/query-api/api-routes.ts';
import { RequestForm } from '../../libs/query-api/request-form.ts';
import type { ApiDeps } from './endpoint.ts';
import { endpoints } from './endpoints.ts';
import type { WorkReply } from './pull-work.ts';

/** Answers a piece of work. @throws Failure */
export async function answerWork(
  { work, timeoutMs, signal }: TakenWork,
  deps: ApiDeps,
  report: (call: CallReport) => void,
): Promise<WorkReply> {
  const begin = performance.now();
  const form = new RequestForm();
  form.append(work.form);
  let failure: Failure | undefined;
  try {
    return await answerCall(work, form, signal, { ...deps, timeoutMs: Math.min(timeoutMs, deps.timeoutMs) });
  } catch (error) {
    failure = error instanceof Failure ? error : new Failure('internal', String(error), { cause: error });
    throw failure;
  } finally {
    const { tenant, path } = work;
    report({ tenant, path: path.replace('/api/v1', ''), form, seconds: (performance.now() - begin) / 1000, failure });
  }
}

async function answerCall(work: CallWork, form: RequestForm, signal: AbortSignal, deps: ApiDeps): Promise<WorkReply> {
  const { path } = work;
  // Of a frontend that is newer than this querier.
  if (!isApiPath(path)) throw new Failure('not_found', `no such endpoint: ${path}`);
  const { tenant, labelName, body, accept, gzip } = work;
  const call = { tenant, form, signal, labelName, body, accept, gzip, noStore: false };
  const answer = await endpoints[path](call, deps);
  const head: WorkHead = {
    httpStatus: answer.httpStatus,
    contentType: answer.contentType ?? '',
    headers: Object.entries(answer.headers ?? {}).flat(),
    gzip: answer.gzip === true,
    hasBody: answer.body !== undefined,
    retryAfterSeconds: answer.retryAfterSeconds ?? 0,
  };
  return { head, body: piecesOf(answer.body) };
}

const isApiPath = (path: string): path is ApiPath => Object.hasOwn(endpoints, path);

async function* piecesOf(body: AnswerBody | undefined): AsyncGenerator<Uint8Array> {
  if (body === undefined) return;
  if (body instanceof Uint8Array) yield body;
  else yield* body;
}
