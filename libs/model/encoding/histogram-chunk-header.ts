/**
 * The three header bytes of histogram chunks, with and without start timestamps (Prometheus tsdb/chunkenc/histogram.go,
 * histogram_st.go). Owns where the bits stand and what the counter reset header means for the samples that are read.
 *
 *     without start times: | count: uint16, BE             | reset: 2, unused: 6                                        |
 *     with start times:    | reset: 2, count: 14 bits, BE  | first start time known: 1, first sample with another: 7    |
 */
import { ResetHint } from '../histogram.ts';
import { corruptChunk } from './bit-reader.ts';
import { ChunkEncoding } from './chunk.ts';

export const histogramHeaderBytes = 3;

/** What is known of a counter reset between a chunk and the one before it: the values of the header's two bits. */
export const ResetHeader = { unknown: 0x00, notReset: 0x40, reset: 0x80, gauge: 0xc0 } as const;
export type ResetHeader = (typeof ResetHeader)[keyof typeof ResetHeader];

/** Whether chunks of this encoding hold start timestamps. */
export function hasStartTimes(encoding: ChunkEncoding): boolean {
  return encoding === ChunkEncoding.histogramSt || encoding === ChunkEncoding.floatHistogramSt;
}

/** Whether chunks of this encoding hold counts as integers. */
export function hasIntegerCounts(encoding: ChunkEncoding): boolean {
  return encoding === ChunkEncoding.histogram || encoding === ChunkEncoding.histogramSt;
}

/** Samples that the header of a chunk can count. */
export function histogramSamplesMax(encoding: ChunkEncoding): number {
  return hasStartTimes(encoding) ? 0x3fff : 0xffff;
}

/** Samples in the histogram chunk at bytes[begin]. @throws Failure `internal` where its header is cut off. */
export function histogramSampleCount(encoding: ChunkEncoding, bytes: Uint8Array, begin: number): number {
  if (begin + histogramHeaderBytes > bytes.length) throw corruptChunk('its header is cut off');
  return ((bytes[begin] << 8) | bytes[begin + 1]) & histogramSamplesMax(encoding);
}

/** The counter reset header of the histogram chunk at bytes[begin]. */
export function resetHeaderOf(encoding: ChunkEncoding, bytes: Uint8Array, begin: number): ResetHeader {
  return (bytes[hasStartTimes(encoding) ? begin : begin + 2] & 0xc0) as ResetHeader; // two bits, and all four are named
}

/**
 * The hint of the sample at `index` of a chunk. The first is `unknown` even where the header says more: the chunk before
 * may be gone, or another may have come between.
 */
export function resetHintAt(header: ResetHeader, index: number): ResetHint {
  if (header === ResetHeader.gauge) return ResetHint.gauge;
  return index > 0 ? ResetHint.notReset : ResetHint.unknown;
}
