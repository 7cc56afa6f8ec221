/**
 * Which shard of a split block a series belongs to: Prometheus' labels.StableHash (xxHash64 over name, 0xff, value, 0xff, ...) modulo
 * the number of shards, as Mimir splits and prunes. Owns the hash and the label of a block that says its shard.
 */
import { viewOf } from '../../model/encoding/bytes.ts';
import { xxhash64 } from '../../model/encoding/xxhash64.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import type { Symbols } from './symbols.ts';

/** Block label of a split block; its value is `i_of_n`, i from 1. */
export const shardLabel = '__compactor_shard_id__';
const separator = 0xff;

/** The value of the label for shard `index`, 0-based. */
export function shardLabelValue(index: number, count: number): string {
  return `${index + 1}_of_${count}`;
}

/** Hashes series whose labels are numbers of symbols. */
export class LabelSharder {
  readonly #symbols: Symbols;
  readonly #count: bigint;
  readonly #sink = new ByteSink();

  constructor(symbols: Symbols, count: number) {
    this.#symbols = symbols;
    this.#count = BigInt(count);
  }

  /** Shard, 0-based, of the series with the labels refs[0, refCount). */
  shardOf(refs: Uint32Array, refCount: number): number {
    const sink = this.#sink;
    const symbols = this.#symbols;
    sink.reset();
    for (let i = 0; i < refCount; i++) {
      const begin = symbols.offset(refs[i]);
      sink.writeBytes(symbols.page(refs[i]), begin, begin + symbols.length(refs[i]));
      sink.writeUint8(separator);
    }
    return Number(xxhash64(viewOf(sink.bytes), 0, sink.length) % this.#count);
  }
}
