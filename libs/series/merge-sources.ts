/**
 * Several sources as one: head and blocks, or many blocks. Each series comes once, with the chunks of all that have it.
 * Owns the joining of series by their labels. Does not own which of two samples counts: chunks that overlap go on as they are, and
 * whoever decodes them merges (merge.ts). A failure of any source is a failure of all: nothing is left out.
 * Surprising: a source whose series come in the order of their labels (a block) is read as a stream; one whose series do not (a head)
 * has its chunks held until their series' turn comes.
 */
import { compareLabels, compareUtf8, type Labels } from '../model/labels.ts';
import type { MetricMetadata } from '../model/metadata.ts';
import { assert } from '../std/assert.ts';
import { mapBounded } from '../std/bounded.ts';
import { Turns } from '../std/turns.ts';
import {
  addCosts,
  type ChunkBatch,
  type ExemplarSeries,
  type LabelQuery,
  type LabelTable,
  type Listed,
  noCosts,
  type SelectedSeries,
  type SelectQuery,
  type SeriesSource,
  seriesCountOf,
} from './series-source.ts';

/** Sources asked at once. */
const sourcesAtOnceMax = 32;
const batchSeriesMax = 1024;
const batchBytesMax = 1 << 20;
const truncated = 'results truncated due to limit';

/** One source over several. */
export function mergeSources(sources: readonly SeriesSource[]): SeriesSource {
  const [only] = sources;
  return sources.length === 1 && only !== undefined ? only : new MergedSource(sources);
}

class MergedSource implements SeriesSource {
  readonly #sources: readonly SeriesSource[];

  constructor(sources: readonly SeriesSource[]) {
    this.#sources = sources;
  }

  async select(query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    return mergeSelections(await this.#all((source) => source.select(query, signal)));
  }

  /**
   * Labels may be left out only where nothing has to be joined by them: where one source alone has series. The others are asked
   * first, which costs them little where they have nothing.
   */
  async selectProjected(query: SelectQuery, names: readonly string[], signal: AbortSignal): Promise<SelectedSeries> {
    const projecting = this.#sources.find(({ selectProjected }) => selectProjected !== undefined);
    if (projecting?.selectProjected === undefined) return this.select(query, signal);
    const others = this.#sources.filter((source) => source !== projecting);
    const found = await mapBounded(others, sourcesAtOnceMax, (source) => source.select(query, signal));
    if (found.every(({ labels }) => seriesCountOf(labels) === 0)) {
      const alone = await projecting.selectProjected(query, names, signal);
      return { ...alone, warnings: warningsOf([alone, ...found]) };
    }
    return mergeSelections([await projecting.select(query, signal), ...found]);
  }

  async labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    return mergeLists(await this.#all((source) => source.labelNames(query, signal)), same, compareUtf8, query.limit);
  }

  async labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    const lists = await this.#all((source) => source.labelValues(name, query, signal));
    return mergeLists(lists, same, compareUtf8, query.limit);
  }

  async series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    const lists = await this.#all((source) => source.series(query, signal));
    return mergeLists(lists, ({ key }) => key, compareLabels, query.limit);
  }

  async exemplars(query: LabelQuery, signal: AbortSignal): Promise<Listed<ExemplarSeries>> {
    const lists = await this.#all((source) => source.exemplars(query, signal));
    const byKey = new Map<string, ExemplarSeries>();
    for (const series of lists.flatMap(({ values }) => values)) {
      const known = byKey.get(series.labels.key);
      const exemplars = [...(known?.exemplars ?? []), ...series.exemplars].sort(
        (a, b) => a.timestampMs - b.timestampMs,
      );
      byKey.set(series.labels.key, { labels: series.labels, exemplars });
    }
    const values = [...byKey.values()].sort((a, b) => compareLabels(a.labels, b.labels));
    return { values, warnings: warningsOf(lists) };
  }

  async metadata(metric: string | undefined, limit: number, limitPerMetric: number): Promise<Listed<MetricMetadata>> {
    const lists = await this.#all((source) => source.metadata(metric, limit, limitPerMetric));
    return { values: lists.flatMap(({ values }) => values), warnings: warningsOf(lists) };
  }

  #all<T>(ask: (source: SeriesSource) => Promise<T>): Promise<T[]> {
    return mapBounded(this.#sources, sourcesAtOnceMax, ask);
  }
}

const same = (text: string): string => text;

