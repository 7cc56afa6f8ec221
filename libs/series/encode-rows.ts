/**
 * Samples become chunks again: where chunks of a series overlap and whoever gets them cannot merge.
 * Owns where one chunk ends and the next begins: after so many samples, and where floats and histograms meet. Start times stay
 * only in samples.
 */
import { ChunkEncoding } from '../model/encoding/chunk.ts';
import {
  appendXor,
  beginXorChunk,
  XorState,
  xorHeaderBytes,
  xorSampleBytesMax,
} from '../model/encoding/float-chunk.ts';
import { appendHistogram, beginHistogramChunk, type OpenHistogramChunk } from '../model/encoding/histogram-chunk.ts';
import { ByteSink } from '../std/byte-sink.ts';
import type { SampleColumns } from './sample-columns.ts';

const samplesMax = 120;
const xor = new XorState();

/** Chunks of one series, one after another. */
export class EncodedRows {
  readonly encoding: number[] = [];
  readonly minT: number[] = [];
  readonly maxT: number[] = [];
  readonly byteBegin: number[] = [0];
  readonly #sink = new ByteSink();

  get bytes(): Uint8Array {
    return this.#sink.bytes;
  }

  /** Chunks of the rows [begin, end). */
  constructor(columns: SampleColumns, begin: number, end: number) {
    for (let row = begin; row < end; ) {
      row = (columns.h?.[row] ?? null) === null ? this.#floats(columns, row, end) : this.#histograms(columns, row, end);
    }
  }

  /** One chunk of floats; returns the row behind it. */
  #floats({ t, vBits, h }: SampleColumns, begin: number, end: number): number {
    const rowMax = Math.min(end, begin + samplesMax);
    let rowEnd = begin + 1;
    while (rowEnd < rowMax && (h === null || h[rowEnd] === null)) rowEnd++;
    const sink = this.#sink;
    sink.reserve(xorHeaderBytes + (rowEnd - begin) * xorSampleBytesMax);
    beginXorChunk(xor, sink.bytes, sink.length);
    for (let row = begin; row < rowEnd; row++) appendXor(xor, t[row], vBits[2 * row + 1], vBits[2 * row]);
    sink.length += (xor.bitPosition + 7) >>> 3;
    this.#end(ChunkEncoding.xor, t[begin], t[rowEnd - 1]);
    return rowEnd;
  }

  /** Chunks of the histograms up to the next float; returns its row. */
  #histograms({ t, h }: SampleColumns, begin: number, end: number): number {
    let open: OpenHistogramChunk | null = null;
    let minT = t[begin];
    const close = (chunk: OpenHistogramChunk): void => {
      const bytes = chunk.bytes();
      this.#sink.writeBytes(bytes, 0, bytes.length);
      this.#end(chunk.encoding, minT, chunk.t);
    };
    let row = begin;
    for (; row < end; row++) {
      const histogram = h?.[row] ?? null;
      if (histogram === null) break;
      const next: OpenHistogramChunk =
        open === null || open.count >= samplesMax
          ? beginHistogramChunk(open, 0, t[row], histogram)
          : appendHistogram(open, 0, t[row], histogram);
      if (next === open) continue;
      if (open !== null) close(open);
      minT = t[row];
      open = next;
    }
    if (open !== null) close(open);
    return row;
  }

  #end(encoding: number, minT: number, maxT: number): void {
    this.encoding.push(encoding);
    this.minT.push(minT);
    this.maxT.push(maxT);
    this.byteBegin.push(this.#sink.length);
  }
}
