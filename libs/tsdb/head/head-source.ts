/**
 * The head of one tenant as a SeriesSource: what is written and not yet anywhere else.
 * Owns the reading of a head in slices of time, so that no read holds up a write for long. What was acknowledged before a call is
 * seen; what comes while it runs may be. Chunks leave as copies in memory of their own. Goes to services/querier/serve-reads.ts.
 */

import { labelsOfCanonical } from '../../model/canonical-labels.ts';
import type { Exemplar } from '../../model/exemplar.ts';
import { compareLabels, type Labels } from '../../model/labels.ts';
import type { MetricMetadata } from '../../model/metadata.ts';
import { sortTextsInSteps } from '../../model/text-order.ts';
import { setAt } from '../../series/labels-at.ts';
import { bytesOfLabels, bytesOfSets, bytesOfText } from '../../series/list-memory.ts';
import { cutListed } from '../../series/listed.ts';
import type {
  ChunkBatch,
  ExemplarSeries,
  LabelQuery,
  Listed,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
} from '../../series/series-source.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { nextTurn, runInSlices, type Steps, sortInSteps } from '../../std/steps.ts';
import { ChunkBatchBuilder } from './chunk-batch-builder.ts';
import { copyBatch } from './copy-batch.ts';
import type { HeadRange } from './head-range.ts';
import { IdMarks } from './id-marks.ts';
import { labelsOf, labelTableOf, projectedTableOf } from './label-table.ts';
import { firstHasSamples, inShard, pairsWithSamples, selectAnyIds, selectIds, withSamples } from './select-ids.ts';
import type { TenantHead } from './tenant-head.ts';
import { ValueLists } from './value-lists.ts';

const stepItems = 512;
/** To pick values from those of a label in order is cheaper than to sort them, up to so many for each that is picked. */
const sortedFactor = 16;

export class HeadSource implements SeriesSource {
  readonly #head: TenantHead;
  readonly #lists: ValueLists;

  /** @param lists where values of labels are kept in order */
  constructor(head: TenantHead, lists: ValueLists = new ValueLists(0)) {
    this.#head = head;
    this.#lists = lists;
  }

  select(query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    return this.#select(query, undefined, signal);
  }

  selectProjected(query: SelectQuery, names: readonly string[], signal: AbortSignal): Promise<SelectedSeries> {
    const { series } = this.#head;
    const hasMetadata = series.findName('__type__') !== 0 || series.findName('__unit__') !== 0;
    return this.#select(query, hasMetadata ? undefined : names, signal);
  }

  async #select(
    { matchers, minT, maxT, shard }: SelectQuery,
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<SelectedSeries> {
    const { series } = this.#head;
    const ranges = this.#head.rangesBetween(minT, maxT);
    const ids = await runInSlices(
      (function* () {
        const found = yield* withSamples(yield* selectIds(series, matchers), ranges, minT, maxT);
        return shard === undefined ? found : yield* inShard(series, found, shard);
      })(),
      signal,
    );
    const table = names === undefined ? labelTableOf(series, ids) : projectedTableOf(series, ids, names);
    const labels = await runInSlices(table, signal);
    return { labels, warnings: [], chunks: (stop) => chunkBatches(ids, ranges, minT, maxT, stop) };
  }

