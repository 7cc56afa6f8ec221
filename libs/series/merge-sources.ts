/**
 * Several sources as one: head and blocks, or many blocks. Each series comes once, with the chunks of all that have it.
 * Owns the joining of series by their labels; their chunks are joined in join-chunks.ts, here or by who asks the parts. Does not own
 * which of two samples counts: chunks that overlap go on as they are, and whoever decodes them merges (merge.ts). A failure of any
 * source is a failure of all: nothing is left out.
 */
import { compareLabels, compareUtf8, type Labels } from '../model/labels.ts';
import type { MetricMetadata } from '../model/metadata.ts';
import { sortTextsInSteps } from '../model/text-order.ts';
import { assert } from '../std/assert.ts';
import { mapBounded } from '../std/bounded.ts';
import { orderInSteps, runInSlices, type Steps } from '../std/steps.ts';
import { Turns } from '../std/turns.ts';
import { type HeldListed, heldList, mergeHeld } from './held-lists.ts';
import { ChunkJoiner } from './join-chunks.ts';
import { unitedWarnings } from './listed.ts';
import { projectLabels } from './project-labels.ts';
import {
  addCosts,
  type ChunkBatch,
  type ExemplarSeries,
  type JoinedParts,
  type LabelQuery,
  type LabelTable,
  type Listed,
  noCosts,
  type PartTable,
  type SelectedSeries,
  type SelectQuery,
  type SeriesSource,
  seriesCountOf,
} from './series-source.ts';

/** Sources asked at once. */
const sourcesAtOnceMax = 32;
/** Series whose chunks are joined between two looks at the clock. */
const seriesPerLook = 64;
/** In a step of the joining of labels. */
const textsPerStep = 1024;
const seriesPerStep = 256;
const refsPerStep = 16_384;

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
    return mergeSelections(await this.#all((source) => source.select(query, signal)), signal);
  }

  /**
   * Where one source alone has series it leaves labels out itself: the others are asked first, which costs them little where they have
   * nothing. Else series are joined by all their labels before any is left out.
   */
  async selectProjected(query: SelectQuery, names: readonly string[], signal: AbortSignal): Promise<SelectedSeries> {
    const projecting = this.#sources.find(({ selectProjected }) => selectProjected !== undefined);
    if (projecting?.selectProjected === undefined) return projected(await this.select(query, signal), names, signal);
    const others = this.#sources.filter((source) => source !== projecting);
    const found = await mapBounded(others, sourcesAtOnceMax, (source) => source.select(query, signal));
    if (found.every(({ labels }) => seriesCountOf(labels) === 0)) {
      const alone = await projecting.selectProjected(query, names, signal);
      return { ...alone, warnings: unitedWarnings([alone, ...found]) };
    }
    const merged = await mergeSelections([await projecting.select(query, signal), ...found], signal);
    return projected(merged, names, signal);
  }

  async labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    const lists = await this.#held(query, (source, own) => source.labelNames(own, signal));
    return mergeHeld(lists, compareUtf8, query, signal);
  }

  async labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    const lists = await this.#held(query, (source, own) => source.labelValues(name, own, signal));
    return mergeHeld(lists, compareUtf8, query, signal);
  }

  async series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    const lists = await this.#held(query, (source, own) => source.series(own, signal));
    return mergeHeld(lists, compareLabels, query, signal);
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
    return { values, warnings: unitedWarnings(lists) };
  }

  async metadata(metric: string | undefined, limit: number, limitPerMetric: number): Promise<Listed<MetricMetadata>> {
    const lists = await this.#all((source) => source.metadata(metric, limit, limitPerMetric));
    return { values: lists.flatMap(({ values }) => values), warnings: unitedWarnings(lists) };
  }

  #held<T>(
    query: LabelQuery,
    ask: (source: SeriesSource, query: LabelQuery) => Promise<Listed<T>>,
  ): Promise<HeldListed<T>[]> {
    return this.#all((source) => heldList(query.memory, (memory) => ask(source, { ...query, memory })));
  }

  #all<T>(ask: (source: SeriesSource) => Promise<T>): Promise<T[]> {
    return mapBounded(this.#sources, sourcesAtOnceMax, ask);
  }
}

