/**
 * Chunks on their way out of the head: copies in memory of their own, which may be transferred to another thread.
 * Owns the columns of one batch. Does not own what a chunk is read from (head-range.ts) nor when a batch is full.
 */
import type { ChunkEncoding } from '../../model/encoding/chunk.ts';
import type { ChunkBatch } from '../../series/series-source.ts';
import { ByteSink } from '../../std/byte-sink.ts';

export class ChunkBatchBuilder {
  /** Bytes of the chunks, one after another: write a chunk here, then call `endChunk`. */
  readonly bytes = new ByteSink(4096);
  readonly #chunkBegin: number[] = [0];
  readonly #encoding: number[] = [];
  readonly #minT: number[] = [];
  readonly #maxT: number[] = [];
  readonly #byteBegin: number[] = [0];

  /** Begins another batch. */
  reset(): void {
    this.bytes.reset();
    for (const column of [this.#encoding, this.#minT, this.#maxT]) column.length = 0;
    this.#chunkBegin.length = 1;
    this.#byteBegin.length = 1;
  }

  endChunk(encoding: ChunkEncoding, minT: number, maxT: number): void {
    this.#encoding.push(encoding);
    this.#minT.push(minT);
    this.#maxT.push(maxT);
    this.#byteBegin.push(this.bytes.length);
  }

  /** The chunks since the last call are those of one series. */
  endSeries(): void {
    this.#chunkBegin.push(this.#encoding.length);
  }

  /** The batch; its first series is `firstSeries` of the selection. */
  build(firstSeries: number): ChunkBatch {
    return {
      firstSeries,
      chunkBegin: new Uint32Array(this.#chunkBegin),
      encoding: new Uint8Array(this.#encoding),
      minT: new Float64Array(this.#minT),
      maxT: new Float64Array(this.#maxT),
      byteBegin: new Uint32Array(this.#byteBegin),
      bytes: this.bytes.bytes.slice(0, this.bytes.length),
    };
  }
}
