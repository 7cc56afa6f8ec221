/**
 * The columns that chunks are decoded into. Owns their growth; libs/series gives them a length and a meaning
 * (SampleColumns is one of these), as model knows nothing of what is above it.
 */
import type { Histogram } from '../histogram.ts';
import type { PackedHistograms } from './packed-histograms.ts';

export interface SampleRows {
  /** Milliseconds since the epoch. */
  t: Float64Array;
  v: Float64Array;
  /** Over the memory of `v`, low word first: values move by it, so that the bits of a NaN survive. */
  vBits: Int32Array;
  /** Start timestamps, 0 unknown; null where no sample has one. */
  st: Float64Array | null;
  /** Where h[i] is a histogram, v[i] means nothing; null where all are floats. */
  h: (Histogram | null)[] | null;
  /** Where this is, histograms are put into it, as long as they can be, and `h` is null. */
  packed?: PackedHistograms | null;
}

/** Histograms become objects: from here on they are in `h`. */
export function unpackHistograms(rows: SampleRows, rowCount: number): void {
  const packed = rows.packed ?? null;
  if (packed === null) return;
  rows.packed = null;
  const histograms = packed.unpack(rowCount);
  if (histograms.every((histogram) => histogram === null)) return;
  while (histograms.length < rows.t.length) histograms.push(null);
  rows.h = histograms;
}

/** Makes room for `rowCount` rows; what stands in the rows stays. */
export function reserveRows(rows: SampleRows, rowCount: number): void {
  const capacity = rows.t.length;
  if (rowCount <= capacity) return;
  const grown = Math.max(rowCount, capacity * 2, 128);
  rows.t = copyOf(rows.t, grown);
  rows.v = new Float64Array(grown);
  const bits = new Int32Array(rows.v.buffer);
  bits.set(rows.vBits);
  rows.vBits = bits;
  if (rows.st !== null) rows.st = copyOf(rows.st, grown);
  if (rows.h !== null) while (rows.h.length < grown) rows.h.push(null);
}

function copyOf(column: Float64Array, length: number): Float64Array {
  const copy = new Float64Array(length);
  copy.set(column);
  return copy;
}