/** Its labels were looked at for the last time. */
async function projected(
  selected: SelectedSeries,
  names: readonly string[],
  signal: AbortSignal,
): Promise<SelectedSeries> {
  return { ...selected, labels: await projectLabels(selected.labels, names, signal) };
}

/** The series of several selections, in the order of their labels, each once. */
export async function mergeSelections(
  selections: readonly SelectedSeries[],
  signal: AbortSignal,
): Promise<SelectedSeries> {
  const found = selections.filter(({ labels }) => labels.begin.length > 1);
  const warnings = unitedWarnings(selections);
  const costs = () => selections.reduce((sum, selected) => addCosts(sum, selected.costs?.() ?? noCosts), noCosts);
  // Where none found a series, any of them says so.
  const [only] = found.length === 0 ? selections : found;
  if (found.length < 2 && only !== undefined) return { ...only, warnings, costs };
  const { labels, parts } = await runInSlices(joinLabels(found), signal);
  return { labels, warnings, costs, chunks: (stop) => joinChunks(parts, stop), parts };
}

function* joinLabels(found: readonly SelectedSeries[]): Steps<{ labels: LabelTable; parts: JoinedParts }> {
  const { strings, refs: ranked } = yield* rankStrings(found.map(({ labels }) => labels));
  const orders: SeriesOrder[] = [];
  for (const [i, refs] of ranked.entries()) orders.push(yield* orderSeries(found[i].labels.begin, refs));
  const { begin, refs, ...table } = yield* joinSeries(orders);
  const isSorted = orders.map((order) => order.isSorted);
  return { labels: { strings, begin, refs }, parts: flatParts({ ...table, selections: found, isSorted }) };
}

/** All strings once, in order, and the tables' references to them: an order of numbers that is the order of texts. */
function* rankStrings(tables: readonly LabelTable[]): Steps<{ strings: string[]; refs: Uint32Array[] }> {
  const numbers = new Map<string, number>();
  const numbered: Uint32Array[] = [];
  for (const { strings } of tables) {
    const own = new Uint32Array(strings.length);
    for (let at = 0; at < own.length; at += textsPerStep) {
      numberTexts(strings, at, Math.min(own.length, at + textsPerStep), numbers, own);
      yield;
    }
    numbered.push(own);
  }
  const strings = yield* sortTextsInSteps([...numbers.keys()]);
  const rank = new Uint32Array(strings.length);
  for (let at = 0; at < rank.length; at += textsPerStep) {
    rankTexts(strings, at, Math.min(rank.length, at + textsPerStep), numbers, rank);
    yield;
  }
  const refs: Uint32Array[] = [];
  for (const [i, own] of numbered.entries()) {
    const ranks = own.map((number) => rank[number]);
    yield;
    const of = tables[i].refs;
    const ranked = new Uint32Array(of.length);
    for (let at = 0; at < of.length; at += refsPerStep) {
      rankRefs(of, at, Math.min(of.length, at + refsPerStep), ranks, ranked);
      yield;
    }
    refs.push(ranked);
  }
  return { strings, refs };
}

/** Each text's number, in the order in which they are met first. */
function numberTexts(
  texts: readonly string[],
  begin: number,
  end: number,
  numbers: Map<string, number>,
  own: Uint32Array,
): void {
  for (let i = begin; i < end; i++) {
    let number = numbers.get(texts[i]);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(texts[i], number);
    }
    own[i] = number;
  }
}

function rankTexts(
  sorted: readonly string[],
  begin: number,
  end: number,
  numbers: Map<string, number>,
  rank: Uint32Array,
): void {
  for (let i = begin; i < end; i++) rank[numbers.get(sorted[i]) ?? 0] = i;
}

function rankRefs(refs: Uint32Array, begin: number, end: number, ranks: Uint32Array, ranked: Uint32Array): void {
  for (let i = begin; i < end; i++) ranked[i] = ranks[refs[i]];
}

/** The series of one selection in the order of their labels. */
class SeriesOrder {
  readonly begin: Uint32Array;
  readonly refs: Uint32Array;
  readonly count: number;
  /** Series by rank; undefined where they come in order already. */
  readonly #order: Uint32Array | undefined;

  constructor(begin: Uint32Array, refs: Uint32Array, order: Uint32Array | undefined) {
    this.begin = begin;
    this.refs = refs;
    this.count = begin.length - 1;
    this.#order = order;
  }

