/** Histograms as text. The JSON of the API is the querier's. */

import { formatFloatGeneral } from './format-float.ts';
import type { Histogram } from './histogram.ts';
import { customBucketsSchema } from './histogram.ts';
import { type HistogramBucket, negativeBuckets, positiveBuckets, zeroBucket } from './histogram-buckets.ts';

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
