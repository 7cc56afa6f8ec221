/**
 * QueryWorkContract for queriers of other processes: each waits in a call of its own for a piece of work, and the call stands until
 * the answer is not wanted any more; answers come in other calls.
 * Owns which work is in whose hands. A querier whose call breaks has lost its work: the frontend hears of it at once. The other
 * end: query-work-client.ts.
 */
import { QuerierLost, type QueryWorkContract, type TakenWork } from '../contracts/query-work.ts';
import { Failure } from '../errors/failure.ts';
import { decodeTake, encodeWork, workAnswerCodec } from '../wire/peer/query-work-messages.ts';
import { failureOf } from './call-failure.ts';
import type { CallContext, CallHandlers } from './channel.ts';
import { QueryWorkCall } from './query-work-calls.ts';

interface Handed {
  readonly taken: TakenWork;
  readonly querier: string;
  /** The last part has come, or a failure. */
  readonly over: () => void;
}

/** The calls of a query-frontend. */
export function queryWorkHandlers(frontend: QueryWorkContract): CallHandlers {
  const handed = new Map<number, Handed>();
  let lastId = 0;
  const nextId = (): number => {
    do lastId = (lastId % 0x7fffffff) + 1;
    while (handed.has(lastId));
    return lastId;
  };
  async function* take(request: Uint8Array, { peer, signal }: CallContext): AsyncGenerator<Uint8Array> {
    const taken = await frontend.take(decodeTake(request), peer.instance, signal);
    const id = nextId();
    let isOver = false;
    let over = (): void => {};
    const ended = new Promise<void>((resolve) => {
      over = () => {
        isOver = true;
        resolve();
      };
      signal.addEventListener('abort', () => resolve(), { once: true });
      taken.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    handed.set(id, { taken, querier: peer.instance, over });
    try {
      yield encodeWork(id, taken);
      if (!taken.signal.aborted && !signal.aborted) await ended;
    } finally {
      handed.delete(id);
      if (!isOver) {
        const lost = new QuerierLost('unavailable', `querier ${JSON.stringify(peer.instance)} was lost with the query`);
        void taken.fail(lost);
      }
    }
  }
  const answer = async (request: Uint8Array, { peer }: CallContext): Promise<Uint8Array> => {
    const { id, head, piece, last, failure } = workAnswerCodec.decode(request);
    const one = handed.get(id);
    if (one === undefined || one.querier !== peer.instance) throw new Failure('canceled', 'nobody wants this answer');
    if (failure !== undefined && failure !== null) {
      one.over();
      await one.taken.fail(failureOf(failure));
    } else {
      await one.taken.give({ ...(head === undefined || head === null ? {} : { head }), piece, last });
      if (last) one.over();
    }
    return new Uint8Array(0);
  };
  return { asks: new Map([[QueryWorkCall.answer, answer]]), streams: new Map([[QueryWorkCall.take, take]]) };
}
