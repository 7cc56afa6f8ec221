/**
 * Warnings and infos of a query: what the answer is worth, said beside it.
 * Owns their words, that each is said once, and where it points. Equal texts are one annotation; the node that Prometheus would
 * evaluate last keeps the place. Facts: Prometheus util/annotations/annotations.go. A few count how often they occurred and
 * print that at the end.
 */
import { formatFloatDigits, formatFloatGeneral } from '../../model/format-float.ts';
import { compareUtf8 } from '../../model/labels.ts';
import { quoteText } from '../syntax/go-text.ts';
import { linePositions } from '../syntax/parse-error.ts';

export type AnnotationLevel = 'warning' | 'info';
export type HistogramOperation = 'addition' | 'subtraction' | 'aggregation';

/** A node as annotations see it. */
export interface Place {
  readonly start: number;
  readonly order: number;
}

/** Where annotations about a node point: to its begin, or to that of a part of it. */
export function placeOf(node: Place, start: number = node.start): Place {
  return { start, order: node.order };
}

/** An annotation before it is put into words: where two parts of a query have the same text, the later place is that of both. */
export interface Annotation {
  readonly level: AnnotationLevel;
  readonly text: string;
  /** What stands between the text and the place. */
  readonly detail: string;
  readonly start: number;
  readonly order: number;
}

interface Entry {
  readonly level: AnnotationLevel;
  /** What stands between the text and the place. */
  detail: string;
  /** What the detail tells of, where places of the same text are added up. */
  forced?: ForcedMonotonicity;
  occurrences?: number;
  start: number;
  order: number;
}

interface AnnotationTexts {
  readonly warnings: string[];
  readonly infos: string[];
}

export class Annotations {
  readonly #entries = new Map<string, Entry>();

  /** @param detail of the last one added is printed behind the text, but does not tell annotations apart. */
  add(level: AnnotationLevel, text: string, place: Place, detail = ''): void {
    const known = this.#entries.get(text);
    if (known === undefined) {
      this.#entries.set(text, { level, detail, start: place.start, order: place.order });
      return;
    }
    if (place.order < known.order) return;
    known.start = place.start;
    known.order = place.order;
    known.detail = detail;
  }

  warn(text: string, place: Place, detail = ''): void {
    this.add('warning', `PromQL warning: ${text}`, place, detail);
  }

  info(text: string, place: Place, detail = ''): void {
    this.add('info', `PromQL info: ${text}`, place, detail);
  }

  /** As info, of what is added up: where two parts of a query say it, the earlier place is that of both, as in Prometheus. */
  infoForced(words: string, place: Place, forced: ForcedMonotonicity): void {
    const text = `PromQL info: ${words}`;
    const known = this.#entries.get(text);
    const both = known?.forced === undefined ? forced : addForced(known.forced, forced);
    const { start, order } = known === undefined || place.order < known.order ? place : known;
    this.#entries.set(text, { level: 'info', detail: forcedMonotonicityDetail(both), forced: both, start, order });
  }

  /** As warn, of what is counted over all of a query: the place that comes first is that of all, as in Prometheus. */
  warnOfOverlap(metric: string, place: Place): void {
    const text = `PromQL warning: ${words.startTimeOverlap(metric)}`;
    const known = this.#entries.get(text);
    const occurrences = (known?.occurrences ?? 0) + 1;
    const { start, order } = known === undefined || place.order < known.order ? place : known;
    const detail = occurrences > 1 ? ` (${occurrences} occurrences)` : '';
    this.#entries.set(text, { level: 'warning', detail, occurrences, start, order });
  }

  list(): Annotation[] {
    return Array.from(this.#entries, ([text, { level, detail, start, order }]) => ({
      level,
      text,
      detail,
      start,
      order,
    }));
  }

  /** All of them in order of their texts, each ending in its line and column in `query`. */
  texts(query: string): AnnotationTexts {
    const texts: AnnotationTexts = { warnings: [], infos: [] };
    if (this.#entries.size === 0) return texts;
    const placeAt = linePositions(query);
    for (const { level, text, detail, start } of this.list().sort((a, b) => compareUtf8(a.text, b.text))) {
      (level === 'info' ? texts.infos : texts.warnings).push(`${text}${detail} (${placeAt(start)})`);
    }
    return texts;
  }
}

function forMetric(metric: string): string {
  return metric === '' ? '' : ` for metric name ${quoteText(metric)}`;
}

const startTimeOverlap = 'sample has start time that overlaps with previous sample timestamp';

/** Whether the text of an annotation is one of those whose occurrences are counted, be there only one. */
export function isCounted(text: string): boolean {
  return text.startsWith(`PromQL warning: ${startTimeOverlap}`);
}

