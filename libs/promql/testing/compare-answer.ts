/**
 * Whether an answer is what a script expects, and in readable words how it differs.
 * Owns the comparison: floats within 1e-6 of their sum, histograms without their empty buckets, hints only where the script names
 * one. Facts: Prometheus promql/promqltest/test.go (compareResult), util/almost.
 */
import { customBucketsSchema, type Histogram, ResetHint } from '../../model/histogram.ts';
import { compactHistogram } from '../../model/histogram-arithmetic.ts';
import { formatHistogram } from '../../model/histogram-format.ts';
import { compareLabels, type Labels, metricName } from '../../model/labels.ts';
import { formatPlainFloat, quoteText } from '../syntax/go-text.ts';
import type { SequenceValue } from '../syntax/series-description.ts';
import type { EvalCommand, ExpectedSeries, TextExpectation } from './parse-script.ts';

/** A float where `histogram` is null. */
export interface AnswerPoint {
  readonly t: number;
  readonly value: number;
  readonly histogram: Histogram | null;
}

export interface AnswerSeries {
  readonly labels: Labels;
  /** In order of time; exactly one in a vector. */
  readonly points: readonly AnswerPoint[];
}

export type AnswerValue =
  | { readonly kind: 'vector' | 'matrix'; readonly series: readonly AnswerSeries[] }
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string };

export interface AnswerTexts {
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

const epsilon = 1e-6;
const smallestNormal = 2 ** -1022;

/** Equal as scripts mean it: two NaNs are equal, else the difference is small beside the sum of sizes. */
function almostEqual(a: number, b: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  const sum = Math.abs(a) + Math.abs(b);
  const difference = Math.abs(a - b);
  if (a === 0 || b === 0 || sum < smallestNormal) return difference < epsilon * smallestNormal;
  return difference / Math.min(sum, Number.MAX_VALUE) < epsilon;
}

/** How the value differs from what is expected, a line each; empty if it does not. */
export function valueDifferences(command: EvalCommand, answer: AnswerValue): string[] {
  const { expected } = command;
  if (expected.kind === 'scalar' || expected.kind === 'string') {
    const same =
      expected.kind === 'scalar'
        ? answer.kind === 'scalar' && almostEqual(expected.value, answer.value)
        : answer.kind === 'string' && expected.value === answer.value;
    return same ? [] : [`expected ${expected.kind} ${expected.value}, got ${formatAnswer(answer)}`];
  }
  switch (answer.kind) {
    case 'vector':
      return vectorDifferences(command, expected.byKey, answer.series);
    case 'matrix':
      return matrixDifferences(command, expected.byKey, answer.series);
    default:
      return [`expected series, got ${formatAnswer(answer)}`];
  }
}

function vectorDifferences(
  { ordered }: EvalCommand,
  expected: ReadonlyMap<string, ExpectedSeries>,
  series: readonly AnswerSeries[],
): string[] {
  const found = (position: number, wanted: ExpectedSeries, { points }: AnswerSeries): string | undefined => {
    if (ordered && wanted.position !== position) return `expected at position ${wanted.position}, got at ${position}`;
    if (wanted.values.length === 1 && points.length === 1 && samePoint(wanted.values[0], points[0])) return undefined;
    return `expected ${wanted.values.map(formatExpected).join(' ')}, got ${points.map(formatPoint).join(' ')}`;
  };
  return seriesDifferences(expected, series, found);
}

function matrixDifferences(
  { ordered, expectedTimes }: EvalCommand,
  expected: ReadonlyMap<string, ExpectedSeries>,
  series: readonly AnswerSeries[],
): string[] {
  if (ordered) return ['expected an ordered vector, got a matrix'];
  if (expectedTimes === undefined) return ['expected a vector, got a matrix'];
  const { firstMs, lastMs, stepMs } = expectedTimes;
  const found = (_: number, wanted: ExpectedSeries, { points }: AnswerSeries): string | undefined => {
    const expectedPoints = wanted.values
      .map((value, i) => ({ t: firstMs + i * stepMs, value }))
      .filter(({ value }) => value.kind !== 'omitted');
    if (firstMs + (wanted.values.length - 1) * stepMs > lastMs) return 'more values are expected than there are steps';
    const same =
      expectedPoints.length === points.length &&
      expectedPoints.every(({ t, value }, i) => t === points[i].t && samePoint(value, points[i]));
    if (same) return undefined;
    const wantedText = expectedPoints.map(({ t, value }) => `${formatExpected(value)} @[${t}]`).join(' ');
    return `\n      expected ${wantedText}\n      got      ${points.map(formatTimedPoint).join(' ')}`;
  };
  const differences = seriesDifferences(expected, series, found);
  for (let i = 1; i < series.length; i++) {
    if (compareLabels(series[i - 1].labels, series[i].labels) > 0) {
      differences.push(`${formatLabels(series[i].labels)} stands behind ${formatLabels(series[i - 1].labels)}`);
    }
  }
  return differences;
}

function seriesDifferences(
  expected: ReadonlyMap<string, ExpectedSeries>,
  series: readonly AnswerSeries[],
  difference: (position: number, wanted: ExpectedSeries, got: AnswerSeries) => string | undefined,
): string[] {
  const differences: string[] = [];
  const seen = new Set<string>();
  series.forEach((got, position) => {
    const { labels, points } = got;
    const name = formatLabels(labels);
    const wanted = expected.get(labels.key);
    if (wanted === undefined) differences.push(`unexpected ${name} ${points.map(formatTimedPoint).join(' ')}`);
    else {
      if (seen.has(labels.key)) differences.push(`${name} twice`);
      const text = difference(position, wanted, got);
      if (text !== undefined) differences.push(`${name}: ${text}`);
    }
    seen.add(labels.key);
  });
  for (const [key, { labels, values }] of expected) {
    if (!seen.has(key)) differences.push(`missing ${formatLabels(labels)} ${values.map(formatExpected).join(' ')}`);
  }
  return differences;
}

/** The stale marker never is a value of an answer, and NaNs of numbers cannot be told apart: a script that expects one fails. */
function samePoint(expected: SequenceValue, { value, histogram }: AnswerPoint): boolean {
  switch (expected.kind) {
    case 'omitted':
      return false;
    case 'float':
      return histogram === null && !expected.stale && almostEqual(expected.value, value);
    case 'histogram':
      return histogram !== null && sameHistogram(expected.histogram, histogram, expected.resetHintSet);
  }
}

function sameHistogram(expected: Histogram, actual: Histogram, compareHint: boolean): boolean {
  const a = compactHistogram(expected);
  const b = compactHistogram(actual);
  return (
    a.schema === b.schema &&
    a.stale === b.stale &&
    almostEqual(a.count, b.count) &&
    almostEqual(a.sum, b.sum) &&
    (a.schema !== customBucketsSchema || sameColumn(a.customValues, b.customValues, Object.is)) &&
    a.zeroThreshold === b.zeroThreshold &&
    almostEqual(a.zeroCount, b.zeroCount) &&
    sameColumn(a.negativeSpans, b.negativeSpans, Object.is) &&
    sameColumn(a.negativeBuckets, b.negativeBuckets, almostEqual) &&
    sameColumn(a.positiveSpans, b.positiveSpans, Object.is) &&
    sameColumn(a.positiveBuckets, b.positiveBuckets, almostEqual) &&
    (!compareHint || a.resetHint === b.resetHint)
  );
}

function sameColumn(a: ArrayLike<number>, b: ArrayLike<number>, same: (a: number, b: number) => boolean): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!same(a[i], b[i])) return false;
  return true;
}

