/**
 * Chunks become samples: walks a blocking selection series by series and decodes each into the same columns.
 * Owns the order of chunks, overlaps (merge.ts decides) and the reuse of memory. Samples outside of what was asked for may be
 * in the columns: a chunk is decoded whole if any of it can count.
 */

import { ChunkEncoding } from '../model/encoding/chunk.ts';
import { chunkSampleCount, decodeChunk } from '../model/encoding/decode-chunk.ts';
import { PackedHistograms } from '../model/encoding/packed-histograms.ts';
import { reserveRows, unpackHistograms } from '../model/encoding/sample-rows.ts';
import { type Histogram, ResetHint } from '../model/histogram.ts';
import { assert } from '../std/assert.ts';
import { makeColumns, mergeColumns } from './merge.ts';
import type { SampleColumns } from './sample-columns.ts';
import type { SeriesSelection } from './series-reader.ts';
import type { ChunkBatch } from './series-source.ts';

const firstCapacity = 256;
/** Room that is made for the samples of a series before any is read: what its chunks say is only checked then. */
const earlyRowsMax = 1 << 20;
/** Memory of runs that is kept for the next ones. */
const spareRunsMax = 4;
/**
 * Columns of decoders that were closed, for the next ones of this thread: memory outside of the heap that comes and goes with each query
 * makes the collector run for it.
 */
const spareColumns: SampleColumns[] = [];
const spareColumnsMax = 4;
const spareRowsMax = 1 << 17;

const noColumns = makeColumns(0);

export class SeriesDecoder {
  readonly #selection: SeriesSelection;
  readonly #minT: number;
  readonly #maxT: number;
  #batch: ChunkBatch | undefined;
  #series = 0;
  #columns = spareColumns.pop() ?? makeColumns(firstCapacity);
  /** First row of the last chunk that overlapped nothing before it. */
  #groupBegin = 0;
  /**
   * Chunks that overlap one another, merged in pairs of about equal length: late samples may make thousands of them, and each
   * merged into all before it would be quadratic.
   */
  readonly #runs: SampleColumns[] = [];
  readonly #spareRuns: SampleColumns[] = [];
  /** The histogram of the first row of those runs, as its own chunk has it. */
  #groupHistogram: Histogram | null = null;
  /** Time of the newest sample of the series so far. */
  #newest = Number.NEGATIVE_INFINITY;
  readonly #histograms: 'as objects' | 'packed';
  #packed: PackedHistograms | undefined;

  /**
   * Chunks that have nothing in [minT, maxT] are not decoded.
   * @param histograms how they are given: packed ones come as objects yet where chunks overlap
   */
  constructor(
    selection: SeriesSelection,
    minT: number,
    maxT: number,
    histograms: 'as objects' | 'packed' = 'as objects',
  ) {
    this.#histograms = histograms;
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
    columns.packed = null;
    this.#groupBegin = 0;
    this.#newest = Number.NEGATIVE_INFINITY;
    const begin = batch.chunkBegin[series - batch.firstSeries];
    const end = batch.chunkBegin[series - batch.firstSeries + 1];
    // Once for all: columns that grow by halves leave as much garbage behind as they hold.
    if (end - begin > 1) this.#reserve(batch, begin, end);
    for (let chunk = begin; chunk < end; chunk++) {
      if (this.#isWanted(batch, chunk)) this.#append(batch, chunk);
    }
    this.#joinRuns();
    return this.#columns;
  }

  #isWanted({ minT, maxT }: ChunkBatch, chunk: number): boolean {
    return maxT[chunk] >= this.#minT && minT[chunk] <= this.#maxT;
  }

