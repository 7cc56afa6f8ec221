/**
 * Fewer, wider buckets: an exponential histogram brought to a lower schema, where each bucket is 2^n of the old ones
 * (Prometheus model/histogram/generic.go, reduceResolution). Owns spans and counts; the zero bucket stays as it is.
 */
import type { Histogram } from './histogram.ts';

/** Index of the bucket of the lower schema that contains a bucket of the higher one. */
export function bucketIndexInSchema(index: number, schemaFrom: number, schemaTo: number): number {
  // A shift counts modulo 32, and a sender's schema may be higher by more.
  return ((index - 1) >> Math.min(31, schemaFrom - schemaTo)) + 1;
}

interface SpannedBuckets {
  readonly spans: Int32Array;
  readonly buckets: Float64Array;
}

/** Merges the buckets of `schemaFrom` into those of `schemaTo`, which is lower. Spans come out as few as they can be. */
export function reduceBuckets(
  spans: Int32Array,
  buckets: Float64Array,
  schemaFrom: number,
  schemaTo: number,
): SpannedBuckets {
  const spansTo: number[] = [];
  const bucketsTo: number[] = [];
  let bucket = 0;
  let at = 0;
  let last = 0;
  for (let i = 0; i < spans.length; i += 2) {
    bucket += spans[i];
    for (let j = 0; j < spans[i + 1]; j++) {
      const target = bucketIndexInSchema(bucket++, schemaFrom, schemaTo);
      const count = buckets[at++];
      if (spansTo.length > 0 && target === last) {
        bucketsTo[bucketsTo.length - 1] += count;
        continue;
      }
      if (spansTo.length === 0) spansTo.push(target, 1);
      else if (target === last + 1) spansTo[spansTo.length - 1]++;
      else spansTo.push(target - last - 1, 1);
      bucketsTo.push(count);
      last = target;
    }
  }
  return { spans: Int32Array.from(spansTo), buckets: Float64Array.from(bucketsTo) };
}

/** The histogram in a schema that is not higher than its own; itself where they are equal. Not for custom buckets. */
export function reduceResolution(h: Histogram, schema: number): Histogram {
  if (schema === h.schema) return h;
  if (schema > h.schema) throw new RangeError(`cannot raise a histogram from schema ${h.schema} to ${schema}`);
  const positive = reduceBuckets(h.positiveSpans, h.positiveBuckets, h.schema, schema);
  const negative = reduceBuckets(h.negativeSpans, h.negativeBuckets, h.schema, schema);
  return {
    ...h,
    schema,
    positiveSpans: positive.spans,
    negativeSpans: negative.spans,
    positiveBuckets: positive.buckets,
    negativeBuckets: negative.buckets,
  };
}
