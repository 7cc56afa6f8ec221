/**
 * A query-frontend of another process, as a querier takes work from it. The other end: query-work-server.ts.
 * Owns that work which is not wanted any more, or whose link is lost, is told to whoever does it by its signal.
 */
import type { QueryWorkContract, TakenWork, WorkWish } from '../contracts/query-work.ts';
import { Failure } from '../errors/failure.ts';
import { untraced } from '../telemetry/trace.ts';
import { decodeWork, encodeTake, type WorkAnswerMessage, workAnswerCodec } from '../wire/peer/query-work-messages.ts';
import { failureMessageOf } from './call-failure.ts';
import type { Channel } from './channel.ts';
import { QueryWorkCall } from './query-work-calls.ts';

/** A querier that had no work for so long asks anew. */
const waitMs = 30 * 60_000;
/** A client that does not read its answer for so long is given up. */
const pieceMs = 10 * 60_000;

export function remoteQueryWork(channel: Channel): QueryWorkContract {
  return { take: (wish, _querier, signal) => takeFrom(channel, wish, signal) };
}

async function takeFrom(channel: Channel, wish: WorkWish, signal: AbortSignal): Promise<TakenWork> {
  const waiting = new AbortController();
  const stop = (): void => waiting.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  let items: AsyncIterator<Uint8Array>;
  let first: IteratorResult<Uint8Array>;
  try {
    signal.throwIfAborted();
    const options = { timeoutMs: waitMs, signal: waiting.signal };
    items = channel.stream(QueryWorkCall.take, [encodeTake(wish)], options)[Symbol.asyncIterator]();
    first = await items.next();
  } finally {
    // What was taken is finished although no more is wanted.
    signal.removeEventListener('abort', stop);
  }
  if (first.done === true) throw new Failure('unavailable', 'the query-frontend has no work');
  const { id, ...toDo } = decodeWork(first.value);
  const unwanted = new AbortController();
  items.next().then(
    () => unwanted.abort(new Failure('canceled', 'the client has left')),
    (error: unknown) => unwanted.abort(error),
  );
  const send = async (answer: Omit<WorkAnswerMessage, 'id'>): Promise<void> => {
    const request = [workAnswerCodec.encode({ ...answer, id })];
    // With its last part the work ends on the other side too: that is no reason to give up the call that brings it.
    const options = answer.last ? { timeoutMs: pieceMs } : { timeoutMs: pieceMs, signal: unwanted.signal };
    // Pieces of an answer are no calls of their own to whoever looks at the trace.
    await untraced(() => channel.ask(QueryWorkCall.answer, request, options));
  };
  return {
    ...toDo,
    signal: unwanted.signal,
    give: (part) => send(part),
    fail: (failure) => send({ piece: new Uint8Array(0), last: true, failure: failureMessageOf(failure) }),
  };
}