  #reserve(batch: ChunkBatch, begin: number, end: number): void {
    let rows = 0;
    for (let chunk = begin; chunk < end; chunk++) {
      if (!this.#isWanted(batch, chunk)) continue;
      rows += chunkSampleCount(batch.encoding[chunk] as ChunkEncoding, batch.bytes, batch.byteBegin[chunk]);
    }
    reserveRows(this.#columns, Math.min(rows, earlyRowsMax));
  }

  /** Lets go of the batch at hand. The columns may belong to another decoder from now on. */
  close(): void {
    if (this.#batch !== undefined) this.#selection.release?.(this.#batch);
    this.#batch = undefined;
    const columns = this.#columns;
    this.#columns = noColumns;
    if (columns === noColumns || columns.t.length > spareRowsMax || spareColumns.length === spareColumnsMax) return;
    columns.h = null;
    columns.st = null;
    columns.packed = null;
    spareColumns.push(columns);
  }

  #append(batch: ChunkBatch, chunk: number): void {
    const encoding = batch.encoding[chunk] as ChunkEncoding;
    const bytesBegin = batch.byteBegin[chunk];
    const bytesEnd = batch.byteBegin[chunk + 1];
    if (batch.minT[chunk] <= this.#newest) {
      if (this.#runs.length === 0) this.#beginRuns();
      const run = this.#takeRun();
      run.length = decodeChunk(encoding, batch.bytes, bytesBegin, bytesEnd, run, 0, this.#minT);
      this.#noteNewest(run);
      this.#runs.push(run);
      for (let top = run; (this.#runs.at(-2)?.length ?? Infinity) <= 2 * top.length; top = this.#runs.at(-1) ?? top) {
        this.#mergeLastRuns();
      }
      return;
    }
    this.#joinRuns();
    const columns = this.#columns;
    const row = columns.length;
    if (columns.h === null && columns.packed === null && isOfHistograms(encoding)) columns.packed = this.#takePacked();
    columns.length = decodeChunk(encoding, batch.bytes, bytesBegin, bytesEnd, columns, row, this.#minT);
    this.#groupBegin = row;
    this.#noteNewest(columns);
  }

  #noteNewest({ t, length }: SampleColumns): void {
    if (length > 0 && t[length - 1] > this.#newest) this.#newest = t[length - 1];
  }

  #takePacked(): PackedHistograms | null {
    if (this.#histograms !== 'packed') return null;
    this.#packed ??= new PackedHistograms();
    this.#packed.clear();
    return this.#packed;
  }

  /** The rows of the last group are the first run: what stands before them is older than all that can come. */
  #beginRuns(): void {
    const columns = this.#columns;
    unpackHistograms(columns, columns.length);
    const run = this.#takeRun();
    this.#groupHistogram = columns.h?.[this.#groupBegin] ?? null;
    appendRows(columns, this.#groupBegin, run);
    columns.length = this.#groupBegin;
    this.#runs.push(run);
  }

  /** Makes one run of all, and puts it where its first rows came from. */
  #joinRuns(): void {
    while (this.#mergeLastRuns());
    const run = this.#runs.pop();
    if (run === undefined) return;
    const first = run.h?.[0] ?? null;
    if (run.h !== null && first !== null && this.#groupBegin > 0 && first !== this.#groupHistogram) {
      // It was not what stands before it that its own chunk followed.
      if (first.resetHint !== ResetHint.gauge) run.h[0] = { ...first, resetHint: ResetHint.unknown };
    }
    appendRows(run, 0, this.#columns);
    this.#keepRun(run);
  }

  /** False where there are not two. */
  #mergeLastRuns(): boolean {
    if (this.#runs.length < 2) return false;
    const [a, b] = this.#runs.splice(-2) as [SampleColumns, SampleColumns];
    const merged = this.#takeRun();
    mergeColumns(a, b, merged);
    this.#runs.push(merged);
    this.#keepRun(a);
    this.#keepRun(b);
    return true;
  }

  #takeRun(): SampleColumns {
    const run = this.#spareRuns.pop() ?? makeColumns(firstCapacity);
    run.length = 0;
    run.h = null;
    run.st = null;
    return run;
  }

  #keepRun(run: SampleColumns): void {
    if (this.#spareRuns.length < spareRunsMax) this.#spareRuns.push(run);
  }
}

function isOfHistograms(encoding: ChunkEncoding): boolean {
  return encoding !== ChunkEncoding.xor && encoding !== ChunkEncoding.xor2;
}

/** Appends rows [begin, length). */
function appendRows(from: SampleColumns, begin: number, to: SampleColumns): void {
  const row = to.length;
  const end = row + from.length - begin;
  reserveRows(to, end);
  to.t.set(from.t.subarray(begin, from.length), row);
  to.vBits.set(from.vBits.subarray(begin * 2, from.length * 2), row * 2);
  if (from.st !== null) to.st ??= new Float64Array(to.t.length);
  if (from.st !== null) to.st?.set(from.st.subarray(begin, from.length), row);
  else to.st?.fill(0, row, end);
  if (from.h !== null) to.h ??= new Array<Histogram | null>(row).fill(null);
  for (let i = begin; to.h !== null && i < from.length; i++) to.h[row + i - begin] = from.h?.[i] ?? null;
  to.length = end;
}
