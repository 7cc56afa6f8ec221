/**
 * One ingester of another process: pushes over one channel, reads over another, so that long reads do not hold up writes.
 * Owns the messages. Does not own which rows go where (the distributor)
 * nor which answers count (the querier). The other end: ingester-server.ts.
 */
import type { HeadStatus, TimeSpan, WriteMarksOf } from '../contracts/ingester.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { SeriesSource } from '../series/series-source.ts';
import { decodeAppliedReply, encodeAppliedRequest } from '../wire/peer/applied-messages.ts';
import { decodePushReply, type PushReply } from '../wire/peer/push-message.ts';
import {
  decodeStatus,
  encodeMarksRequest,
  encodeStatusRequest,
  writeMarksCodec,
} from '../wire/peer/status-messages.ts';
import type { Channel } from './channel.ts';
import { IngesterCall } from './ingester-calls.ts';
import { ingesterSource } from './source-calls.ts';
import { RemoteSource, readMs } from './source-client.ts';

/** An answer may take so much longer than what it waits for. */
const appliedMarginMs = 2_000;
/** Whoever waits for marks longer goes without. */
const marksMs = 5_000;

export class IngesterClient {
  readonly #writes: Channel;
  readonly #reads: Channel;

  constructor(writes: Channel, reads: Channel) {
    this.#writes = writes;
    this.#reads = reads;
  }

  /**
   * Sends an encoded push (wire/peer/push-message.ts); its parts may be reused when this returns. A reply with staleRefs means that
   * nothing was stored. @throws Failure
   */
  async push(request: readonly Uint8Array[], timeoutMs: number): Promise<PushReply> {
    return decodePushReply(await this.#writes.ask(IngesterCall.push, request, { timeoutMs }));
  }

  /** @param countMax names in each ranking */
  async headStatus(tenant: TenantId, countMax: number, signal: AbortSignal): Promise<HeadStatus> {
    const options = { timeoutMs: readMs, signal };
    return decodeStatus(
      await this.#reads.ask(IngesterCall.headStatus, [encodeStatusRequest(tenant, countMax)], options),
    );
  }

  /** Everything of the log below the offset that is answered is applied; waits for `offset`, for so long. @throws Failure */
  async applied(offset: number, timeoutMs: number, signal: AbortSignal): Promise<number> {
    const options = { timeoutMs: timeoutMs + appliedMarginMs, signal };
    return decodeAppliedReply(
      await this.#reads.ask(IngesterCall.applied, [encodeAppliedRequest({ offset, timeoutMs })], options),
    );
  }

  /**
   * The numbers of its last writes into spans of time. Sent over the link of reads, so that what is asked after this call was made is read
   * after these were noted.
   */
  async writeMarks(tenant: TenantId, spans: readonly TimeSpan[], signal: AbortSignal): Promise<WriteMarksOf> {
    const request = [encodeMarksRequest(tenant, spans)];
    return writeMarksCodec.decode(
      await this.#reads.ask(IngesterCall.writeMarks, request, { timeoutMs: marksMs, signal }),
    );
  }

  source(tenant: TenantId): SeriesSource {
    return new RemoteSource({ channel: this.#reads, calls: ingesterSource, tenant });
  }
}
