/**
 * What an operator can look at: the blocks of a tenant and how the gateway stands to each.
 * Owns the form. A tenant in a path is parsed like one in a header.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { sendJsonFailure } from '../../libs/http/failure-response.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { isoTime } from '../../libs/std/iso-time.ts';
import type { BlockState, StoreGatewayHandler } from './store-gateway-handler.ts';

export function blocksRoutes(app: FastifyInstance, handler: StoreGatewayHandler): void {
  const { signal } = new AbortController();
  app.get<{ Params: { tenant: string } }>('/store-gateway/tenant/:tenant/blocks', (request, reply) =>
    answered(reply, async () => {
      const tenant = parseTenantId(request.params.tenant);
      return { tenant, blocks: (await handler.states(tenant, signal)).map(stateJson) };
    }),
  );
}

async function answered(reply: FastifyReply, answer: () => Promise<object>): Promise<FastifyReply> {
  try {
    return reply.send(await answer());
  } catch (error) {
    return sendJsonFailure(reply, error);
  }
}

function stateJson({ ulid, indexed, markedAtMs, isOpen, memoryBytes, quarantine }: BlockState): object {
  const state = quarantine !== undefined ? 'quarantined' : isOpen ? 'open' : 'known';
  return {
    ulid,
    state,
    ...(quarantine === undefined ? {} : { reason: quarantine.reason, since: isoTime(quarantine.sinceMs) }),
    ...(markedAtMs === undefined ? {} : { markedForDeletion: isoTime(markedAtMs) }),
    memoryBytes,
    ...(indexed === undefined
      ? { isIndexed: false }
      : {
          isIndexed: true,
          minTime: indexed.minTime,
          maxTime: indexed.maxTime,
          level: indexed.compactionLevel,
          source: indexed.source,
          labels: Object.fromEntries(indexed.labels),
          uploadedAt: isoTime(indexed.uploadedAtMs),
        }),
  };
}
