/**
 * Whether a histogram that someone sent hangs together: the rules and the words of Prometheus (model/histogram: Validate).
 * Owns the rules for integer and float histograms; the former must also count what they say they count.
 */

import { formatFloatGeneral, formatFloatSixPlaces } from './format-float.ts';
import { customBucketsSchema, type Histogram } from './histogram.ts';

const schemaMin = -4;
const schemaMax = 8;

const negativeCount = 'histogram has a bucket whose observation count is negative';
const negativeOffset = 'histogram has a span whose offset is negative';
const spansMismatch = 'histogram spans specify different number of buckets than provided';

/** What is wrong with the histogram, in one line; null where nothing is. A staleness marker is always right. */
export function validateHistogram(h: Histogram): string | null {
  if (h.stale) return null;
  const counted = { count: 0 };
  return validateLayout(h) ?? validateCounts(h, counted) ?? validateTotal(h, counted.count);
}

function validateLayout(h: Histogram): string | null {
  if (h.schema === customBucketsSchema) return validateCustom(h);
  if (!(h.schema >= schemaMin && h.schema <= schemaMax)) {
    const range = `which must be between ${schemaMin} and ${schemaMax} for exponential buckets`;
    const custom = `or ${customBucketsSchema} for custom buckets`;
    return `histogram has an invalid schema, ${range}, ${custom}, got schema ${h.schema}`;
  }
  return (
    labelled('positive side', validateSpans(h.positiveSpans, h.positiveBuckets.length)) ??
    labelled('negative side', validateSpans(h.negativeSpans, h.negativeBuckets.length))
  );
}

function labelled(label: string, problem: string | null): string | null {
  return problem === null ? null : `${label}: ${problem}`;
}

function validateSpans(spans: Int32Array, bucketCount: number): string | null {
  let needed = 0;
  for (let i = 0; i < spans.length; i += 2) {
    if (i > 0 && spans[i] < 0) return `span number ${i / 2 + 1} with offset ${spans[i]}: ${negativeOffset}`;
    // As unsigned: what a sender wrote may be above 2^31.
    needed += spans[i + 1] >>> 0;
  }
  return needed === bucketCount ? null : `spans need ${needed} buckets, have ${bucketCount} buckets: ${spansMismatch}`;
}

function validateCustom(h: Histogram): string | null {
  const problem = validateBounds(h.customValues) ?? validateCustomSpans(h);
  if (problem !== null) return `custom buckets: ${problem}`;
  if (h.zeroCount !== 0) return 'custom buckets: must have zero count of 0';
  if (h.zeroThreshold !== 0) return 'custom buckets: must have zero threshold of 0';
  if (h.negativeSpans.length > 0) return 'custom buckets: must not have negative spans';
  if (h.negativeBuckets.length > 0) return 'custom buckets: must not have negative buckets';
  return null;
}

function validateBounds(bounds: Float64Array): string | null {
  for (let i = 0; i < bounds.length; i++) {
    if (Number.isNaN(bounds[i])) return 'histogram custom bounds must not be NaN';
    if (i > 0 && bounds[i] <= bounds[i - 1]) {
      const values = `previous bound is ${formatFloatSixPlaces(bounds[i - 1])} and current is ${formatFloatSixPlaces(bounds[i])}`;
      return `${values}: histogram custom bounds must be in strictly increasing order`;
    }
  }
  if (bounds[bounds.length - 1] === Number.POSITIVE_INFINITY) {
    return 'last +Inf bound must not be explicitly defined: histogram custom bounds must be finite';
  }
  return null;
}

function validateCustomSpans({ positiveSpans: spans, positiveBuckets, customValues }: Histogram): string | null {
  let needed = 0;
  let length = 0;
  for (let i = 0; i < spans.length; i += 2) {
    if (spans[i] < 0) return `span number ${i / 2 + 1} with offset ${spans[i]}: ${negativeOffset}`;
    needed += spans[i + 1] >>> 0;
    length += spans[i] + (spans[i + 1] >>> 0);
  }
  if (needed !== positiveBuckets.length) {
    return `spans need ${needed} buckets, have ${positiveBuckets.length} buckets: ${spansMismatch}`;
  }
  if (customValues.length + 1 < length) {
    const have = `only ${customValues.length} custom bounds defined`;
    return `${have} which is insufficient to cover total span length of ${length}: histogram custom bounds are too few`;
  }
  return null;
}

function validateCounts(h: Histogram, counted: { count: number }): string | null {
  if (h.schema !== customBucketsSchema) {
    const negative = validateBuckets(h.negativeBuckets, counted);
    if (negative !== null) return `negative side: ${negative}`;
    if (!h.integer && h.zeroCount < 0) {
      return `zero bucket has observation count of ${formatFloatGeneral(h.zeroCount)}: ${negativeCount}`;
    }
    if (h.customValues.length > 0) return 'histogram with exponential schema must not have custom bounds';
  }
  if (!h.integer && h.count < 0) {
    // Two spaces, as Prometheus writes it.
    return `observation count is  ${formatFloatGeneral(h.count)}: histogram's observation count is negative`;
  }
  return labelled('positive side', validateBuckets(h.positiveBuckets, counted));
}

function validateBuckets(buckets: Float64Array, counted: { count: number }): string | null {
  for (let i = 0; i < buckets.length; i++) {
    if (buckets[i] < 0) {
      return `bucket number ${i + 1} has observation count of ${formatFloatGeneral(buckets[i])}: ${negativeCount}`;
    }
    counted.count += buckets[i];
  }
  return null;
}

function validateTotal(h: Histogram, bucketCount: number): string | null {
  if (!h.integer) return null;
  const found = bucketCount + h.zeroCount;
  const observations = `${found} observations found in buckets, but the Count field is ${h.count}`;
  if (Number.isNaN(h.sum)) {
    if (found <= h.count) return null;
    return `${observations}: histogram's observation count should be at least the number of observations found in the buckets`;
  }
  if (found === h.count) return null;
  return `${observations}: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)`;
}