/** How warnings and infos differ from what is expected; a kind that the script does not speak of may be anything. */
export function annotationDifferences({ annotations }: EvalCommand, { warnings, infos }: AnswerTexts): string[] {
  const differences = [
    ...textDifferences('warning', annotations.warn, warnings),
    ...textDifferences('info', annotations.info, infos),
  ];
  if (annotations.no_warn.length > 0) differences.push(...warnings.map((text) => `unexpected warning: ${text}`));
  if (annotations.no_info.length > 0) differences.push(...infos.map((text) => `unexpected info: ${text}`));
  return differences;
}

function textDifferences(kind: string, expected: readonly TextExpectation[], actual: readonly string[]): string[] {
  if (expected.length === 0) return [];
  const got = actual.length === 0 ? 'none' : actual.join('; ');
  const missing = expected
    .filter((wanted) => !actual.some((text) => wanted.matches(text)))
    .map(({ description }) => `missing ${kind}: ${description}, got ${got}`);
  const unexpected = actual
    .filter((text) => !expected.some((wanted) => wanted.matches(text)))
    .map((text) => `unexpected ${kind}: ${text}`);
  return [...missing, ...unexpected];
}

function formatAnswer(answer: AnswerValue): string {
  if (answer.kind === 'scalar' || answer.kind === 'string') return `${answer.kind} ${answer.value}`;
  const series = answer.series.map(
    ({ labels, points }) => `${formatLabels(labels)} ${points.map(formatPoint).join(' ')}`,
  );
  return `${answer.kind} [${series.join(', ')}]`;
}

function formatLabels({ pairs }: Labels): string {
  let name = '';
  const texts: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    if (pairs[i] === metricName) name = pairs[i + 1];
    else texts.push(`${pairs[i]}=${quoteText(pairs[i + 1])}`);
  }
  return `${name}{${texts.join(', ')}}`;
}

function formatExpected(value: SequenceValue): string {
  switch (value.kind) {
    case 'omitted':
      return '_';
    case 'float':
      return value.stale ? 'stale' : formatPlainFloat(value.value);
    case 'histogram':
      return describeHistogram(value.histogram, value.resetHintSet);
  }
}

function formatPoint({ value, histogram }: AnswerPoint): string {
  return histogram === null ? formatPlainFloat(value) : describeHistogram(histogram, true);
}

function formatTimedPoint(point: AnswerPoint): string {
  return `${formatPoint(point)} @[${point.t}]`;
}

function describeHistogram(h: Histogram, withHint: boolean): string {
  const hint = Object.entries(ResetHint).find(([, value]) => value === h.resetHint)?.[0] ?? '';
  const head = `schema:${h.schema} z_bucket_w:${h.zeroThreshold}${withHint ? ` ${hint}` : ''}`;
  return `{{${head} ${formatHistogram(h)}${h.schema === customBucketsSchema ? ` [${h.customValues.join(' ')}]` : ''}}}`;
}