/** The words of each annotation, without its level. */
export const words = {
  invalidRatio: (ratio: number, to: number) =>
    `ratio value should be between -1 and 1, got ${formatFloatGeneral(ratio)}, capping to ${formatFloatGeneral(to)}`,
  invalidQuantile: (q: number) => `quantile value should be between 0 and 1, got ${formatFloatGeneral(q)}`,
  badBucketLabel: (metric: string, le: string) =>
    `bucket label "le" is missing or has a malformed value of ${quoteText(le)}${forMetric(metric)}`,
  mixedFloatsHistograms: (metric: string) =>
    `encountered a mix of histograms and floats for metric name ${quoteText(metric)}`,
  mixedInAggregation: 'encountered a mix of histograms and floats for aggregation',
  mixedClassicNative: (metric: string) => `vector contains a mix of classic and native histograms${forMetric(metric)}`,
  notCounter: (metric: string) => `this native histogram metric is not a counter: ${quoteText(metric)}`,
  notGauge: (metric: string) => `this native histogram metric is not a gauge: ${quoteText(metric)}`,
  mixedExponentialCustom: (metric: string) =>
    `vector contains a mix of histograms with exponential and custom buckets schemas for metric name ${quoteText(metric)}`,
  incompatibleBucketLayout: (op: string) => `incompatible bucket layout encountered for binary operator ${op}`,
  sortInRangeQuery: 'sort is ineffective for range queries since results are always ordered by labels',
  resetCollision: (operation: HistogramOperation) => `conflicting counter resets during histogram ${operation}`,
  startTimeOverlap: (metric: string) => `${startTimeOverlap} for metric ${quoteText(metric)}`,
  possibleNonCounter: (metric: string) =>
    `metric might not be a counter, name does not end in _total/_sum/_count/_bucket: ${quoteText(metric)}`,
  possibleNonCounterLabel: (metric: string, type: string) =>
    `metric might not be a counter, __type__ label is not set to "counter" or "histogram", got ${quoteText(type)}: ${quoteText(metric)}`,
  forcedMonotonicity: (metric: string) =>
    'input to histogram_quantile needed to be fixed for monotonicity ' +
    `(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)${forMetric(metric)}`,
  incompatibleTypes: (op: string, lhs: string, rhs: string) =>
    `incompatible sample types encountered for binary operator "${op}": ${lhs} ${op} ${rhs}`,
  ignoredInAggregation: (aggregation: string) => `ignored histogram in ${aggregation} aggregation`,
  ignoredInMixedRange: (metric: string) =>
    `ignored histograms in a range containing both floats and histograms for metric name ${quoteText(metric)}`,
  quantileNaNResult: (metric: string) =>
    `input to histogram_quantile has NaN observations, result is NaN${forMetric(metric)}`,
  quantileNaNSkew: (metric: string) =>
    `input to histogram_quantile has NaN observations, result is skewed higher${forMetric(metric)}`,
  fractionNaNs: (metric: string) =>
    `input to histogram_fraction has NaN observations, which are excluded from all fractions${forMetric(metric)}`,
  reconciledBuckets: (operation: HistogramOperation) => `mismatched custom buckets were reconciled during ${operation}`,
} as const;

/** Buckets of classic histograms that decreased where they must not, over one node of the plan. */
interface ForcedMonotonicity {
  readonly minBucket: number;
  readonly maxBucket: number;
  readonly maxDiff: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly occurrences: bigint;
}

function addForced(a: ForcedMonotonicity, b: ForcedMonotonicity): ForcedMonotonicity {
  return {
    minBucket: Math.min(a.minBucket, b.minBucket),
    maxBucket: Math.max(a.maxBucket, b.maxBucket),
    maxDiff: Math.max(a.maxDiff, b.maxDiff),
    minMs: Math.min(a.minMs, b.minMs),
    maxMs: Math.max(a.maxMs, b.maxMs),
    occurrences: BigInt.asIntN(64, a.occurrences + b.occurrences),
  };
}

/** The detail of a forcedMonotonicity annotation. */
function forcedMonotonicityDetail(forced: ForcedMonotonicity): string {
  const buckets = `from buckets ${formatFloatGeneral(forced.minBucket)} to ${formatFloatGeneral(forced.maxBucket)}`;
  const diff = `with a max diff of ${formatFloatDigits(forced.maxDiff, 2)}`;
  const times = `from ${rfc3339(forced.minMs)} to ${rfc3339(forced.maxMs)}`;
  return `, ${buckets}, ${diff}, over ${forced.occurrences} samples ${times}`;
}

/** UTC to the second, as Go's time.RFC3339; division by 1000 cuts toward zero there. */
function rfc3339(ms: number): string {
  return new Date(Math.trunc(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}