function mergeLists<T>(
  lists: readonly Listed<T>[],
  keyOf: (value: T) => string,
  compare: (a: T, b: T) => number,
  limit: number,
): Listed<T> {
  const byKey = new Map<string, T>();
  for (const { values } of lists) for (const value of values) byKey.set(keyOf(value), value);
  const values = [...byKey.values()].sort(compare);
  const isCut = limit > 0 && values.length > limit;
  const warnings = warningsOf(lists);
  if (isCut && !warnings.includes(truncated)) warnings.push(truncated);
  return { values: isCut ? values.slice(0, limit) : values, warnings };
}

function warningsOf(lists: readonly { readonly warnings: readonly string[] }[]): string[] {
  return [...new Set(lists.flatMap(({ warnings }) => warnings))];
}

/** The series of several selections, in the order of their labels, each once. */
export function mergeSelections(selections: readonly SelectedSeries[]): SelectedSeries {
  const found = selections.filter(({ labels }) => labels.begin.length > 1);
  const warnings = warningsOf(selections);
  const costs = () => selections.reduce((sum, selected) => addCosts(sum, selected.costs?.() ?? noCosts), noCosts);
  // Where none found a series, any of them says so.
  const [only] = found.length === 0 ? selections : found;
  if (found.length < 2 && only !== undefined) return { ...only, warnings, costs };
  const ranked = rankStrings(found.map(({ labels }) => labels));
  const orders = ranked.refs.map((refs, i) => new SeriesOrder(found[i].labels.begin, refs));
  const joined = joinSeries(orders);
  return {
    labels: { strings: ranked.strings, begin: joined.begin, refs: joined.refs },
    warnings,
    costs,
    chunks: (signal) => mergeChunks(found, orders, joined, signal),
  };
}

/** All strings once, in order, and the tables' references to them: an order of numbers that is the order of texts. */
function rankStrings(tables: readonly LabelTable[]): { strings: string[]; refs: Uint32Array[] } {
  const distinct = new Set<string>();
  for (const { strings } of tables) for (const text of strings) distinct.add(text);
  const strings = [...distinct];
  // Without surrogates the order of UTF-16 is that of UTF-8, and sorting needs no call a comparison.
  if (strings.some((text) => /[\ud800-\udfff]/.test(text))) strings.sort(compareUtf8);
  else strings.sort();
  const rank = new Map<string, number>();
  for (let i = 0; i < strings.length; i++) rank.set(strings[i], i);
  const refs = tables.map((table) => {
    const ranks = Uint32Array.from(table.strings, (text) => rank.get(text) ?? 0);
    return table.refs.map((ref) => ranks[ref]);
  });
  return { strings, refs };
}

/** The series of one selection in the order of their labels. */
class SeriesOrder {
  readonly begin: Uint32Array;
  readonly refs: Uint32Array;
  readonly count: number;
  /** Series by rank; undefined where they come in order already. */
  readonly #order: Uint32Array | undefined;

  constructor(begin: Uint32Array, refs: Uint32Array) {
    this.begin = begin;
    this.refs = refs;
    this.count = begin.length - 1;
    let isSorted = true;
    for (let i = 1; i < this.count && isSorted; i++) isSorted = compareSeries(this, i - 1, this, i) < 0;
    if (!isSorted) {
      this.#order = Uint32Array.from({ length: this.count }, (_, i) => i).sort((a, b) =>
        compareSeries(this, a, this, b),
      );
    }
  }

  get isSorted(): boolean {
    return this.#order === undefined;
  }

  at(rank: number): number {
    return this.#order === undefined ? rank : this.#order[rank];
  }
}

function compareSeries(a: SeriesOrder, i: number, b: SeriesOrder, j: number): number {
  const x = a.begin[i];
  const y = b.begin[j];
  const length = Math.min(a.begin[i + 1] - x, b.begin[j + 1] - y);
  for (let k = 0; k < length; k++) {
    const difference = a.refs[x + k] - b.refs[y + k];
    if (difference !== 0) return difference;
  }
  return a.begin[i + 1] - x - (b.begin[j + 1] - y);
}

/** Series s of the whole has the parts [partBegin[s], partBegin[s + 1]): series partSeries of selection partSource. */
interface JoinedSeries {
  readonly begin: Uint32Array;
  readonly refs: Uint32Array;
  readonly partBegin: Uint32Array;
  readonly partSource: Uint32Array;
  readonly partSeries: Uint32Array;
}

