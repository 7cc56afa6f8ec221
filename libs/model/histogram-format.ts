/** Histograms as text and as the JSON of Prometheus' API. Owns both forms; empty buckets appear in neither. */

import { formatFloatGeneral, formatFloatJson } from './format-float.ts';
import type { Histogram } from './histogram.ts';
import { customBucketsSchema } from './histogram.ts';
import { allBuckets, type HistogramBucket, negativeBuckets, positiveBuckets, zeroBucket } from './histogram-buckets.ts';

/** FloatHistogram.String: what count_values makes a label value of, for example `{count:3, sum:5, (1,2]:3}`. */
export function formatHistogram(h: Histogram): string {
  const parts = [`count:${formatFloatGeneral(h.count)}`, `sum:${formatFloatGeneral(h.sum)}`];
  const filled = negativeBuckets(h).reverse();
  if (h.schema !== customBucketsSchema) filled.push(zeroBucket(h));
  filled.push(...positiveBuckets(h));
  for (const bucket of filled) if (bucket.count !== 0) parts.push(formatBucket(bucket));
  return `{${parts.join(', ')}}`;
}

function formatBucket(bucket: HistogramBucket): string {
  const open = bucket.lowerInclusive ? '[' : '(';
  const close = bucket.upperInclusive ? ']' : ')';
  const bounds = `${formatFloatGeneral(bucket.lower)},${formatFloatGeneral(bucket.upper)}`;
  return `${open}${bounds}${close}:${formatFloatGeneral(bucket.count)}`;
}

/**
 * The JSON object of a histogram (util/jsonutil MarshalHistogram): count, sum and buckets as [rule, "lower", "upper", "count"];
 * the rule says which ends belong to the bucket: 0 the upper, 1 the lower, 2 none, 3 both.
 */
export function formatHistogramJson(h: Histogram): string {
  const buckets: string[] = [];
  for (const { lower, upper, lowerInclusive, upperInclusive, count } of allBuckets(h)) {
    if (count === 0) continue;
    const rule = lowerInclusive ? (upperInclusive ? 3 : 1) : upperInclusive ? 0 : 2;
    buckets.push(`[${rule},"${formatFloatJson(lower)}","${formatFloatJson(upper)}","${formatFloatJson(count)}"]`);
  }
  const list = buckets.length === 0 ? '' : `,"buckets":[${buckets.join(',')}]`;
  return `{"count":"${formatFloatJson(h.count)}","sum":"${formatFloatJson(h.sum)}"${list}}`;
}
