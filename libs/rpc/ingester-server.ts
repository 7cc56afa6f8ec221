/**
 * IngesterContract for other processes: messages in, the contract asked, messages out.
 * Owns the way between the two, and that numbers of series are only taken in the epoch they were given in. Does not own the
 * link (serve-link.ts), its source (source-server.ts) nor the ingester. The other end: ingester-client.ts.
 */
import type {
  HeldFromContract,
  IngesterContract,
  IngesterStatusContract,
  LogFollowerContract,
  WriteMarksContract,
} from '../contracts/ingester.ts';
import type { ListMemory } from '../series/list-memory.ts';
import { decodeAppliedRequest, encodeAppliedReply } from '../wire/peer/applied-messages.ts';
import { decodePush, encodePushReply, encodeStaleRefs } from '../wire/peer/push-message.ts';
import { encodeRingEpochReply } from '../wire/peer/ring-messages.ts';
import {
  decodeMarksRequest,
  decodeStatusRequest,
  encodeStatus,
  writeMarksCodec,
} from '../wire/peer/status-messages.ts';
import type { CallContext, CallHandlers } from './channel.ts';
import { IngesterCall, ringEpochCall } from './ingester-calls.ts';
import { ingesterSource } from './source-calls.ts';
import { sourceStreams } from './source-server.ts';

/**
 * The calls of an ingester.
 * @param memory what lists hold until they are sent
 */
export function ingesterHandlers(
  ingester: IngesterContract & IngesterStatusContract & LogFollowerContract & WriteMarksContract & HeldFromContract,
  memory: ListMemory,
): CallHandlers {
  const push = async (request: Uint8Array): Promise<Uint8Array> => {
    const { batch, refEpoch } = decodePush(request);
    const ownEpoch = ingester.refEpoch();
    if (refEpoch !== 0 && refEpoch !== ownEpoch) return encodeStaleRefs(ownEpoch);
    // A row whose series was dropped has no labels here: the sender brings them with its next write.
    if (ingester.clearDropped(batch.tenant, batch.refs, batch.seriesCount) > 0) return encodeStaleRefs(ownEpoch);
    return encodePushReply(batch, await ingester.push(batch), ownEpoch);
  };
  const applied = async (request: Uint8Array, { signal }: CallContext): Promise<Uint8Array> => {
    const { offset, timeoutMs } = decodeAppliedRequest(request);
    return encodeAppliedReply(await ingester.applied(offset, timeoutMs, signal));
  };
  const headStatus = async (request: Uint8Array, { signal }: CallContext): Promise<Uint8Array> => {
    const { tenant, countMax } = decodeStatusRequest(request);
    return encodeStatus(await ingester.headStatus(tenant, countMax, signal));
  };
  const writeMarks = async (request: Uint8Array): Promise<Uint8Array> => {
    const { tenant, spans } = decodeMarksRequest(request);
    return writeMarksCodec.encode(ingester.writeMarks(tenant, spans));
  };
  return {
    asks: new Map([
      [IngesterCall.writeMarks, writeMarks],
      [IngesterCall.push, push],
      [IngesterCall.headStatus, headStatus],
      [IngesterCall.applied, applied],
      [ringEpochCall, async () => encodeRingEpochReply(ingester.heldFromMs())],
    ]),
    // Who asks has seen to it that this is fresh enough.
    streams: sourceStreams(ingesterSource, (tenant) => ({ source: ingester.source(tenant, 'eventual') }), memory),
  };
}
