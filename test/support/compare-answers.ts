/**
 * Are two answers of the Prometheus API the same?
 * Owns what "the same" means: a set of series where the query fixes no order, values equal to the last bit, or, where
 * floating point addition or a mathematical library leaves room, within 1e-12 of each other relative to the larger one.
 * Numbers are compared as the text that was sent, so that a number written differently is a difference too.
 */
import type { Answer, HistogramValue, MetricLabels, QueryData, SamplePair, SeriesAnswer } from './query-client.ts';

export type Agreement = 'bits' | 'close';

const relativeErrorMax = 1e-12;
const differencesMax = 10;

/** The differences between two query answers, as sentences; none where they agree. At most ten. */
export function compareAnswers(expected: Answer, actual: Answer, agreement: Agreement): string[] {
  const differences: string[] = [];
  if (expected.httpStatus !== actual.httpStatus || expected.errorType !== actual.errorType) {
    return [`expected ${statusLine(expected)}, got ${statusLine(actual)}`];
  }
  if (expected.error !== actual.error) return [`expected error ${expected.error}, got ${actual.error}`];
  for (const kind of ['warnings', 'infos'] as const) {
    const [left, right] = [sorted(expected[kind]), sorted(actual[kind])];
    if (left !== right) differences.push(`expected ${kind} ${left}, got ${right}`);
  }
  if (expected.status === 'success') {
    compareData(expected.data as QueryData, actual.data as QueryData, agreement, differences);
  }
  return differences.slice(0, differencesMax);
}

/** A text that is the same for the same labels, whatever their order. */
function labelsKey(labels: MetricLabels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

function compareData(expected: QueryData, actual: QueryData, agreement: Agreement, differences: string[]): void {
  if (expected.resultType !== actual.resultType) {
    differences.push(`expected a ${expected.resultType}, got a ${actual.resultType}`);
    return;
  }
  if (expected.resultType === 'scalar' || expected.resultType === 'string') {
    const [left, right] = [expected.result, actual.result] as unknown as [SamplePair, SamplePair];
    if (!samePair(left, right, agreement)) differences.push(`expected ${left}, got ${right}`);
    return;
  }
  const actualByLabels = new Map(actual.result.map((series) => [labelsKey(series.metric), series]));
  if (actualByLabels.size !== actual.result.length) differences.push('a label set appears twice');
  for (const series of expected.result) {
    const key = labelsKey(series.metric);
    const other = actualByLabels.get(key);
    actualByLabels.delete(key);
    if (other === undefined) differences.push(`series absent: ${key}`);
    else compareSeries(key, series, other, agreement, differences);
  }
  for (const key of actualByLabels.keys()) differences.push(`series too many: ${key}`);
}

function compareSeries(
  key: string,
  expected: SeriesAnswer,
  actual: SeriesAnswer,
  agreement: Agreement,
  differences: string[],
): void {
  const floats = [listOf(expected.value, expected.values), listOf(actual.value, actual.values)] as const;
  comparePoints(key, floats[0], floats[1], (a, b) => sameNumber(a, b, agreement), differences);
  const histograms = [
    listOf(expected.histogram, expected.histograms),
    listOf(actual.histogram, actual.histograms),
  ] as const;
  comparePoints(key, histograms[0], histograms[1], (a, b) => sameHistogram(a, b, agreement), differences);
}

const listOf = <T>(one: T | undefined, many: readonly T[] | undefined): readonly T[] =>
  many ?? (one === undefined ? [] : [one]);

function comparePoints<T>(
  key: string,
  expected: readonly (readonly [number, T])[],
  actual: readonly (readonly [number, T])[],
  same: (a: T, b: T) => boolean,
  differences: string[],
): void {
  if (expected.length !== actual.length) {
    const missing = expected.filter(([t]) => !actual.some(([other]) => other === t)).map(([t]) => t);
    const extra = actual.filter(([t]) => !expected.some(([other]) => other === t)).map(([t]) => t);
    differences.push(
      `${key}: expected ${expected.length} points, got ${actual.length}` +
        ` (missing at ${missing.slice(0, 5)}; too many at ${extra.slice(0, 5)})`,
    );
    return;
  }
  for (const [index, [t, value]] of expected.entries()) {
    const [actualT, actualValue] = actual[index];
    if (t !== actualT || !same(value, actualValue)) {
      differences.push(
        `${key}: expected ${JSON.stringify(value)} at ${t}, got ${JSON.stringify(actualValue)} at ${actualT}`,
      );
      return;
    }
  }
}

function samePair(a: SamplePair, b: SamplePair, agreement: Agreement): boolean {
  return a[0] === b[0] && sameNumber(a[1], b[1], agreement);
}

function sameNumber(a: string, b: string, agreement: Agreement): boolean {
  if (a === b) return true;
  if (agreement === 'bits') return false;
  const [x, y] = [Number(a), Number(b)];
  return Math.abs(x - y) <= relativeErrorMax * Math.max(Math.abs(x), Math.abs(y));
}

function sameHistogram(a: HistogramValue, b: HistogramValue, agreement: Agreement): boolean {
  const [left, right] = [a.buckets ?? [], b.buckets ?? []];
  if (!sameNumber(a.count, b.count, agreement) || !sameNumber(a.sum, b.sum, agreement)) return false;
  if (left.length !== right.length) return false;
  return left.every(
    ([bounds, low, high, count], i) =>
      bounds === right[i][0] &&
      low === right[i][1] &&
      high === right[i][2] &&
      sameNumber(count, right[i][3], agreement),
  );
}

const statusLine = (answer: Answer): string =>
  answer.status === 'success'
    ? `${answer.httpStatus} success`
    : `${answer.httpStatus} ${answer.errorType}: ${answer.error}`;

const sorted = (texts: readonly string[] | undefined): string => JSON.stringify([...(texts ?? [])].sort());
