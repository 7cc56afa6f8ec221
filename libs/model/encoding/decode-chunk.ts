/** Decoding a chunk of any encoding. Owns the choice of decoder and the room in the columns. */
import { corruptChunk } from './bit-reader.ts';
import { ChunkEncoding } from './chunk.ts';
import { decodeXorInto, xorSampleCount } from './float-chunk.ts';
import { decodeXor2Into, xor2HasStartTimes } from './float-st-chunk.ts';
import { hasStartTimes, histogramSampleCount } from './histogram-chunk-header.ts';
import { decodeHistogramInto } from './histogram-chunk-reader.ts';
import { reserveRows, type SampleRows } from './sample-rows.ts';

/** Samples in the chunk at bytes[begin]. @throws Failure `internal` where it has no header. */
export function chunkSampleCount(encoding: ChunkEncoding, bytes: Uint8Array, begin: number): number {
  if (encoding !== ChunkEncoding.xor && encoding !== ChunkEncoding.xor2) {
    return histogramSampleCount(encoding, bytes, begin);
  }
  if (begin + 2 > bytes.length) throw corruptChunk('its header is cut off');
  return xorSampleCount(bytes, begin);
}

/**
 * Decodes the chunk bytes[begin, end) into rows from `row` on; returns the row after the last one. Columns grow as they must;
 * those for start times and histograms are made when the first chunk needs them, and hold 0 and null for the rows before.
 * Histograms before `fromT` may be left out: they are not cheap.
 * @throws Failure `internal` when the bytes are no such chunk; rows from `row` on are then undefined.
 */
export function decodeChunk(
  encoding: ChunkEncoding,
  bytes: Uint8Array,
  begin: number,
  end: number,
  rows: SampleRows,
  row: number,
  fromT = Number.NEGATIVE_INFINITY,
): number {
  reserveRows(rows, row + chunkSampleCount(encoding, bytes, begin));
  switch (encoding) {
    case ChunkEncoding.xor:
      return decodeXorInto(bytes, begin, end, rows, row);
    case ChunkEncoding.xor2:
      if (begin + 3 <= end && xor2HasStartTimes(bytes, begin)) rows.st ??= new Float64Array(rows.t.length);
      return decodeXor2Into(bytes, begin, end, rows, row);
    case ChunkEncoding.histogram:
    case ChunkEncoding.floatHistogram:
    case ChunkEncoding.histogramSt:
    case ChunkEncoding.floatHistogramSt:
      if (hasStartTimes(encoding)) rows.st ??= new Float64Array(rows.t.length);
      return decodeHistogramInto(encoding, bytes, begin, end, rows, row, fromT);
    default:
      throw corruptChunk(`unknown encoding ${encoding satisfies never}`);
  }
}
