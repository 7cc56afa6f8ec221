/**
 * StoreGatewayContract between processes, both ends. Owns that the caller knows which blocks have answered when it has the labels, as
 * it would in the same process. Does not own which gateway is asked for what (the querier).
 */
import {
  type BlockReads,
  type BlocksSource,
  type StoreGatewayContract,
  sumOfReads,
} from '../contracts/store-gateway.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { ListMemory } from '../series/list-memory.ts';
import type { CallHandlers, Channel } from './channel.ts';
import { gatewaySource } from './source-calls.ts';
import { RemoteSource } from './source-client.ts';
import { sourceStreams } from './source-server.ts';

/**
 * The calls of a store-gateway.
 * @param memory what lists hold until they are sent
 */
export function gatewayHandlers(gateway: StoreGatewayContract, memory: ListMemory): CallHandlers {
  const open = (tenant: TenantId, blocks: readonly string[]) => {
    const { source, reads } = gateway.source(tenant, blocks);
    return { source, reads };
  };
  return { asks: new Map(), streams: sourceStreams(gatewaySource, open, memory) };
}

/** A store-gateway of another process. */
export class GatewayClient implements StoreGatewayContract {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  source(tenant: TenantId, blocks: readonly string[]): BlocksSource {
    const byCall = new Map<object, BlockReads>();
    const source = new RemoteSource({
      channel: this.#channel,
      calls: gatewaySource,
      tenant,
      blocks,
      onReads: (call, reads) => byCall.set(call, reads),
    });
    return { source, reads: () => sumOfReads([...byCall.values()]) };
  }
}