function joinSeries(orders: readonly SeriesOrder[]): JoinedSeries {
  let parts = 0;
  let refCount = 0;
  for (const { count, refs } of orders) {
    parts += count;
    refCount += refs.length;
  }
  const begin = new Uint32Array(parts + 1);
  const refs = new Uint32Array(refCount);
  const partBegin = new Uint32Array(parts + 1);
  const partSource = new Uint32Array(parts);
  const partSeries = new Uint32Array(parts);
  const next = new Uint32Array(orders.length);
  const heap = new SourceHeap(orders, next);
  let series = 0;
  let part = 0;
  for (let source = heap.least(); source >= 0; ) {
    const order = orders[source];
    const first = order.at(next[source]);
    refs.set(order.refs.subarray(order.begin[first], order.begin[first + 1]), begin[series]);
    begin[series + 1] = begin[series] + order.begin[first + 1] - order.begin[first];
    for (let same = source; same >= 0; ) {
      partSource[part] = same;
      partSeries[part++] = orders[same].at(next[same]);
      next[same]++;
      heap.sink();
      source = heap.least();
      same =
        source >= 0 && compareSeries(order, first, orders[source], orders[source].at(next[source])) === 0 ? source : -1;
    }
    partBegin[++series] = part;
  }
  return {
    begin: begin.slice(0, series + 1),
    refs: refs.slice(0, begin[series]),
    partBegin: partBegin.subarray(0, series + 1),
    partSource,
    partSeries,
  };
}

/** Sources by their next series: a binary heap of their numbers. */
class SourceHeap {
  readonly #orders: readonly SeriesOrder[];
  readonly #next: Uint32Array;
  readonly #heap: number[] = [];

