/**
 * A SeriesSource of another process, over a channel.
 * Owns the messages. Does not own whose answers count. The other end: source-server.ts.
 */
import type { BlockReads } from '../contracts/store-gateway.ts';
import { Failure } from '../errors/failure.ts';
import type { Labels } from '../model/labels.ts';
import type { MetricMetadata } from '../model/metadata.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type {
  ChunkBatch,
  ExemplarSeries,
  LabelQuery,
  LabelTable,
  Listed,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
} from '../series/series-source.ts';
import { TakenMemory } from '../series/taken-memory.ts';
import type { ByteAllowance } from '../std/inflight-bytes.ts';
import { decodeReadsPiece } from '../wire/peer/block-reads.ts';
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
import type { Channel } from './channel.ts';
import type { SourceCalls } from './source-calls.ts';

/** A read that takes longer is given up; queries end earlier, by their own timeout. */
export const readMs: number = 10 * 60_000;

export interface RemoteSourceOptions {
  readonly channel: Channel;
  readonly calls: SourceCalls;
  readonly tenant: TenantId;
  /** Names of the blocks that are asked, where the other end is told. */
  readonly blocks?: readonly string[];
  /** What a call has cost so far: `call` is one object for each call. */
  readonly onReads?: (call: object, reads: BlockReads) => void;
}

export class RemoteSource implements SeriesSource {
  readonly #options: RemoteSourceOptions;

  constructor(options: RemoteSourceOptions) {
    this.#options = options;
  }

  select(query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    return this.#select(query, undefined, signal);
  }

  selectProjected(query: SelectQuery, names: readonly string[], signal: AbortSignal): Promise<SelectedSeries> {
    return this.#select(query, names, signal);
  }

  async #select(
    query: SelectQuery,
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<SelectedSeries> {
    const { channel, calls, tenant, blocks = [] } = this.#options;
    const request = [encodeSelect(tenant, query, blocks, names)];
    const pieces = this.#withoutReads(channel.stream(calls.select, request, { timeoutMs: readMs, signal }));
    const taken = new TakenMemory(query.memory);
    const assembler = new SelectAssembler(taken);
    let labels: LabelTable;
    let early: ChunkBatch | undefined;
    try {
      while (!assembler.labelsEnd) {
        const { done, value } = await pieces.next();
        if (done === true) throw new Failure('internal', 'a selection ended before its labels');
        early = assembler.take(value);
      }
      labels = assembler.labels();
    } catch (error) {
      taken.release();
      await pieces.return(undefined);
      throw error;
    }
    return {
      labels,
      warnings: assembler.warnings,
      chunks: (stop) => chunksOf(pieces, assembler, early, stop),
    };
  }

  labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    return this.#list(this.#options.calls.labelNames, this.#labelRequest('', query), textList, signal, query.memory);
  }

  labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    const request = this.#labelRequest(name, query);
    return this.#list(this.#options.calls.labelValues, request, textList, signal, query.memory);
  }

  series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    return this.#list(this.#options.calls.series, this.#labelRequest('', query), seriesList, signal, query.memory);
  }

  exemplars(query: LabelQuery, signal: AbortSignal): Promise<Listed<ExemplarSeries>> {
    const request = this.#labelRequest('', query);
    return this.#list(this.#options.calls.exemplars, request, exemplarList, signal, query.memory);
  }

  metadata(metric: string | undefined, limit: number, limitPerMetric: number): Promise<Listed<MetricMetadata>> {
    const { calls, tenant } = this.#options;
    const request = encodeMetadataQuery(tenant, metric, limit, limitPerMetric);
    return this.#list(calls.metadata, request, metadataList, undefined);
  }

  #labelRequest(name: string, query: LabelQuery): Uint8Array {
    return encodeLabelQuery(this.#options.tenant, name, query, this.#options.blocks ?? []);
  }

  async #list<T>(
    call: string,
    request: Uint8Array,
    kind: ListKind<T>,
    signal: AbortSignal | undefined,
    memory?: ByteAllowance,
  ): Promise<Listed<T>> {
    const values: T[] = [];
    const warnings: string[] = [];
    const options = signal === undefined ? { timeoutMs: readMs } : { timeoutMs: readMs, signal };
    for await (const piece of this.#withoutReads(this.#options.channel.stream(call, [request], options))) {
      const listed = kind.decode(piece);
      for (const value of listed.values) {
        memory?.take(kind.bytesOf(value, values.at(-1)));
        values.push(value);
      }
      warnings.push(...listed.warnings);
    }
    return { values, warnings };
  }

  /** The pieces of one call that are not about its costs. */
  async *#withoutReads(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { onReads } = this.#options;
    const call = {};
    for await (const piece of pieces) {
      const reads = onReads === undefined ? undefined : decodeReadsPiece(piece);
      if (reads === undefined) yield piece;
      else onReads?.(call, reads);
    }
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
