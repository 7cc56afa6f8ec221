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
import type { CallHandlers, Channel } from './channel.ts';
import { gatewaySource } from './source-calls.ts';
import { RemoteSource } from './source-client.ts';
import { sourceStreams } from './source-server.ts';

/** The calls of a store-gateway. */
export function gatewayHandlers(gateway: StoreGatewayContract): CallHandlers {
  return {
    asks: new Map(),
    streams: sourceStreams(gatewaySource, (tenant, blocks) => {
      const { source, reads } = gateway.source(tenant, blocks);
      return { source, reads };
    }),
  };
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