  constructor(orders: readonly SeriesOrder[], next: Uint32Array) {
    this.#orders = orders;
    this.#next = next;
    for (let source = 0; source < orders.length; source++) if (orders[source].count > 0) this.#heap.push(source);
    for (let i = this.#heap.length >> 1; i >= 0; i--) this.#sinkFrom(i);
  }

  /** The source whose next series is first; -1 after the last. */
  least(): number {
    return this.#heap[0] ?? -1;
  }

  /** After the least one has moved on. */
  sink(): void {
    const top = this.#heap[0];
    assert(top !== undefined, 'a source has moved on');
    if (this.#next[top] === this.#orders[top].count) {
      const last = this.#heap.pop();
      if (last !== undefined && this.#heap.length > 0) this.#heap[0] = last;
    }
    this.#sinkFrom(0);
  }

  #sinkFrom(from: number): void {
    const heap = this.#heap;
    for (let i = from; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && this.#isBefore(heap[child], heap[least])) least = child;
      }
      if (least === i) return;
      [heap[i], heap[least]] = [heap[least], heap[i]];
      i = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const x = this.#orders[a];
    const y = this.#orders[b];
    const order = compareSeries(x, x.at(this.#next[a]), y, y.at(this.#next[b]));
    return order < 0 || (order === 0 && a < b);
  }
}

async function* mergeChunks(
  found: readonly SelectedSeries[],
  orders: readonly SeriesOrder[],
  joined: JoinedSeries,
  signal: AbortSignal,
): AsyncGenerator<ChunkBatch> {
  const readers = found.map((selected, i) => new BatchReader(selected.chunks(signal), orders[i].isSorted));
  try {
    // All begin at once; what they read ahead is theirs to bound.
    await Promise.all(readers.map((reader) => reader.begin()));
    const count = joined.partBegin.length - 1;
    const turns = new Turns();
    for (let series = 0; series < count; ) {
      const builder = new BatchBuilder(series);
      do {
        for (let part = joined.partBegin[series]; part < joined.partBegin[series + 1]; part++) {
          const reader = readers[joined.partSource[part]];
          const own = joined.partSeries[part];
          const batch = reader.find(own) ?? (await reader.read(own));
          builder.take(batch, own);
          reader.done(own);
        }
        builder.endSeries();
        series++;
        if (turns.isOver) await turns.next(signal);
      } while (series < count && !builder.isFull);
      yield builder.build();
    }
  } finally {
    for (const reader of readers) reader.close();
  }
}

/** The batches of one selection: the one that holds a series, and those that are held for later. */
class BatchReader {
  readonly #batches: AsyncIterator<ChunkBatch>;
  readonly #isSorted: boolean;
  readonly #held: ChunkBatch[] = [];
  #first: Promise<IteratorResult<ChunkBatch>> | undefined;
  /** Series of each held batch that were not taken yet. */
  readonly #left: number[] = [];

  constructor(batches: AsyncIterable<ChunkBatch>, isSorted: boolean) {
    this.#batches = batches[Symbol.asyncIterator]();
    this.#isSorted = isSorted;
  }

  async begin(): Promise<void> {
    this.#first = this.#batches.next();
    await this.#first;
  }

  /** The batch of a series, if it is here. */
  find(series: number): ChunkBatch | undefined {
    const held = this.#held;
    if (this.#isSorted) {
      const batch = held[0];
      return batch !== undefined && series < batch.firstSeries + batch.chunkBegin.length - 1 ? batch : undefined;
    }
    return held[this.#indexOf(series)];
  }

  /** Of the held batch that has the series; -1 if it is not here. */
  #indexOf(series: number): number {
    let low = 0;
    let high = this.#held.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const batch = this.#held[middle];
      if (series < batch.firstSeries) high = middle;
      else if (series >= batch.firstSeries + batch.chunkBegin.length - 1) low = middle + 1;
      else return middle;
    }
    return -1;
  }

  /** Reads on until the batch of the series is here. */
  async read(series: number): Promise<ChunkBatch> {
    for (;;) {
      const { done, value } = await (this.#first ?? this.#batches.next());
      this.#first = undefined;
      assert(done !== true, 'a selection has a batch for every series');
      if (this.#isSorted) this.#held.length = 0;
      this.#held.push(value);
      this.#left.push(value.chunkBegin.length - 1);
      const batch = this.find(series);
      if (batch !== undefined) return batch;
    }
  }

  /** A series was taken: the bytes of a batch whose series all were are let go. */
  done(series: number): void {
    if (this.#isSorted) return;
    const at = this.#indexOf(series);
    this.#left[at]--;
    if (this.#left[at] === 0) this.#held[at] = { ...this.#held[at], bytes: noBytes };
  }

  close(): void {
    this.#held.length = 0;
    this.#batches.return?.()?.catch(() => undefined);
  }
}

const noBytes = new Uint8Array(0);

/** One batch in the making. */
class BatchBuilder {
  readonly #firstSeries: number;
  readonly #chunkBegin: number[] = [0];
  readonly #encoding: number[] = [];
  readonly #minT: number[] = [];
  readonly #maxT: number[] = [];
  readonly #from: Uint8Array[] = [];
  readonly #byteBegin: number[] = [];
  readonly #byteEnd: number[] = [];
  #bytes = 0;

  constructor(firstSeries: number) {
    this.#firstSeries = firstSeries;
  }

  get isFull(): boolean {
    return this.#chunkBegin.length > batchSeriesMax || this.#bytes >= batchBytesMax;
  }

  /** Adds the chunks of series `series` of a selection. */
  take(batch: ChunkBatch, series: number): void {
    const own = series - batch.firstSeries;
    for (let c = batch.chunkBegin[own]; c < batch.chunkBegin[own + 1]; c++) {
      this.#encoding.push(batch.encoding[c]);
      this.#minT.push(batch.minT[c]);
      this.#maxT.push(batch.maxT[c]);
      this.#from.push(batch.bytes);
      this.#byteBegin.push(batch.byteBegin[c]);
      this.#byteEnd.push(batch.byteBegin[c + 1]);
      this.#bytes += batch.byteBegin[c + 1] - batch.byteBegin[c];
    }
  }

  endSeries(): void {
    this.#chunkBegin.push(this.#encoding.length);
  }

  /** The batch, the chunks of each series in order of time. */
  build(): ChunkBatch {
    const count = this.#encoding.length;
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = 0; i + 1 < this.#chunkBegin.length; i++) {
      const own = order.subarray(this.#chunkBegin[i], this.#chunkBegin[i + 1]);
      let isSorted = true;
      for (let j = 1; j < own.length && isSorted; j++) isSorted = this.#minT[own[j - 1]] <= this.#minT[own[j]];
      if (!isSorted) own.sort((a, b) => this.#minT[a] - this.#minT[b] || a - b);
    }
    const encoding = new Uint8Array(count);
    const minT = new Float64Array(count);
    const maxT = new Float64Array(count);
    const byteBegin = new Uint32Array(count + 1);
    const bytes = new Uint8Array(this.#bytes);
    for (let i = 0; i < count; i++) {
      const c = order[i];
      encoding[i] = this.#encoding[c];
      minT[i] = this.#minT[c];
      maxT[i] = this.#maxT[c];
      bytes.set(this.#from[c].subarray(this.#byteBegin[c], this.#byteEnd[c]), byteBegin[i]);
      byteBegin[i + 1] = byteBegin[i] + this.#byteEnd[c] - this.#byteBegin[c];
    }
    return {
      firstSeries: this.#firstSeries,
      chunkBegin: Uint32Array.from(this.#chunkBegin),
      encoding,
      minT,
      maxT,
      byteBegin,
      bytes,
    };
  }
}
