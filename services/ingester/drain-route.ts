/**
 * `POST /ingester/drain` begins, and says how far it is when it is asked again, as `GET` does: 200 when it is over, 202 before.
 * For operators, and for the preStop of an ingester that is to go for good; not routed by the door of a cluster. A mere restart drains nothing.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { DrainState } from '../../libs/contracts/ingester.ts';
import { sendJsonFailure } from '../../libs/http/failure-response.ts';

export interface Drainable {
  /** No error if it has begun. @throws Failure where it cannot */
  begin(): Promise<void>;
  state(): DrainState;
}

export function drainRoute(app: FastifyInstance, drainable: Drainable): void {
  const answer = (reply: FastifyReply): FastifyReply => {
    const { state, waitsFor } = drainable.state();
    return reply.code(state === 'draining' ? 202 : 200).send({ state, waitsFor: waitsFor ?? null });
  };
  app.get('/ingester/drain', (_request, reply) => answer(reply));
  app.post('/ingester/drain', async (_request, reply) => {
    try {
      await drainable.begin();
      return answer(reply);
    } catch (error) {
      return sendJsonFailure(reply, error);
    }
  });
}
