/**
 * Whether a histogram's counter was reset since the sample before (Prometheus model/histogram/float_histogram.go, DetectReset):
 * any count but the sum fell, a bucket that had a count is gone, or the grid of buckets changed in a way only a restart explains.
 */
import { customBucketsSchema, type Histogram, ResetHint } from './histogram.ts';
import { areAligned, hasAnyFallen } from './histogram-aligned.ts';
import { zeroBucketWithThreshold } from './histogram-arithmetic.ts';
import { exponentialBound } from './histogram-bounds.ts';
import { reduceBuckets } from './histogram-resolution.ts';
import { bucketIndexes } from './histogram-spans.ts';

/** The hint decides where it says so; a gauge is looked at as if it were a counter. */
export function detectReset(current: Histogram, previous: Histogram): boolean {
  if (current.resetHint === ResetHint.reset) return true;
  if (current.resetHint === ResetHint.notReset) return false;
  if (current.count < previous.count) return true;
  if (areAligned(current, previous)) return hasAnyFallen(current, previous);
  if (current.schema === customBucketsSchema) {
    if (previous.schema !== customBucketsSchema) return true;
    if (!sameBounds(current.customValues, previous.customValues)) return hasFallenAtSharedBounds(current, previous);
  } else if (previous.schema === customBucketsSchema) {
    // Any exponential schema is above that of custom buckets.
    return true;
  }
  if (current.schema > previous.schema || current.zeroThreshold < previous.zeroThreshold) return true;
  const { zeroCount, zeroThreshold } = zeroBucketWithThreshold(previous, current.zeroThreshold);
  if (zeroThreshold !== current.zeroThreshold || current.zeroCount < zeroCount) return true;
  return hasFallen(current, previous, 'positive') || hasFallen(current, previous, 'negative');
}

function sameBounds(a: Float64Array, b: Float64Array): boolean {
  return a.length === b.length && a.every((bound, i) => bound === b[i]);
}

/** Looks at the buckets outside the zero bucket, those of `previous` in the schema of `current`. */
function hasFallen(current: Histogram, previous: Histogram, side: 'positive' | 'negative'): boolean {
  const spansOf = (h: Histogram): Int32Array => (side === 'positive' ? h.positiveSpans : h.negativeSpans);
  const countsOf = (h: Histogram): Float64Array => (side === 'positive' ? h.positiveBuckets : h.negativeBuckets);
  let spansBefore = spansOf(previous);
  let countsBefore = countsOf(previous);
  if (previous.schema !== current.schema) {
    const reduced = reduceBuckets(spansBefore, countsBefore, previous.schema, current.schema);
    spansBefore = reduced.spans;
    countsBefore = reduced.buckets;
  }
  const indexes = bucketIndexes(spansOf(current));
  const indexesBefore = bucketIndexes(spansBefore);
  const counts = countsOf(current);
  let j = 0;
  for (let i = 0; i < indexesBefore.length; i++) {
    const index = indexesBefore[i];
    if (current.schema !== customBucketsSchema && exponentialBound(index, current.schema) <= current.zeroThreshold) {
      continue;
    }
    while (j < indexes.length && indexes[j] < index) j++;
    const common = j < indexes.length && indexes[j] === index;
    if (common ? counts[j] < countsBefore[i] : countsBefore[i] !== 0) return true;
  }
  return false;
}

/** Custom bounds that differ: compares what was counted between those that both have. */
function hasFallenAtSharedBounds(current: Histogram, previous: Histogram): boolean {
  const boundsBefore = new Set(previous.customValues);
  const shared = [...current.customValues.filter((bound) => boundsBefore.has(bound)), Number.POSITIVE_INFINITY];
  const counts = countsUpTo(current, shared);
  const countsBefore = countsUpTo(previous, shared);
  return counts.some((count, i) => count < (countsBefore[i] as number));
}

/** What the buckets count that end above the bound before and not above each of `bounds`. */
function countsUpTo(h: Histogram, bounds: readonly number[]): number[] {
  const counts = bounds.map(() => 0);
  let to = 0;
  bucketIndexes(h.positiveSpans).forEach((index, i) => {
    const upper = index < h.customValues.length ? h.customValues[index] : Number.POSITIVE_INFINITY;
    while (to < bounds.length - 1 && (bounds[to] as number) < upper) to++;
    counts[to] = (counts[to] as number) + h.positiveBuckets[i];
  });
  return counts;
}
