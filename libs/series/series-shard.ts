/**
 * Which shard of a query a series belongs to: a hash of some of its labels, modulo the number of shards. Series that are equal in these labels
 * are in one shard, wherever they lie.
 * Owns the hash, which must never change: processes of different releases would drop different series. It is a sum over pairs, each
 * hashed as the bytes of its canonical form, which the head has at hand.
 */
import { hashBytes, mix } from '../model/encoding/bytes.ts';
import { compareUtf8 } from '../model/labels.ts';
import { ByteSink } from '../std/byte-sink.ts';
import type { LabelTable } from './series-source.ts';

/** Labels by which series are told apart: those of these names, or all others. */
export interface ShardLabels {
  readonly names: readonly string[];
  readonly without: boolean;
}

/** Part `index` of `count` of the series. */
export interface SeriesShard extends ShardLabels {
  readonly index: number;
  readonly count: number;
}

/** Whether a label of this name counts. */
export function countsForShard({ names, without }: ShardLabels, name: string): boolean {
  return names.includes(name) !== without;
}

/** @param sum of the hashes of the pairs that count */
export function shardOf(sum: number, count: number): number {
  return mix(sum) % count;
}

/** Of each label set of a table the sum of the hashes of its pairs that count. */
function shardSums({ strings, begin, refs }: LabelTable, labels: ShardLabels): Uint32Array {
  const counts = Uint8Array.from(strings, (text) => (countsForShard(labels, text) ? 1 : 0));
  const sums = new Uint32Array(begin.length - 1);
  // By value: nearly every value stands with one name alone.
  const nameOf = new Int32Array(strings.length).fill(-1);
  const hashOf = new Uint32Array(strings.length);
  const sink = new ByteSink(256);
  for (let set = 0; set < sums.length; set++) {
    let sum = 0;
    for (let i = begin[set]; i < begin[set + 1]; i += 2) {
      const name = refs[i];
      const value = refs[i + 1];
      if (counts[name] === 0) continue;
      if (nameOf[value] !== name) {
        nameOf[value] = name;
        sink.reset();
        sink.writeText(strings[name]);
        sink.writeText(strings[value]);
        hashOf[value] = hashBytes(sink.view, 0, sink.length);
      }
      sum = (sum + hashOf[value]) >>> 0;
    }
    sums[set] = sum;
  }
  return sums;
}

/** Numbers of the series of a table that are in a shard, rising. The table has all labels. */
export function seriesOfShard(table: LabelTable, shard: SeriesShard): Uint32Array {
  const sums = shardSums(table, shard);
  const kept = new Uint32Array(sums.length);
  let count = 0;
  for (let i = 0; i < sums.length; i++) if (shardOf(sums[i], shard.count) === shard.index) kept[count++] = i;
  return kept.subarray(0, count);
}

/** The table of these series alone, with the strings that they need. */
export function keepSeries({ strings, begin, refs }: LabelTable, kept: Uint32Array): LabelTable {
  const ownBegin = new Uint32Array(kept.length + 1);
  for (let i = 0; i < kept.length; i++) ownBegin[i + 1] = ownBegin[i] + begin[kept[i] + 1] - begin[kept[i]];
  const ownRefs = new Uint32Array(ownBegin[kept.length]);
  for (let i = 0; i < kept.length; i++) ownRefs.set(refs.subarray(begin[kept[i]], begin[kept[i] + 1]), ownBegin[i]);
  const isUsed = new Uint8Array(strings.length);
  for (let i = 0; i < ownRefs.length; i++) isUsed[ownRefs[i]] = 1;
  const ownStrings: string[] = [];
  // In the same order: of a block it is that of the texts.
  const placeOf = new Uint32Array(strings.length);
  for (let i = 0; i < strings.length; i++) if (isUsed[i] === 1) placeOf[i] = ownStrings.push(strings[i]) - 1;
  for (let i = 0; i < ownRefs.length; i++) ownRefs[i] = placeOf[ownRefs[i]];
  return { strings: ownStrings, begin: ownBegin, refs: ownRefs };
}

/** Whether the strings of a table, and by them its series, come in order: as they do where several sources were merged. */
export function isSorted({ strings, begin, refs }: LabelTable): boolean {
  for (let i = 1; i < strings.length; i++) if (compareUtf8(strings[i - 1], strings[i]) >= 0) return false;
  for (let set = 1; set + 1 < begin.length; set++) {
    const before = begin[set - 1];
    const own = begin[set];
    const length = Math.min(own - before, begin[set + 1] - own);
    let i = 0;
    while (i < length && refs[before + i] === refs[own + i]) i++;
    if (i === length ? own - before > begin[set + 1] - own : refs[before + i] > refs[own + i]) return false;
  }
  return true;
}

/** How many series of a table are in its largest group of those that are equal in `labels`. */
export function largestGroup(table: LabelTable, labels: ShardLabels): number {
  const sizes = new Map<number, number>();
  let largest = 0;
  for (const sum of shardSums(table, labels)) {
    const size = (sizes.get(sum) ?? 0) + 1;
    sizes.set(sum, size);
    if (size > largest) largest = size;
  }
  return largest;
}
