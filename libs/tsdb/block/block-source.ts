/**
 * One block as a SeriesSource, wherever its bytes lie: a folder of the local disk, or a bucket with a header beside.
 * Owns the order of a selection: postings, series, chunks; two rounds of reads where the postings are at hand. Exemplars and
 * metadata are not in blocks.
 */
import { compareLabels, type Labels } from '../../model/labels.ts';
import type { MetricMetadata } from '../../model/metadata.ts';
import { sortTextsInSteps } from '../../model/text-order.ts';
import { setAt } from '../../series/labels-at.ts';
import { bytesOfSets, bytesOfText, bytesOfTexts } from '../../series/list-memory.ts';
import { cutListed } from '../../series/listed.ts';
import type {
  ExemplarSeries,
  LabelQuery,
  LabelTable,
  Listed,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
} from '../../series/series-source.ts';
import type { ByteAllowance } from '../../std/inflight-bytes.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { runInSlices, type Steps, sortInSteps } from '../../std/steps.ts';
import type { IndexLookup } from './index-lookup.ts';
import { keepShard } from './keep-shard.ts';
import { type ChunkReaders, locatedChunks, readChunks } from './read-chunks.ts';
import { selectAnyPlaces, selectPlaces } from './select-places.ts';
import type { SeriesColumns } from './series-columns.ts';
import { type SelectedChunks, selectSeries } from './series-selection.ts';

/** What a source needs of a block; the readers may count for one query. */
export interface BlockReaders extends ChunkReaders {
  /** Loaded when first asked. */
  lookup(signal: AbortSignal): Promise<IndexLookup> | IndexLookup;
  readonly index: RangeReader;
  /**
   * All series in memory, where that is worth it and there is room; absent where a block has none.
   * @param wanted how many series the query looks at
   */
  columns?(wanted: number): Promise<SeriesColumns | undefined>;
  /** All values of labels that were listed before, where they are kept. */
  readonly lists?: BlockLists;
  readonly seriesCount: number;
  /** Samples lie in [minTime, maxTime). */
  readonly minTime: number;
  readonly maxTime: number;
}

/** All values of each label. */
interface BlockLists {
  get(name: string): readonly string[] | undefined;
  /** @returns whether there is room for it */
  set(name: string, values: readonly string[]): boolean;
}

const stepSeries = 1024;
const stepRefs = 16_384;
const noLabels: LabelTable = { strings: [], begin: new Uint32Array(1), refs: new Uint32Array(0) };

export class BlockSource implements SeriesSource {
  readonly #block: BlockReaders;

  constructor(block: BlockReaders) {
    this.#block = block;
  }

  /** Series come in the order of their labels. */
  async select({ matchers, minT, maxT, shard }: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    const block = this.#block;
    const nothing = { labels: noLabels, warnings: [], chunks: async function* () {} };
    if (minT >= block.maxTime || maxT < block.minTime) return nothing;
    const lookup = await block.lookup(signal);
    const places = await selectPlaces(lookup, block.index, matchers, signal);
    const found = await this.#read(lookup, places, minT, maxT, signal);
    const { labels, chunks } = shard === undefined ? found : keepShard(found, shard);
    const located = locatedChunks(chunks, block);
    const selected = { labels, warnings: [], chunks: (stop: AbortSignal) => readChunks(chunks, block, stop) };
    return located === undefined ? selected : { ...selected, located };
  }

  async labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    const block = this.#block;
    if (!this.#overlaps(query)) return { values: [], warnings: [] };
    if (query.selectors.length === 0 && this.#isCovered(query)) {
      return cutListed((await block.lookup(signal)).names, [], query.limit);
    }
    const places = await this.#placesOf(query, signal);
    const columns = await block.columns?.(places?.length ?? block.seriesCount);
    if (columns !== undefined) {
      return placedTexts(await columns.names(places, query.minT, query.maxT, signal), query);
    }
    return this.#textsIn(query, places, namesIn, signal);
  }

