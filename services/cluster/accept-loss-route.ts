/**
 * `POST /ingester/accept-loss?partition=0`: what the owners of a partition have lost is not waited for any more. Where more of them have lost
 * their disks than may, reads of the time before are errors, as something that was acknowledged may be missing; who asks for this knows, and says
 * that they are to be answered without it. For operators; not routed by the door of a cluster.
 */
import type { FastifyInstance } from 'fastify';
import { Failure } from '../../libs/errors/failure.ts';
import { sendJsonFailure } from '../../libs/http/failure-response.ts';
import type { RingTable } from '../../libs/ring/table.ts';

/** @param accept publishes it. @throws Failure `not_found`, `unavailable` */
export function acceptLossRoute(app: FastifyInstance, accept: (partition: number) => Promise<RingTable>): void {
  app.post<{ Querystring: { partition?: string } }>('/ingester/accept-loss', async (request, reply) => {
    try {
      const text = request.query.partition ?? '';
      if (!/^\d{1,4}$/.test(text))
        throw new Failure('bad_data', 'the parameter partition is the number of a partition');
      const { epoch } = await accept(Number(text));
      return { partition: Number(text), epoch };
    } catch (error) {
      return sendJsonFailure(reply, error);
    }
  });
}
