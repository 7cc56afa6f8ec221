/**
 * The blocks of the bucket for one tenant, as a query needs them.
 * Owns how old the index may be that says which blocks there are, that each of them was read, and what a query that needs none
 * is told when the index cannot be had. Does not own how a block is read (the store-gateway behind its contract).
 */
import type { BucketIndex } from '../../libs/blocks/bucket-index.ts';
import type { TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import { recentBlocksMs } from '../../libs/contracts/ingester.ts';
import type { BlockReads, StoreGatewayContract } from '../../libs/contracts/store-gateway.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { Labels } from '../../libs/model/labels.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type {
  ExemplarSeries,
  LabelQuery,
  LabelTable,
  Listed,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
} from '../../libs/series/series-source.ts';
import { untilAborted } from '../../libs/std/until-aborted.ts';
import { isUlid, ulidTime } from '../../libs/tsdb/block/ulid.ts';
import { checkAllRead, neededBlocks } from './block-consistency.ts';
import { blocksMark, type ReadWitness } from './read-witness.ts';

export interface BlockAccess {
  readonly gateway: StoreGatewayContract;
  readonly indexes: TenantIndexes;
  readonly nowMs: () => number;
  /** An index older than this is not gone by. */
  readonly indexAgeMsMax: number;
  /** One older than this is read again, while queries go on with it. */
  readonly indexRefreshMs: number;
}

/** So long a question about recent samples alone waits for an index: then it is answered without blocks, and says so. */
const recentWaitMs = 2_000;

interface TimeSpan {
  readonly minT: number;
  readonly maxT: number;
}

const spanOf = ({ minT, maxT }: TimeSpan): TimeSpan => ({ minT, maxT });

const noLabels: LabelTable = { strings: [], begin: new Uint32Array(1), refs: new Uint32Array(0) };

export class BucketSource implements SeriesSource {
  readonly #access: BlockAccess;
  readonly #tenant: TenantId;
  readonly #elsewhere: ReadonlySet<string>;
  readonly #witness: ReadWitness | undefined;

  /**
   * @param elsewhere names of blocks that are answered for already
   * @param witness is told which blocks each select had
   */
  constructor(access: BlockAccess, tenant: TenantId, elsewhere: readonly string[], witness?: ReadWitness) {
    this.#access = access;
    this.#tenant = tenant;
    this.#elsewhere = new Set(elsewhere);
    this.#witness = witness;
  }

  async select(query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    const nothing = { labels: noLabels, warnings: [], chunks: async function* () {} };
    const costsOf = ({ blocks, requests, bytes, cachedBytes }: BlockReads) => ({
      blocks: blocks.length,
      requests,
      bytes,
      cachedBytes,
    });
    const select = async (source: SeriesSource, reads: () => BlockReads): Promise<SelectedSeries> => ({
      ...(await source.select(query, signal)),
      costs: () => costsOf(reads()),
    });
    return this.#ask(query, nothing, select, signal);
  }

  async labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    return this.#ask(query, { values: [], warnings: [] }, (source) => source.labelNames(query, signal), signal);
  }

  async labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    return this.#ask(query, { values: [], warnings: [] }, (source) => source.labelValues(name, query, signal), signal);
  }

  async series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    return this.#ask(query, { values: [], warnings: [] }, (source) => source.series(query, signal), signal);
  }

  async exemplars(): Promise<Listed<ExemplarSeries>> {
    return { values: [], warnings: [] };
  }

  async metadata(): Promise<Listed<MetricMetadata>> {
    return { values: [], warnings: [] };
  }

  /**
   * Asks a source over the blocks that the time needs; every one of them has answered then.
   * @param nothing the answer where no block is needed
   * @throws Failure where one of them did not, or the index cannot be had and blocks may be needed
   */
  async #ask<T extends { readonly warnings: readonly string[] }>(
    span: TimeSpan,
    nothing: T,
    act: (source: SeriesSource, reads: () => BlockReads) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { gateway, indexes } = this.#access;
    const found = this.#held() ?? (await this.#waitForIndex(span, signal));
    if (typeof found === 'string') return { ...nothing, warnings: [found] };
    let index = found;
    if (this.#unindexed(index) !== undefined && !this.#isRecent(span)) {
      index = await untilAborted(indexes.refresh(this.#tenant), signal);
    }
    const unindexed = this.#unindexed(index);
    if (unindexed !== undefined) {
      const why = `the bucket has block ${unindexed} of tenant ${this.#tenant}, and no index that says what is in it`;
      if (!this.#isRecent(span)) throw new Failure('unavailable', `${why}: the compactor writes one`);
      return { ...nothing, warnings: [`blocks of the bucket were not considered: ${why}`] };
    }
    for (let isRetry = false; ; isRetry = true) {
      const needed = this.#needed(index, span);
      const noted = (): void => this.#witness?.onBlocks({ ...spanOf(span), blocks: blocksMark(index, span) });
      if (needed.length === 0) {
        noted();
        return nothing;
      }
      const blocks = gateway.source(this.#tenant, needed);
      try {
        const value = await act(blocks.source, () => blocks.reads());
        checkAllRead(needed, blocks.reads().blocks);
        noted();
        return value;
      } catch (error) {
        if (!(error instanceof Failure) || error.kind !== 'not_found') throw error;
        // It is for whoever runs the bucket to find, and not for whoever asks.
        if (isRetry) throw new Failure('internal', error.message, { cause: error });
        // Merged or past its retention since the index was written: a newer one knows.
        index = await indexes.refresh(this.#tenant);
      }
    }
  }

  /** The index, or why the answer does without: blocks can hardly belong into one about recent samples. */
  async #waitForIndex(span: TimeSpan, signal: AbortSignal): Promise<BucketIndex | string> {
    const { indexes } = this.#access;
    if (!this.#isRecent(span)) return indexes.of(this.#tenant, signal);
    const patience = AbortSignal.timeout(recentWaitMs);
    try {
      return await indexes.of(this.#tenant, AbortSignal.any([signal, patience]));
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof Failure ? error.message : 'their list does not come';
      return `blocks of the bucket were not considered: ${why}`;
    }
  }

  /**
   * A block that no index tells of and nobody answers for. One that was made no longer ago than an index may be old is no such block: whoever
   * cut it keeps its samples until readers must have heard of it.
   */
  #unindexed({ unindexed }: BucketIndex): string | undefined {
    const { nowMs, indexAgeMsMax } = this.#access;
    const sinceMs = nowMs() - indexAgeMsMax;
    return unindexed?.find((name) => !this.#elsewhere.has(name) && !(isUlid(name) && ulidTime(name) > sinceMs));
  }

  /** Whether ingesters have every sample of the time. */
  #isRecent({ minT }: TimeSpan): boolean {
    return minT >= this.#access.nowMs() - recentBlocksMs;
  }

  #needed(index: BucketIndex, { minT, maxT }: TimeSpan): string[] {
    return neededBlocks(index, minT, maxT, this.#elsewhere);
  }

  /** An index that is young enough to go by, without waiting. */
  #held(): BucketIndex | undefined {
    const { indexes, indexAgeMsMax, indexRefreshMs } = this.#access;
    const held = indexes.held(this.#tenant);
    if (held === undefined || held.ageMs > indexAgeMsMax) return undefined;
    // Whether that fails is seen by the query that cannot go by this one any more.
    if (held.ageMs > indexRefreshMs) indexes.refresh(this.#tenant).catch(() => undefined);
    return held.index;
  }
}
