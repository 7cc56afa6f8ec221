/**
 * The spine of a read: a call of the API becomes work for queriers, as it is or in parts, and what they say its answer.
 */
import type { AnswerBody, ApiAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import type { ApiPath } from '../../libs/query-api/api-paths.ts';
import { matrixAnswer } from '../../libs/query-api/encode-result.ts';
import { readTimeoutMs } from '../../libs/query-api/query-parameters.ts';
import type { RequestForm } from '../../libs/query-api/request-form.ts';
import { answerRange, type RangeCall, type RangeDeps } from './answer-range.ts';
import type { HeldMemory } from './held-memory.ts';
import type { Joined } from './join-parts.ts';
import { type Language, type RangeQuestion, rewritableQuestion } from './rewritable.ts';
import type { WorkAnswer } from './run-work.ts';

export interface QueryDeps extends RangeDeps {
  /** Undefined where nothing may be rewritten. */
  readonly language: Language | undefined;
  /** What parts of answers take of the memory. */
  readonly held: HeldMemory;
  /** Longest time of any query. */
  readonly timeoutMs: number;
}

/** @throws Failure */
export async function answerQuery(path: ApiPath, call: ApiCall, deps: QueryDeps): Promise<ApiAnswer> {
  const { tenant, form, signal, labelName, body, accept, gzip, consistency, noStore } = call;
  const timeoutMs = timeoutOf(form, deps.timeoutMs);
  // Parts are read as is usual.
  const isUsual = consistency === 'default';
  if (path === '/api/v1/query_range' && isUsual && deps.language !== undefined) {
    const question = rewritableQuestion(form, deps.language);
    const body = question && (await joinedBody(question, { tenant, timeoutMs, signal, noStore }, deps));
    if (body !== undefined) return { httpStatus: 200, body };
  }
  const work = { kind: 'call', tenant, path, form: form.encoded, labelName, body, accept, gzip, consistency } as const;
  return apiAnswerOf(await deps.runner.run(work, { timeoutMs, signal }), signal);
}

/** The answer that was put together from parts, which are held until all of it is written; undefined where the whole is to be asked. */
async function joinedBody(question: RangeQuestion, call: RangeCall, deps: QueryDeps): Promise<AnswerBody | undefined> {
  const held = deps.held.begin();
  let joined: Joined | undefined;
  try {
    joined = await answerRange(question, call, deps, held);
  } finally {
    if (joined === undefined) held.release();
  }
  return joined && untilWritten(matrixAnswer(joined, question.limit), call.signal, () => held.release());
}

/** The body; `end` is called when it is written, or its client has left: then it may never be begun. */
function untilWritten(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  client: AbortSignal,
  end: () => void,
): AsyncGenerator<Uint8Array> {
  if (client.aborted) end();
  else client.addEventListener('abort', end, { once: true });
  return endingWith(body, end);
}

async function* endingWith(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  end: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    end();
  }
}

/** What the client allows, if that can be read: a querier says what is wrong with it. */
function timeoutOf(form: RequestForm, timeoutMsMax: number): number {
  try {
    return Math.min(readTimeoutMs(form) ?? timeoutMsMax, timeoutMsMax);
  } catch {
    return timeoutMsMax;
  }
}

function apiAnswerOf(answer: WorkAnswer, client: AbortSignal): ApiAnswer {
  const { head } = answer;
  const { httpStatus, contentType, headers, gzip, hasBody, retryAfterSeconds } = head;
  const named: Record<string, string> = {};
  for (let i = 0; i < headers.length; i += 2) named[headers[i] as string] = headers[i + 1] as string;
  return {
    ...(contentType === '' ? {} : { contentType }),
    ...(retryAfterSeconds === 0 ? {} : { retryAfterSeconds }),
    ...{ httpStatus, headers: named, gzip, body: bodyOf(answer, hasBody, client) },
  };
}

function bodyOf({ pieces, release }: WorkAnswer, hasBody: boolean, client: AbortSignal): AnswerBody | undefined {
  if (!('length' in pieces) || (hasBody && pieces.length > 1)) return untilWritten(pieces, client, release);
  // One piece is small.
  release();
  return hasBody ? (pieces[0] as Uint8Array) : undefined;
}