  async labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    return cutListed(await runInSlices(this.#labelNames(query), signal), [], query.limit);
  }

  async labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    return cutListed(await runInSlices(this.#labelValues(name, query), signal), [], query.limit);
  }

  async series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    return cutListed(await runInSlices(this.#series(query), signal), [], query.limit);
  }

  async exemplars(query: LabelQuery, signal: AbortSignal): Promise<Listed<ExemplarSeries>> {
    return cutListed(await runInSlices(this.#exemplars(query), signal), [], query.limit);
  }

  async metadata(metric: string | undefined, limit: number, limitPerMetric: number): Promise<Listed<MetricMetadata>> {
    return { values: this.#head.metadata.list(metric, limit, limitPerMetric), warnings: [] };
  }

  *#labelNames(query: LabelQuery): Steps<readonly string[]> {
    const { series } = this.#head;
    const texts: string[] = [];
    if (query.selectors.length === 0 && this.#coversAll(query))
      return (yield* this.#lists.names(series, query.memory)).texts;
    if (query.selectors.length === 0) {
      const { minT, maxT } = query;
      const ranges = this.#head.rangesBetween(minT, maxT);
      for (let name = 1; name <= series.nameCount; name++) {
        const isFound =
          firstHasSamples(series, series.firstPairOfName(name), ranges, minT, maxT) ||
          (yield* pairsWithSamples(series, series.pairsOfName(name), ranges, minT, maxT)).length > 0;
        if (isFound) texts.push(series.nameText(name));
      }
      return yield* sortTextsInSteps(texts);
    }
    const seen = new Set<number>();
    const ids = yield* this.#idsOf(query);
    for (let i = 0; i < ids.length; i++) {
      const count = series.labelCount(ids[i]);
      for (let j = 0; j < count; j++) seen.add(series.nameOfPair(series.pairAt(ids[i], j)));
      if (i % stepItems === 0) yield;
    }
    for (const name of seen) texts.push(series.nameText(name));
    return yield* sortTextsInSteps(texts);
  }

  *#labelValues(nameText: string, query: LabelQuery): Steps<readonly string[]> {
    const { series } = this.#head;
    const name = series.findName(nameText);
    if (name === 0) return [];
    if (query.selectors.length > 0) return yield* this.#valuesOf(name, query);
    const { minT, maxT } = query;
    // Now: a range that leaves the head from here on is in a block that was not asked.
    const ranges = this.#head.rangesBetween(minT, maxT);
    const coversAll = this.#coversAll(query);
    const list = yield* this.#lists.of(series, name, query.memory);
    return coversAll ? list.texts : yield* this.#lists.textsWithSamples(series, list, ranges, query);
  }

  *#valuesOf(name: number, query: LabelQuery): Steps<string[]> {
    const { series } = this.#head;
    const seen = new Set<number>();
    const ids = yield* this.#idsOf(query);
    for (let i = 0, before = 0; i < ids.length; i++) {
      const pair = series.pairOfName(ids[i], name);
      // Series that came together have mostly the same.
      if (pair !== 0 && pair !== before) seen.add(pair);
      before = pair;
      if (i % stepItems === 0) yield;
    }
    const values: string[] = [];
    if (seen.size * sortedFactor >= series.pairCountOfName(name)) {
      const { numbers: pairs, texts } = yield* this.#lists.of(series, name, query.memory);
      query.memory?.take(bytesOfSets(0, seen.size));
      for (let i = 0; i < pairs.length; i++) {
        if (seen.has(pairs[i])) values.push(texts[i]);
        if (i % (stepItems * 8) === 0) yield;
      }
      return values;
    }
    for (const pair of seen) {
      const value = series.pairValue(pair);
      query.memory?.take(bytesOfText(value));
      if (values.push(value) % stepItems === 0) yield;
    }
    return yield* sortTextsInSteps(values);
  }

  *#series(query: LabelQuery): Steps<Labels[]> {
    const { series } = this.#head;
    const ids = yield* this.#idsOf(query);
    query.memory?.take(bytesOfSets(ids.length, 0));
    // Every text once: most of them stand in many series.
    const table = yield* labelTableOf(series, ids, query.memory);
    const found: Labels[] = [];
    for (let i = 0; i < ids.length; i++) {
      found.push(setAt(table, i, 0));
      if (i % stepItems === 0) yield;
    }
    return yield* sortInSteps(found, compareLabels);
  }

  *#exemplars({ selectors, minT, maxT, memory }: LabelQuery): Steps<ExemplarSeries[]> {
    const { series, exemplars } = this.#head;
    const wanted = yield* selectAnyIds(series, selectors);
    const chosen = new IdMarks();
    for (const id of wanted) chosen.add(id);
    const ids: number[] = [];
    const times: number[] = [];
    const values: number[] = [];
    const labelsEnd: number[] = [];
    const labels = new ByteSink();
    // Copied without a yield: rows move when exemplars come. As many as the ring holds at most.
    for (let i = 0; i < exemplars.count; i++) {
      const row = exemplars.row(i);
      const id = exemplars.series(row);
      const timestampMs = exemplars.time(row);
      if (chosen.get(id) !== 1 || timestampMs < minT || timestampMs > maxT) continue;
      const bytes = exemplars.labels(row);
      labels.writeBytes(bytes, 0, bytes.length);
      ids.push(id);
      times.push(timestampMs);
      values.push(exemplars.value(row));
      labelsEnd.push(labels.length);
    }
    yield;
    const bySeries = new Map<number, Exemplar[]>();
    for (let i = 0; i < ids.length; i++) {
      const own = labelsOfCanonical(labels.bytes, i === 0 ? 0 : labelsEnd[i - 1], labelsEnd[i]);
      const exemplar = { labels: own, value: values[i], timestampMs: times[i] };
      memory?.take(bytesOfLabels(own));
      const list = bySeries.get(ids[i]);
      if (list === undefined) bySeries.set(ids[i], [exemplar]);
      else list.push(exemplar);
      if (i % stepItems === 0) yield;
    }
    const found: ExemplarSeries[] = [];
    for (const [id, list] of bySeries) {
      const sorted = yield* sortInSteps(list, (a, b) => a.timestampMs - b.timestampMs);
      const labels = labelsOf(series, id);
      memory?.take(bytesOfLabels(labels));
      found.push({ labels, exemplars: sorted });
      if (found.length % stepItems === 0) yield;
    }
    return yield* sortInSteps(found, (a, b) => compareLabels(a.labels, b.labels));
  }

  /** Whether every sample lies in the query's time and every series has one, so that what is known of labels is the answer. */
  #coversAll({ minT, maxT }: LabelQuery): boolean {
    if (this.#head.mayHaveEmptySeries) return false;
    return this.#head.rangesBetween(-Infinity, Infinity).every(({ begin, end }) => minT <= begin && maxT >= end - 1);
  }

  /** Series that match any of the selectors and may have samples in the query's time. */
  *#idsOf({ selectors, minT, maxT }: LabelQuery): Steps<Uint32Array> {
    const ranges = this.#head.rangesBetween(minT, maxT);
    return yield* withSamples(yield* selectAnyIds(this.#head.series, selectors), ranges, minT, maxT);
  }
}

async function* chunkBatches(
  ids: Uint32Array,
  ranges: readonly HeadRange[],
  minT: number,
  maxT: number,
  signal: AbortSignal,
): AsyncGenerator<ChunkBatch> {
  const builder = new ChunkBatchBuilder();
  for (let at = 0; at < ids.length; ) {
    if (at > 0) await nextTurn();
    signal.throwIfAborted();
    const batch = copyBatch(ids, at, ranges, minT, maxT, builder);
    at += batch.chunkBegin.length - 1;
    yield batch;
  }
}
