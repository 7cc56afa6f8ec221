/**
 * In how many shards a part of a query is asked, and by which of the ways that its expression allows.
 * Owns what is worth it: a querier weighs the series that a part selects before it reads any of them (libs/contracts/query-work.ts), and
 * from a certain weight on the part comes back here.
 */
import type { HeavySelection, Weighing } from '../../libs/contracts/query-work.ts';
import type { SeriesSplit, ShardJoin } from '../../libs/promql/plan/split-by-series.ts';
import type { SeriesShard, ShardLabels } from '../../libs/series/series-shard.ts';

/** Expressions that are remembered. */
const rememberedMax = 1_000;

export interface Sharding {
  readonly join: ShardJoin;
  readonly shards: readonly SeriesShard[];
}

/** What is asked of the querier that weighs; undefined where nothing is gained, whatever the weight. */
export function weighingFor(
  split: SeriesSplit | undefined,
  shardsMax: number,
  shardWeight: number,
): Weighing | undefined {
  const labels = split?.whole ?? split?.parts?.labels;
  if (labels === undefined || shardsMax < 2) return undefined;
  return { ...labels, weightMax: 2 * shardWeight };
}

/** @returns undefined where one querier has all the work in any case */
export function chooseShards(
  { whole, parts }: SeriesSplit,
  { weight, series, largestGroup }: HeavySelection,
  shardsMax: number,
  shardWeight: number,
): Sharding | undefined {
  const wanted = Math.min(shardsMax, Math.ceil(weight / shardWeight));
  /** As many as there is work for, where the largest group is in one of them. */
  const even = Math.min(wanted, Math.floor(series / largestGroup));
  // Groups that are evaluated whole are exact, and it takes many for shards of like size.
  const isEven = even === wanted && largestGroup > 0;
  if (whole !== undefined && (isEven || parts === undefined)) return shardingOf(whole, 'beside', even);
  return parts === undefined ? undefined : shardingOf(parts.labels, parts.join, wanted);
}

function shardingOf(labels: ShardLabels, join: ShardJoin, count: number): Sharding | undefined {
  if (count < 2) return undefined;
  return { join, shards: Array.from({ length: count }, (_, index) => ({ ...labels, index, count })) };
}

/** Expressions whose shards could not be put together, such as sums of histograms: they are asked for all series at once from then on. */
export class Unjoinable {
  readonly #keys = new Set<string>();

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > rememberedMax && oldest !== undefined) this.#keys.delete(oldest);
  }
}