  get isSorted(): boolean {
    return this.#order === undefined;
  }

  at(rank: number): number {
    return this.#order === undefined ? rank : this.#order[rank];
  }
}

function* orderSeries(begin: Uint32Array, refs: Uint32Array): Steps<SeriesOrder> {
  const unordered = new SeriesOrder(begin, refs, undefined);
  const isBehind = (a: number, b: number): boolean => compareSeries(unordered, a, unordered, b) > 0;
  let sorted = 1;
  while (sorted < unordered.count && isBehind(sorted, sorted - 1)) if (++sorted % seriesPerStep === 0) yield;
  if (sorted >= unordered.count) return unordered;
  return new SeriesOrder(begin, refs, yield* orderInSteps(unordered.count, isBehind));
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

/** The same parts where selections were joined themselves: theirs in their place, so that every chunk is joined once. */
function flatParts(parts: JoinedParts): JoinedParts {
  if (!parts.selections.some((selected) => selected.parts !== undefined)) return parts;
  const selections: SelectedSeries[] = [];
  const isSorted: boolean[] = [];
  const firstOf = parts.selections.map((selected, i) => {
    const first = selections.length;
    selections.push(...(selected.parts?.selections ?? [selected]));
    // In order where its own whole is, and that in order of this one.
    if (selected.parts === undefined) isSorted.push(parts.isSorted[i]);
    else isSorted.push(...selected.parts.isSorted.map((sorted) => sorted && parts.isSorted[i]));
    return first;
  });
  let count = 0;
  for (let part = 0; part < parts.partSource.length; part++) {
    const inner = parts.selections[parts.partSource[part]].parts;
    const own = parts.partSeries[part];
    count += inner === undefined ? 1 : inner.partBegin[own + 1] - inner.partBegin[own];
  }
  const partBegin = new Uint32Array(parts.partBegin.length);
  const partSource = new Uint32Array(count);
  const partSeries = new Uint32Array(count);
  let at = 0;
  for (let series = 0; series + 1 < partBegin.length; series++) {
    for (let part = parts.partBegin[series]; part < parts.partBegin[series + 1]; part++) {
      const source = parts.partSource[part];
      const own = parts.partSeries[part];
      const inner = parts.selections[source].parts;
      if (inner === undefined) {
        partSource[at] = firstOf[source];
        partSeries[at++] = own;
        continue;
      }
      for (let k = inner.partBegin[own]; k < inner.partBegin[own + 1]; k++) {
        partSource[at] = firstOf[source] + inner.partSource[k];
        partSeries[at++] = inner.partSeries[k];
      }
    }
    partBegin[series + 1] = at;
  }
  return { partBegin, partSource, partSeries, selections, isSorted };
}

interface JoinedSeries extends PartTable {
  readonly begin: Uint32Array;
  readonly refs: Uint32Array;
}

function* joinSeries(orders: readonly SeriesOrder[]): Steps<JoinedSeries> {
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
    if (series % seriesPerStep === 0) yield;
  }
  return {
    begin: begin.slice(0, series + 1),
    refs: refs.slice(0, begin[series]),
    partBegin: partBegin.slice(0, series + 1),
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

async function* joinChunks(parts: JoinedParts, signal: AbortSignal): AsyncGenerator<ChunkBatch> {
  const joiner = new ChunkJoiner(parts, parts.isSorted);
  const readers = parts.selections.map((selected) => selected.chunks(signal)[Symbol.asyncIterator]());
  // All begin at once; what they read ahead is theirs to bound.
  const first = readers.map((reader) => reader.next());
  try {
    await Promise.all(first);
    const turns = new Turns();
    for (;;) {
      const missing = joiner.advance(seriesPerLook);
      if (missing >= 0) {
        const { done, value } = await (first[missing] ?? readers[missing].next());
        delete first[missing];
        assert(done !== true, 'a selection has a batch for every series');
        joiner.give(missing, value);
      } else if (joiner.isReady) {
        const batch = joiner.take();
        if (batch === undefined) return;
        yield batch;
      }
      if (turns.isOver) await turns.next(signal);
    }
  } finally {
    joiner.close();
    for (const reader of readers) reader.return?.()?.catch(() => undefined);
  }
}
