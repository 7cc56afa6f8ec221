/**
 * `POST /store-gateway/leave`: takes a store-gateway out of the ring: the one that is asked, or, where it is gone for good, the one that
 * `instance` and `zone` of the query name. Others read its blocks from then on. A restart joins again. For operators.
 */
import type { FastifyInstance } from 'fastify';
import { sendJsonFailure } from '../../libs/http/failure-response.ts';
import type { RingTable } from '../../libs/ring/table.ts';

export interface GatewayName {
  readonly instance: string;
  readonly zone: string;
}

/** @param leave takes one out of the table. @throws Failure `not_found`, `unavailable` */
export function gatewayLeaveRoute(
  app: FastifyInstance,
  own: GatewayName,
  leave: (gateway: GatewayName) => Promise<RingTable>,
): void {
  app.post<{ Querystring: Partial<GatewayName> }>('/store-gateway/leave', async (request, reply) => {
    const { instance = own.instance, zone = own.zone } = request.query;
    try {
      const { epoch } = await leave({ instance, zone });
      return { instance, zone, epoch };
    } catch (error) {
      return sendJsonFailure(reply, error);
    }
  });
}
