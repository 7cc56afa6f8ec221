/**
 * Samples become chunks again: what a merge writes where sources overlap. Owns where one chunk ends and the next begins (every so
 * many samples, and where floats and histograms, or samples with and without start times, meet) and the columns of chunks.
 */
import { ChunkEncoding } from '../../model/encoding/chunk.ts';
import {
  appendXor,
  beginXorChunk,
  XorState,
  xorHeaderBytes,
  xorSampleBytesMax,
} from '../../model/encoding/float-chunk.ts';
import {
  appendXor2,
  beginXor2Chunk,
  Xor2State,
  xor2HeaderBytes,
  xor2SampleBytesMax,
} from '../../model/encoding/float-st-chunk.ts';
import { appendHistogram, beginHistogramChunk, type OpenHistogramChunk } from '../../model/encoding/histogram-chunk.ts';
import type { SampleColumns } from '../../series/sample-columns.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import type { EncodedChunks } from './write-block.ts';

/**
 * Samples of a float chunk in a block: twice as many as Prometheus' heads put into one. What stands around a chunk (checksum, first
 * sample, its place in the index) is a tenth of a block with chunks of 120, and whoever reads a block reads hours of it.
 */
export const blockChunkSamples = 240;
/** Histograms are large themselves: as Prometheus' merges cut them. */
const histogramChunkSamples = 120;

/** Columns of chunks that grow, and are used again after `reset`. */
export class ChunkColumns implements EncodedChunks {
  count = 0;
  encoding: Uint8Array<ArrayBuffer> = new Uint8Array(64);
  minT: Float64Array<ArrayBuffer> = new Float64Array(64);
  maxT: Float64Array<ArrayBuffer> = new Float64Array(64);
  byteBegin: Uint32Array<ArrayBuffer> = new Uint32Array(65);
  /** Write the bytes of a chunk here, then call `endChunk`. */
  readonly sink: ByteSink = new ByteSink(1 << 14);

  get bytes(): Uint8Array {
    return this.sink.bytes;
  }

  reset(): void {
    this.count = 0;
    this.sink.reset();
  }

  endChunk(encoding: ChunkEncoding, minT: number, maxT: number): void {
    const chunk = this.count++;
    if (chunk === this.encoding.length) this.#grow();
    this.encoding[chunk] = encoding;
    this.minT[chunk] = minT;
    this.maxT[chunk] = maxT;
    this.byteBegin[chunk + 1] = this.sink.length;
  }

  #grow(): void {
    const capacity = this.encoding.length * 2;
    this.encoding = new Uint8Array(this.encoding.buffer.transfer(capacity));
    this.minT = new Float64Array(this.minT.buffer.transfer(capacity * 8));
    this.maxT = new Float64Array(this.maxT.buffer.transfer(capacity * 8));
    this.byteBegin = new Uint32Array(this.byteBegin.buffer.transfer((capacity + 1) * 4));
  }
}

const xor = new XorState();
const xor2 = new Xor2State();

/** Appends the rows [begin, end) to `out` as chunks of at most `samplesMax` samples, apart from chunks that are there already. */
export function encodeChunks(
  columns: SampleColumns,
  begin: number,
  end: number,
  samplesMax: number,
  out: ChunkColumns,
): void {
  for (let row = begin; row < end; ) {
    const isHistogram = (columns.h?.[row] ?? null) !== null;
    row = isHistogram
      ? encodeHistograms(columns, row, end, Math.min(samplesMax, histogramChunkSamples), out)
      : encodeFloats(columns, row, end, samplesMax, out);
  }
}

/** One chunk of floats; returns the row behind it. */
function encodeFloats(
  columns: SampleColumns,
  begin: number,
  end: number,
  samplesMax: number,
  out: ChunkColumns,
): number {
  const { t, vBits, st, h } = columns;
  const rowMax = Math.min(end, begin + samplesMax);
  const withStarts = st !== null && st[begin] !== 0;
  let rowEnd = begin + 1;
  while (rowEnd < rowMax && (h === null || h[rowEnd] === null) && (withStarts || st === null || st[rowEnd] === 0))
    rowEnd++;
  const { sink } = out;
  if (withStarts) {
    sink.reserve(xor2HeaderBytes + (rowEnd - begin) * xor2SampleBytesMax);
    beginXor2Chunk(xor2, sink.bytes, sink.length);
    for (let row = begin; row < rowEnd; row++) appendXor2(xor2, st[row], t[row], vBits[2 * row + 1], vBits[2 * row]);
    sink.length += (xor2.bitPosition + 7) >>> 3;
  } else {
    sink.reserve(xorHeaderBytes + (rowEnd - begin) * xorSampleBytesMax);
    beginXorChunk(xor, sink.bytes, sink.length);
    for (let row = begin; row < rowEnd; row++) appendXor(xor, t[row], vBits[2 * row + 1], vBits[2 * row]);
    sink.length += (xor.bitPosition + 7) >>> 3;
  }
  out.endChunk(withStarts ? ChunkEncoding.xor2 : ChunkEncoding.xor, t[begin], t[rowEnd - 1]);
  return rowEnd;
}

/** Chunks of the histograms up to the next float; returns its row. */
function encodeHistograms(
  { t, st, h }: SampleColumns,
  begin: number,
  end: number,
  samplesMax: number,
  out: ChunkColumns,
): number {
  let open: OpenHistogramChunk | null = null;
  let minT = t[begin];
  let row = begin;
  const close = (chunk: OpenHistogramChunk) => {
    const bytes = chunk.bytes();
    out.sink.writeBytes(bytes, 0, bytes.length);
    out.endChunk(chunk.encoding, minT, chunk.t);
  };
  for (; row < end; row++) {
    const histogram = h?.[row] ?? null;
    if (histogram === null) break;
    const start = st?.[row] ?? 0;
    const next: OpenHistogramChunk =
      open === null || open.count >= samplesMax
        ? beginHistogramChunk(open, start, t[row], histogram)
        : appendHistogram(open, start, t[row], histogram);
    if (next !== open) {
      if (open !== null) close(open);
      minT = t[row];
      open = next;
    }
  }
  if (open !== null) close(open);
  return row;
}
