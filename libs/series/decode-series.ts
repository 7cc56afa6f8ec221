/**
 * Chunks become samples: walks a blocking selection series by series and decodes each into the same columns.
 * Owns the order of chunks, overlaps (merge.ts decides) and the reuse of memory. Samples outside of what was asked for may be
 * in the columns: a chunk is decoded whole if any of it can count.
 */

import type { ChunkEncoding } from '../model/encoding/chunk.ts';
import { decodeChunk } from '../model/encoding/decode-chunk.ts';
import { assert } from '../std/assert.ts';
import { makeColumns, mergeColumns } from './merge.ts';
import type { SampleColumns } from './sample-columns.ts';
import type { SeriesSelection } from './series-reader.ts';
import type { ChunkBatch } from './series-source.ts';

const firstCapacity = 256;

export class SeriesDecoder {
  readonly #selection: SeriesSelection;
  readonly #minT: number;
  readonly #maxT: number;
  #batch: ChunkBatch | undefined;
  #series = 0;
  #columns = makeColumns(firstCapacity);
  #scratch = makeColumns(0);
  #merged = makeColumns(0);

  /** Chunks that have nothing in [minT, maxT] are not decoded. */
  constructor(selection: SeriesSelection, minT: number, maxT: number) {
    this.#selection = selection;
    this.#minT = minT;
    this.#maxT = maxT;
  }

  /** Samples of the next series, in the selection's order. The columns are valid until the next call. @throws Failure */
  next(): SampleColumns {
    const series = this.#series++;
    let batch = this.#batch;
    while (batch === undefined || series >= batch.firstSeries + batch.chunkBegin.length - 1) {
      if (batch !== undefined) this.#selection.release?.(batch);
      batch = this.#selection.next();
      this.#batch = batch;
      assert(batch !== undefined, 'a selection has a batch for every series');
    }
    assert(series >= batch.firstSeries, 'batches follow one another');
    const columns = this.#columns;
    columns.length = 0;
    columns.h = null;
    columns.st = null;
    const begin = batch.chunkBegin[series - batch.firstSeries];
    const end = batch.chunkBegin[series - batch.firstSeries + 1];
    for (let chunk = begin; chunk < end; chunk++) {
      if (batch.maxT[chunk] < this.#minT || batch.minT[chunk] > this.#maxT) continue;
      this.#append(batch, chunk);
    }
    return this.#columns;
  }

  /** Lets go of the batch at hand. */
  close(): void {
    if (this.#batch !== undefined) this.#selection.release?.(this.#batch);
    this.#batch = undefined;
  }

  #append(batch: ChunkBatch, chunk: number): void {
    const columns = this.#columns;
    const encoding = batch.encoding[chunk] as ChunkEncoding;
    const bytesBegin = batch.byteBegin[chunk];
    const bytesEnd = batch.byteBegin[chunk + 1];
    const row = columns.length;
    if (row === 0 || batch.minT[chunk] > columns.t[row - 1]) {
      const rowEnd = decodeChunk(encoding, batch.bytes, bytesBegin, bytesEnd, columns, row, this.#minT);
      // A chunk of floats leaves the column of histograms as it was, whatever was there.
      if (columns.h !== null) for (let i = columns.h.length; i < rowEnd; i++) columns.h.push(null);
      columns.length = rowEnd;
      return;
    }
    const scratch = this.#scratch;
    scratch.h = null;
    scratch.st = null;
    scratch.length = decodeChunk(encoding, batch.bytes, bytesBegin, bytesEnd, scratch, 0, this.#minT);
    mergeColumns(columns, scratch, this.#merged);
    this.#columns = this.#merged;
    this.#merged = columns;
  }
}
