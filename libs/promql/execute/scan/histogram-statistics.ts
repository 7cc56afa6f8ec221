/**
 * Histograms cut down to count and sum, for parts of a query that look at nothing else.
 * The resets must be found before the buckets go: every sample gets an explicit hint where the sample before it is known.
 * Facts: Prometheus promql/histogram_stats_iterator.go.
 */
import { type Histogram, ResetHint } from '../../../model/histogram.ts';
import { detectReset } from '../../../model/histogram-resets.ts';
import type { SampleColumns } from '../../../series/sample-columns.ts';

const noSpans = new Int32Array(0);
const noBuckets = new Float64Array(0);

export class HistogramStatistics {
  readonly #minT: number;

  /** Samples before minT are not looked at: they are not what was asked for, so they say nothing about resets. */
  constructor(minT: number) {
    this.#minT = minT;
  }

  /** Replaces the histograms of the columns. */
  reduce(columns: SampleColumns): void {
    // Of a packed column all samples are what was asked for.
    columns.packed?.dropBuckets();
    const histograms = columns.h;
    if (histograms === null) return;
    let last: Histogram | null = null;
    for (let i = 0; i < columns.length; i++) {
      const h = histograms[i] ?? null;
      if (h === null || h.stale || columns.t[i] < this.#minT) continue;
      const resetHint = hintOf(h, last);
      last = resetHint === h.resetHint ? h : { ...h, resetHint };
      histograms[i] = {
        ...h,
        resetHint,
        zeroThreshold: 0,
        zeroCount: 0,
        positiveSpans: noSpans,
        negativeSpans: noSpans,
        positiveBuckets: noBuckets,
        negativeBuckets: noBuckets,
        customValues: noBuckets,
      };
    }
  }
}

function hintOf(h: Histogram, last: Histogram | null): ResetHint {
  if (h.resetHint !== ResetHint.unknown || last === null) return h.resetHint;
  return detectReset(h, last) ? ResetHint.reset : ResetHint.notReset;
}
