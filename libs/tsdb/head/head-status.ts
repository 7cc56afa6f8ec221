/**
 * How large the head of a tenant is, and which names make it so: what `status/tsdb` shows.
 * Owns counting and ranking, in steps (steps.ts). Facts: Prometheus 3.15 tsdb/index/postings.go (Stats).
 */
import type { CountedName, HeadStatus } from '../../contracts/ingester.ts';
import { compareUtf8, metricName } from '../../model/labels.ts';
import type { Steps } from '../../std/steps.ts';
import type { TenantHead } from './tenant-head.ts';

const stepPairs = 512;

/** @param countMax names in each ranking */
export function* headStatusOf(head: TenantHead, countMax: number): Steps<HeadStatus> {
  const { series } = head;
  const seriesByMetric = new Ranking(countMax);
  const valuesByLabel = new Ranking(countMax);
  const bytesByLabel = new Ranking(countMax);
  const seriesByPair = new Ranking(countMax);
  const metric = series.findName(metricName);
  for (let name = 1; name <= series.nameCount; name++) {
    const label = series.nameText(name);
    const pairs = series.pairsOfName(name);
    let bytes = 0;
    for (let i = 0; i < pairs.length; i++) {
      const pair = pairs[i];
      const count = series.seriesCountOfPair(pair);
      bytes += count * series.pairBytes(pair);
      if (name === metric) seriesByMetric.add(count, () => series.pairValue(pair));
      seriesByPair.add(count, () => `${label}=${series.pairValue(pair)}`);
      if (i % stepPairs === 0) yield;
    }
    valuesByLabel.add(pairs.length, () => label);
    bytesByLabel.add(bytes, () => label);
  }
  let chunks = 0;
  let minT: number | undefined;
  let maxT: number | undefined;
  for (const range of head.rangesBetween(-Infinity, Infinity)) {
    const extent = yield* range.extent();
    chunks += extent.chunks;
    // One without samples says nothing; a frozen one and the one opened after it are of the same time.
    if (extent.minT > extent.maxT) continue;
    minT = Math.min(minT ?? extent.minT, extent.minT);
    maxT = Math.max(maxT ?? extent.maxT, extent.maxT);
  }
  return {
    series: series.count,
    labelPairs: series.pairCount,
    chunks,
    minT,
    maxT,
    seriesByMetric: seriesByMetric.names(),
    valuesByLabel: valuesByLabel.names(),
    bytesByLabel: bytesByLabel.names(),
    seriesByPair: seriesByPair.names(),
  };
}

/** The largest of many counts; a name is only made where it may stay. */
class Ranking {
  readonly #max: number;
  #entries: CountedName[] = [];
  /** Counts below this cannot stay. */
  #floor = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(count: number, name: () => string): void {
    if (count < this.#floor) return;
    this.#entries.push({ name: name(), count });
    if (this.#entries.length >= this.#max * 2 + 64) this.#cut();
  }

  names(): readonly CountedName[] {
    this.#cut();
    return this.#entries;
  }

  #cut(): void {
    this.#entries.sort((a, b) => b.count - a.count || compareUtf8(a.name, b.name));
    this.#entries.length = Math.min(this.#entries.length, this.#max);
    if (this.#entries.length === this.#max) this.#floor = this.#entries.at(-1)?.count ?? 0;
  }
}
