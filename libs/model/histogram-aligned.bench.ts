/** Histograms of one series: nanoseconds per histogram of 32 buckets, added up and looked through for resets. */
import { bench } from '../std/testing/bench.ts';
import type { Histogram } from './histogram.ts';
import { AlignedTotal } from './histogram-aligned.ts';
import { addHistogramsKahan } from './histogram-arithmetic.ts';
import { detectReset } from './histogram-resets.ts';

const buckets = 32;

function rising(count: number): Histogram[] {
  return Array.from({ length: count }, (_, i) => ({
    integer: true,
    resetHint: 0,
    schema: 2,
    zeroThreshold: 1e-128,
    zeroCount: 0,
    count: i * buckets,
    sum: i,
    positiveSpans: Int32Array.of(-23, buckets),
    negativeSpans: new Int32Array(0),
    positiveBuckets: new Float64Array(buckets).fill(i),
    negativeBuckets: new Float64Array(0),
    customValues: new Float64Array(0),
    stale: false,
  }));
}

const size = { smokeCount: 10, fullCount: 20_000 };

bench('sum of aligned histograms', size, (count) => {
  const histograms = rising(count);
  return () => {
    const total = new AlignedTotal(histograms[0] as Histogram, undefined);
    for (let i = 1; i < histograms.length; i++) total.add(histograms[i] as Histogram);
    return total.sum().count;
  };
});

bench('sum of histograms, the general way', size, (count) => {
  const histograms = rising(count);
  return () => {
    let sum = histograms[0] as Histogram;
    let lost: Histogram | undefined;
    for (let i = 1; i < histograms.length; i++) {
      const added = addHistogramsKahan(sum, lost, histograms[i] as Histogram);
      if (added === null) return Number.NaN;
      sum = added.histogram;
      lost = added.compensation;
    }
    return sum.count;
  };
});

bench('resets of histograms', size, (count) => {
  const histograms = rising(count);
  return () => {
    let resets = 0;
    for (let i = 1; i < histograms.length; i++) {
      if (detectReset(histograms[i] as Histogram, histograms[i - 1] as Histogram)) resets++;
    }
    return resets;
  };
});
