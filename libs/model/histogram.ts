/**
 * A native histogram sample: the one in-memory shape for integer and float histograms, exponential and custom buckets.
 * Owns the shape. Arithmetic lives in histogram-*.ts beside it. Counts are absolute (never deltas) and are numbers,
 * so an integer count is exact up to 2^53. Shape after Prometheus model/histogram/{histogram,float_histogram}.go.
 */

/** What is known about a counter reset between this sample and the one before it in its source. */
export const ResetHint = { unknown: 0, reset: 1, notReset: 2, gauge: 3 } as const;
export type ResetHint = (typeof ResetHint)[keyof typeof ResetHint];

/** Schema of histograms with custom bucket bounds (NHCB). Exponential schemas are -4..8. */
export const customBucketsSchema = -53;

export interface Histogram {
  /** True if all counts were written as integers: decides the chunk encoding, never the answer. */
  readonly integer: boolean;
  readonly resetHint: ResetHint;
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly count: number;
  /** Means nothing where `stale` is set. */
  readonly sum: number;
  /** Flat pairs: offset from the end of the span before (the first: absolute bucket index), length. */
  readonly positiveSpans: Int32Array;
  readonly negativeSpans: Int32Array;
  /** Absolute count of each bucket that the spans name, in order. */
  readonly positiveBuckets: Float64Array;
  readonly negativeBuckets: Float64Array;
  /** Upper bounds without +Inf; empty unless schema is customBucketsSchema. */
  readonly customValues: Float64Array;
  /**
   * Whether `sum` is the staleness marker. Kept apart because a number in an object may lose a NaN's bits.
   */
  readonly stale: boolean;
}

const noSpans = new Int32Array(0);
const noBuckets = new Float64Array(0);

/** The sample that says that a histogram series has ended: nothing in it but the marker. */
export function staleHistogram(integer: boolean): Histogram {
  return {
    integer,
    resetHint: ResetHint.unknown,
    schema: 0,
    zeroThreshold: 0,
    zeroCount: 0,
    count: 0,
    sum: Number.NaN,
    positiveSpans: noSpans,
    negativeSpans: noSpans,
    positiveBuckets: noBuckets,
    negativeBuckets: noBuckets,
    customValues: noBuckets,
    stale: true,
  };
}
