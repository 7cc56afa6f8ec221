/**
 * What a query-frontend wants done, done by the endpoints of this room.
 * Owns the way from work to a call and from an answer to a head and pieces.
 */
import type { ReadConsistency } from '../../libs/contracts/ingester.ts';
import type {
  CallWork,
  CheckWork,
  HeavySelection,
  PartWork,
  TakenWork,
  WorkHead,
} from '../../libs/contracts/query-work.ts';
import { Failure, toFailure } from '../../libs/errors/failure.ts';
import type { AnswerBody, ApiAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import type { ApiPath } from '../../libs/query-api/api-paths.ts';
import type { CallReport } from '../../libs/query-api/api-routes.ts';
import { RequestForm } from '../../libs/query-api/request-form.ts';
import { encodeHeavy, encodePartEnd } from '../../libs/wire/peer/part-message.ts';
import type { ApiDeps } from './endpoint.ts';
import { endpoints } from './endpoints.ts';
import { partSource } from './part-source.ts';
import type { WorkReply } from './pull-work.ts';
import type { QueryAnswer } from './query-pool.ts';
import { isStillTrue, ReadWitness } from './read-witness.ts';

/** Answers a call by the endpoint of its path, when it is its turn. */
export type AnswerCall = (path: ApiPath, call: ApiCall, deps: ApiDeps) => Promise<ApiAnswer>;

/** Answers a piece of work. @throws Failure */
export async function answerWork(
  { work, timeoutMs, signal }: TakenWork,
  depsOf: (consistency: ReadConsistency) => ApiDeps,
  answer: AnswerCall,
  report: (call: CallReport) => void,
): Promise<WorkReply> {
  const begin = performance.now();
  const deps = depsOf(work.kind === 'call' ? work.consistency : 'default');
  const form = new RequestForm();
  if (work.kind === 'call') form.append(work.form);
  const own = { ...deps, timeoutMs: Math.min(timeoutMs, deps.timeoutMs) };
  let failure: Failure | undefined;
  try {
    if (work.kind === 'check') return await answerCheck(work, signal, own);
    if (work.kind === 'part') return await answerPart(work, signal, own);
    return await answerCall(work, form, signal, own, answer);
  } catch (error) {
    failure = toFailure(error);
    throw failure;
  } finally {
    const { tenant } = work;
    const path = work.kind === 'call' ? work.path.replace('/api/v1', '') : `/${work.kind}`;
    report({ tenant, path, form, seconds: (performance.now() - begin) / 1000, failure });
  }
}

async function answerCall(
  work: CallWork,
  form: RequestForm,
  signal: AbortSignal,
  deps: ApiDeps,
  answerOf: AnswerCall,
): Promise<WorkReply> {
  const { path } = work;
  // Of a frontend that is newer than this querier.
  if (!isApiPath(path)) throw new Failure('not_found', `no such endpoint: ${path}`);
  const { tenant, labelName, body, accept, gzip, consistency } = work;
  const call = { tenant, form, signal, labelName, body, accept, gzip, noStore: false, consistency };
  const answer = await answerOf(path, call, deps);
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

const partHead: WorkHead = {
  ...{ httpStatus: 200, contentType: '', headers: [], gzip: false, hasBody: true, retryAfterSeconds: 0 },
};

async function answerPart(work: PartWork, signal: AbortSignal, deps: ApiDeps): Promise<WorkReply> {
  const { tenant, query, startMs, endMs, stepMs, wholeStartMs, wholeEndMs, lookbackMs, shard, weighing, sorted } = work;
  const times = { startMs, endMs, stepMs, lookbackMs, whole: { startMs: wholeStartMs, endMs: wholeEndMs } };
  const { witnesses } = deps;
  const witness = new ReadWitness();
  const source = witnesses === undefined ? deps.sourceOf(tenant) : witnesses.sourceOf(tenant, witness);
  let heavy: HeavySelection | undefined;
  const onHeavy = (found: HeavySelection): void => {
    heavy ??= found;
  };
  const job = {
    tenant,
    request: { kind: 'evaluate', query, ...times, limit: 0, stats: '' } as const,
    source: partSource(source, { shard, weighing, sorted, witness, onHeavy }),
    signal,
    timeoutMs: deps.timeoutMs,
  };
  let answer: QueryAnswer;
  try {
    answer = await deps.pool.run(job);
  } catch (error) {
    if (heavy === undefined) throw error;
    return { head: partHead, body: piecesOf(encodeHeavy(heavy)) };
  }
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* answer.chunks;
    const text = witnesses === undefined ? '' : witness.textOf(witnesses.settings);
    yield encodePartEnd({ witness: text, sharded: shard !== undefined });
  }
  return { head: partHead, body: body() };
}

async function answerCheck({ tenant, witnesses }: CheckWork, signal: AbortSignal, deps: ApiDeps): Promise<WorkReply> {
  const check = deps.witnesses;
  const outcomes =
    check === undefined
      ? witnesses.map(() => false)
      : await Promise.all(witnesses.map((witness) => isStillTrue(tenant, witness, check, signal)));
  return { head: partHead, body: piecesOf(Buffer.from(JSON.stringify(outcomes))) };
}

const isApiPath = (path: string): path is ApiPath => Object.hasOwn(endpoints, path);

async function* piecesOf(body: AnswerBody | undefined): AsyncGenerator<Uint8Array> {
  if (body === undefined) return;
  if (body instanceof Uint8Array) yield body;
  else yield* body;
}
