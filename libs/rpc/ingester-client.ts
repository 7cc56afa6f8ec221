/**
 * One ingester of another process: pushes over one link, reads over another, so that long reads do not hold up writes.
 * Owns the messages. Does not own which rows go where (the distributor)
 * nor which answers count (the querier). The other end: ingester-server.ts.
 */
import type { HeadStatus } from '../contracts/ingester.ts';
import { Failure } from '../errors/failure.ts';
import type { Labels } from '../model/labels.ts';
import type { MetricMetadata } from '../model/metadata.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type {
  ChunkBatch,
  ExemplarSeries,
  LabelQuery,
  Listed,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
} from '../series/series-source.ts';
import { decodePushReply, type PushReply } from '../wire/peer/push-message.ts';
import { SelectAssembler } from '../wire/peer/select-message.ts';
import {
  encodeLabelQuery,
  encodeMetadataQuery,
  encodeSelect,
  exemplarList,
  type ListKind,
  metadataList,
  seriesList,
  textList,
} from '../wire/peer/source-messages.ts';
import { decodeStatus, encodeStatusRequest } from '../wire/peer/status-messages.ts';
import type { Channel } from './channel.ts';
import { IngesterCall } from './ingester-calls.ts';

/** A read that takes longer is given up; queries end earlier, by their own timeout. */
const readMs = 10 * 60_000;

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

  source(tenant: TenantId): SeriesSource {
    return new RemoteSource(this.#reads, tenant);
  }
}

class RemoteSource implements SeriesSource {
  readonly #channel: Channel;
  readonly #tenant: TenantId;

  constructor(channel: Channel, tenant: TenantId) {
    this.#channel = channel;
    this.#tenant = tenant;
  }

  async select(query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    const request = [encodeSelect(this.#tenant, query)];
    const pieces = this.#channel
      .stream(IngesterCall.select, request, { timeoutMs: readMs, signal })
      [Symbol.asyncIterator]();
    const assembler = new SelectAssembler();
    let early: ChunkBatch | undefined;
    while (!assembler.labelsEnd) {
      const { done, value } = await pieces.next();
      if (done === true) throw new Failure('internal', 'a selection ended before its labels');
      early = assembler.take(value);
    }
    return {
      labels: assembler.labels(),
      warnings: assembler.warnings,
      chunks: (stop) => chunksOf(pieces, assembler, early, stop),
    };
  }

  labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    return this.#list(IngesterCall.labelNames, encodeLabelQuery(this.#tenant, '', query), textList, signal);
  }

  labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    return this.#list(IngesterCall.labelValues, encodeLabelQuery(this.#tenant, name, query), textList, signal);
  }

  series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    return this.#list(IngesterCall.series, encodeLabelQuery(this.#tenant, '', query), seriesList, signal);
  }

  exemplars(query: LabelQuery, signal: AbortSignal): Promise<Listed<ExemplarSeries>> {
    return this.#list(IngesterCall.exemplars, encodeLabelQuery(this.#tenant, '', query), exemplarList, signal);
  }

  metadata(metric: string | undefined, limit: number, limitPerMetric: number): Promise<Listed<MetricMetadata>> {
    const request = encodeMetadataQuery(this.#tenant, metric, limit, limitPerMetric);
    return this.#list(IngesterCall.metadata, request, metadataList, undefined);
  }

  async #list<T>(
    call: string,
    request: Uint8Array,
    kind: ListKind<T>,
    signal: AbortSignal | undefined,
  ): Promise<Listed<T>> {
    const values: T[] = [];
    const warnings: string[] = [];
    const options = signal === undefined ? { timeoutMs: readMs } : { timeoutMs: readMs, signal };
    for await (const piece of this.#channel.stream(call, [request], options)) {
      const listed = kind.decode(piece);
      for (const value of listed.values) values.push(value);
      warnings.push(...listed.warnings);
    }
    return { values, warnings };
  }
}

async function* chunksOf(
  pieces: AsyncIterator<Uint8Array>,
  assembler: SelectAssembler,
  early: ChunkBatch | undefined,
  signal: AbortSignal,
): AsyncGenerator<ChunkBatch> {
  try {
    if (early !== undefined) yield early;
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await pieces.next();
      if (done === true) return;
      const batch = assembler.take(value);
      if (batch !== undefined) yield batch;
    }
  } finally {
    await pieces.return?.();
  }
}