  async labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    if (!this.#overlaps(query)) return { values: [], warnings: [] };
    if (query.selectors.length === 0 && this.#isCovered(query)) {
      return cutListed(await this.#allValues(name, query.memory, signal), [], query.limit);
    }
    const places = await this.#placesOf(query, signal);
    const columns = await this.#block.columns?.(places?.length ?? this.#block.seriesCount);
    if (columns !== undefined) {
      return placedTexts(await columns.values(name, places, query.minT, query.maxT, signal), query);
    }
    return this.#textsIn(query, places, (table) => valuesIn(table, name), signal);
  }

  async series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    if (!this.#overlaps(query)) return { values: [], warnings: [] };
    const places = await this.#placesOf(query, signal);
    query.memory?.take(bytesOfSets(places?.length ?? this.#block.seriesCount, 0));
    const { table } = await this.#labelsOf(query, places, signal);
    query.memory?.take(bytesOfSets(0, table.refs.length));
    return cutListed(await runInSlices(labelSetsIn(table), signal), [], query.limit);
  }

  async exemplars(): Promise<Listed<ExemplarSeries>> {
    return { values: [], warnings: [] };
  }

  async metadata(): Promise<Listed<MetricMetadata>> {
    return { values: [], warnings: [] };
  }

  /** Series that any selector matches; undefined for all. */
  async #placesOf({ selectors }: LabelQuery, signal: AbortSignal): Promise<Uint32Array | undefined> {
    if (selectors.length === 0) return undefined;
    return selectAnyPlaces(await this.#block.lookup(signal), this.#block.index, selectors, signal);
  }

  /** All values of a label: those that are kept, or kept from now on where there is room. */
  async #allValues(name: string, memory: ByteAllowance | undefined, signal: AbortSignal): Promise<readonly string[]> {
    const { lists } = this.#block;
    const lookup = await this.#block.lookup(signal);
    const known = lists?.get(name);
    if (known !== undefined) return known;
    const values = await runInSlices(lookup.valuesOf(name, memory), signal);
    if (lists?.set(name, values) === true) memory?.give(bytesOfTexts(values));
    return values;
  }

  /** Some of the texts of all labels, which are counted until these are found. */
  async #textsIn(
    query: LabelQuery,
    places: Uint32Array | undefined,
    find: (table: LabelTable) => Steps<string[]>,
    signal: AbortSignal,
  ): Promise<Listed<string>> {
    const { table, textBytes } = await this.#labelsOf(query, places, signal);
    const found = await runInSlices(find(table), signal);
    query.memory?.give(Math.max(0, textBytes - bytesOfTexts(found)));
    return cutListed(found, [], query.limit);
  }

  /** The labels of series at these places, and what their texts take, which is counted: 0 where they are those of a block that is kept. */
  async #labelsOf(
    { minT, maxT, memory }: LabelQuery,
    places: Uint32Array | undefined,
    signal: AbortSignal,
  ): Promise<{ table: LabelTable; textBytes: number }> {
    const lookup = await this.#block.lookup(signal);
    const chosen = places ?? (await selectPlaces(lookup, this.#block.index, [], signal));
    const { labels, areKept } = await this.#read(lookup, chosen, minT, maxT, signal);
    const counted = countTexts(labels.strings, memory);
    return { table: labels, textBytes: areKept || memory === undefined ? 0 : await runInSlices(counted, signal) };
  }

  async #read(
    lookup: IndexLookup,
    places: Uint32Array,
    minT: number,
    maxT: number,
    signal: AbortSignal,
  ): Promise<{ labels: LabelTable; chunks: SelectedChunks; areKept: boolean }> {
    const { index, seriesCount, gapBytes } = this.#block;
    const columns = await this.#block.columns?.(places.length);
    const selected =
      columns !== undefined
        ? columns.select(places, minT, maxT, signal)
        : selectSeries(lookup, index, places, minT, maxT, seriesCount, gapBytes, signal);
    return { ...(await selected), areKept: columns !== undefined };
  }

  #overlaps({ minT, maxT }: LabelQuery): boolean {
    return minT < this.#block.maxTime && maxT >= this.#block.minTime;
  }

  /** Whether every sample lies in the query's time, so that what the index lists is the answer. */
  #isCovered({ minT, maxT }: LabelQuery): boolean {
    return minT <= this.#block.minTime && maxT >= this.#block.maxTime - 1;
  }
}

/** Texts that are kept for all who ask: of these the list has their places alone. */
function placedTexts(texts: readonly string[], { limit, memory }: LabelQuery): Listed<string> {
  memory?.take(bytesOfSets(0, texts.length));
  return cutListed(texts, [], limit);
}

/** Counts the texts. @returns what they take */
function* countTexts(texts: readonly string[], memory: ByteAllowance | undefined): Steps<number> {
  let all = 0;
  let step = 0;
  for (let i = 0; i < texts.length; i++) {
    step += bytesOfText(texts[i]);
    if (i % stepRefs !== 0 && i + 1 < texts.length) continue;
    memory?.take(step);
    all += step;
    step = 0;
    yield;
  }
  return all;
}

function* namesIn({ strings, refs }: LabelTable): Steps<string[]> {
  const seen = new Uint8Array(strings.length);
  for (let i = 0; i < refs.length; i += 2) {
    seen[refs[i]] = 1;
    if (i % stepRefs === 0) yield;
  }
  return yield* sortTextsInSteps(strings.filter((_, i) => seen[i] === 1));
}

function* valuesIn({ strings, refs }: LabelTable, name: string): Steps<string[]> {
  const wanted = strings.indexOf(name);
  const seen = new Uint8Array(strings.length);
  for (let i = 0; i < refs.length; i += 2) {
    if (refs[i] === wanted) seen[refs[i + 1]] = 1;
    if (i % stepRefs === 0) yield;
  }
  return yield* sortTextsInSteps(strings.filter((_, i) => seen[i] === 1));
}

function* labelSetsIn(table: LabelTable): Steps<Labels[]> {
  const found: Labels[] = [];
  for (let i = 0; i + 1 < table.begin.length; i++) {
    found.push(setAt(table, i, 0));
    if (i % stepSeries === 0) yield;
  }
  return yield* sortInSteps(found, compareLabels);
}
