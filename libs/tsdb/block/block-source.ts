/**
 * One block as a SeriesSource, wherever its bytes lie: a folder of the local disk, or a bucket with a header beside.
 * Owns the order of a selection: postings, series, chunks; two rounds of reads where the postings are at hand. Exemplars and
 * metadata are not in blocks.
 */
import { compareLabels, compareUtf8, Labels } from '../../model/labels.ts';
import type { MetricMetadata } from '../../model/metadata.ts';
import type {
  ExemplarSeries,
  LabelQuery,
  LabelTable,
  Listed,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
} from '../../series/series-source.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import type { IndexLookup } from './index-lookup.ts';
import { type ChunkReaders, readChunks } from './read-chunks.ts';
import { selectPlaces, unitePlaces } from './select-places.ts';
import { selectSeries } from './series-selection.ts';

/** What a source needs of a block; the readers may count for one query. */
export interface BlockReaders extends ChunkReaders {
  /** Loaded when first asked. */
  lookup(signal: AbortSignal): Promise<IndexLookup>;
  readonly index: RangeReader;
  readonly seriesCount: number;
  /** Samples lie in [minTime, maxTime). */
  readonly minTime: number;
  readonly maxTime: number;
}

const truncated = 'results truncated due to limit';
const noLabels: LabelTable = { strings: [], begin: new Uint32Array(1), refs: new Uint32Array(0) };

export class BlockSource implements SeriesSource {
  readonly #block: BlockReaders;

  constructor(block: BlockReaders) {
    this.#block = block;
  }

  /** Series come in the order of their labels. */
  async select({ matchers, minT, maxT }: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    const block = this.#block;
    const nothing = { labels: noLabels, warnings: [], chunks: async function* () {} };
    if (minT >= block.maxTime || maxT < block.minTime) return nothing;
    const lookup = await block.lookup(signal);
    const places = await selectPlaces(lookup, block.index, matchers, signal);
    const { labels, chunks } = await selectSeries(
      lookup,
      block.index,
      places,
      minT,
      maxT,
      block.seriesCount,
      block.gapBytes,
      signal,
    );
    return { labels, warnings: [], chunks: (stop) => readChunks(chunks, block, stop) };
  }

  async labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    const block = this.#block;
    if (!this.#overlaps(query)) return { values: [], warnings: [] };
    if (query.selectors.length === 0 && this.#isCovered(query)) {
      return limited((await block.lookup(signal)).names(), query.limit);
    }
    const { strings, refs } = await this.#labelsOf(query, signal);
    const seen = new Uint8Array(strings.length);
    for (let i = 0; i < refs.length; i += 2) seen[refs[i]] = 1;
    return limited(strings.filter((_, i) => seen[i] === 1).sort(compareUtf8), query.limit);
  }

  async labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    if (!this.#overlaps(query)) return { values: [], warnings: [] };
    if (query.selectors.length === 0 && this.#isCovered(query)) {
      const lookup = await this.#block.lookup(signal);
      const rows = lookup.rowsOf(name);
      const values: string[] = [];
      for (let row = rows?.begin ?? 0; row < (rows?.end ?? 0); row++) values.push(lookup.valueText(row));
      return limited(values, query.limit);
    }
    const { strings, refs } = await this.#labelsOf(query, signal);
    const seen = new Uint8Array(strings.length);
    for (let i = 0; i < refs.length; i += 2) if (strings[refs[i]] === name) seen[refs[i + 1]] = 1;
    return limited(strings.filter((_, i) => seen[i] === 1).sort(compareUtf8), query.limit);
  }

  async series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    if (!this.#overlaps(query)) return { values: [], warnings: [] };
    const { strings, begin, refs } = await this.#labelsOf(query, signal);
    const found: Labels[] = [];
    for (let i = 0; i + 1 < begin.length; i++) {
      found.push(new Labels(Array.from(refs.subarray(begin[i], begin[i + 1]), (ref) => strings[ref])));
    }
    return limited(found.sort(compareLabels), query.limit);
  }

  async exemplars(): Promise<Listed<ExemplarSeries>> {
    return { values: [], warnings: [] };
  }

  async metadata(): Promise<Listed<MetricMetadata>> {
    return { values: [], warnings: [] };
  }

  async #labelsOf({ selectors, minT, maxT }: LabelQuery, signal: AbortSignal): Promise<LabelTable> {
    const block = this.#block;
    const lookup = await block.lookup(signal);
    let places = await selectPlaces(lookup, block.index, selectors[0] ?? [], signal);
    for (const matchers of selectors.slice(1)) {
      places = unitePlaces(places, await selectPlaces(lookup, block.index, matchers, signal));
    }
    return (await selectSeries(lookup, block.index, places, minT, maxT, block.seriesCount, block.gapBytes, signal))
      .labels;
  }

  #overlaps({ minT, maxT }: LabelQuery): boolean {
    return minT < this.#block.maxTime && maxT >= this.#block.minTime;
  }

  /** Whether every sample lies in the query's time, so that what the index lists is the answer. */
  #isCovered({ minT, maxT }: LabelQuery): boolean {
    return minT <= this.#block.minTime && maxT >= this.#block.maxTime - 1;
  }
}

function limited<T>(values: readonly T[], limit: number): Listed<T> {
  if (limit <= 0 || values.length <= limit) return { values, warnings: [] };
  return { values: values.slice(0, limit), warnings: [truncated] };
}
