/**
 * A native histogram as the API shows it: count, sum and the buckets that are not empty, from the lowest to the highest.
 * Facts: Prometheus 3.15 util/jsonutil (MarshalHistogram), model/histogram (allFloatBucketIterator, baseBucketIterator.at).
 */
import type { Histogram } from '../model/histogram.ts';
import { customBucketsSchema } from '../model/histogram.ts';
import { bucketBound } from '../model/histogram-bounds.ts';
import { bucketIndexes } from '../model/histogram-spans.ts';
import type { JsonBytes } from './json-bytes.ts';

/** Which ends of a bucket belong to it, by Prometheus' numbers. */
const Ends = { upper: 0, lower: 1, none: 2, both: 3 } as const;

/** Writes `{"count":"..","sum":"..","buckets":[[ends,"lower","upper","count"],..]}`; no buckets where all are empty. */
export function writeHistogram(json: JsonBytes, histogram: Histogram): void {
  json.raw('{"count":');
  json.float(histogram.count);
  json.raw(',"sum":');
  json.float(histogram.sum);
  let written = 0;
  const write = (ends: number, lower: number, upper: number, count: number): void => {
    if (count === 0) return;
    json.raw(written++ === 0 ? ',"buckets":[[' : ',[');
    json.byte(0x30 + ends);
    json.byte(0x2c);
    json.float(lower);
    json.byte(0x2c);
    json.float(upper);
    json.byte(0x2c);
    json.float(count);
    json.byte(0x5d);
  };
  const { schema, zeroThreshold, zeroCount, customValues } = histogram;
  const custom = schema === customBucketsSchema;
  const negative = bucketIndexes(histogram.negativeSpans);
  for (let i = negative.length - 1; i >= 0; i--) {
    const index = negative[i];
    const lower = -bucketBound(index, schema, customValues);
    const bound = -bucketBound(index - 1, schema, customValues);
    const upper = bound < 0 && bound > -zeroThreshold ? -zeroThreshold : bound;
    const ends = custom ? (index === 0 ? Ends.both : Ends.upper) : exponentialEnds(lower, bound);
    write(ends, lower, upper, histogram.negativeBuckets[i]);
  }
  if (zeroCount > 0) write(Ends.both, -zeroThreshold, zeroThreshold, zeroCount);
  const positive = bucketIndexes(histogram.positiveSpans);
  for (let i = 0; i < positive.length; i++) {
    const index = positive[i];
    const bound = bucketBound(index - 1, schema, customValues);
    const lower = bound > 0 && bound < zeroThreshold ? zeroThreshold : bound;
    const upper = bucketBound(index, schema, customValues);
    const ends = custom ? (index === 0 ? Ends.both : Ends.upper) : exponentialEnds(bound, upper);
    write(ends, lower, upper, histogram.positiveBuckets[i]);
  }
  json.raw(written > 0 ? ']}' : '}');
}

function exponentialEnds(lower: number, upper: number): number {
  if (lower < 0) return upper > 0 ? Ends.both : Ends.lower;
  return upper > 0 ? Ends.upper : Ends.none;
}
