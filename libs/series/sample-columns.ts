/**
 * Decoded samples of one series, in time order, timestamps unique: what chunks become and what range functions read.
 */
import type { PackedHistograms } from '../model/encoding/packed-histograms.ts';
import type { Histogram } from '../model/histogram.ts';

export interface SampleColumns {
  /** Rows in use; the arrays may be longer (they are reused). */
  length: number;
  /** Milliseconds since the epoch, strictly increasing. */
  t: Float64Array;
  /** Value of a float sample. Bits matter: `vBits` is an Int32Array over the same memory (low word first, little-endian). */
  v: Float64Array;
  vBits: Int32Array;
  /** Start timestamps, 0 unknown; null where no sample of the series has one. */
  st: Float64Array | null;
  /** Row i is a histogram where h is not null and h[i] is not null; then v[i] means nothing. */
  h: (Histogram | null)[] | null;
  /** Instead of `h`, where the decoder was asked for it and `h` is null: row i is a histogram where packed.has(i). */
  packed?: PackedHistograms | null;
}

/** Whether any row may be a histogram. */
export function hasHistograms({ h, packed }: SampleColumns): boolean {
  return h !== null || (packed ?? null) !== null;
}
