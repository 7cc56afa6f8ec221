/**
 * label_replace and label_join: new labels for old. Done once a series; values are not looked at. What they write is counted as
 * memory of the query, and a series may only get so much: calls in one another would multiply a short text to gigabytes.
 * Regular expressions are RE2's, anchored at both ends, dots match newlines; templates are Go's ($1, ${name}, $$).
 * Facts: Prometheus promql/functions.go (evalLabelReplace, evalLabelJoin), Go regexp.Expand.
 */
import { RE2JS } from 're2js';
import { Failure } from '../../../errors/failure.ts';
import { type Labels, metricName } from '../../../model/labels.ts';
import { isLabelName } from '../aggregate/count-values.ts';
import type { OutputSeries } from '../operator.ts';
import { withLabel } from '../series-labels.ts';

/** What becomes of one series. */
export type Relabel = (series: OutputSeries) => OutputSeries;

/** Counts bytes as taken by the query. @throws Failure when they are too many */
type TakeMemory = (bytes: number) => void;

/** Most characters of all labels of one series: an allocation of tens of megabytes could end more than the worker. */
const writtenLabelsMax = 1 << 20;
/** Only values from here on can bring a series to the maximum. */
const longValue = 1 << 10;
const bytesPerCharacter = 2;

function checkLength(length: number): void {
  if (length <= writtenLabelsMax) return;
  throw new Failure('query_limit', `the labels of a series would be longer than ${writtenLabelsMax} characters`);
}

const lengthOf = (labels: Labels): number => labels.pairs.reduce((length, text) => length + text.length, 0);

/** A label written anew; a name that is written is there to stay. */
function relabeled(one: OutputSeries, name: string, value: string, take: TakeMemory): OutputSeries {
  take(value.length * bytesPerCharacter);
  const labels = withLabel(one.labels, name, value);
  if (value.length >= longValue) checkLength(lengthOf(labels));
  return { labels, dropName: one.dropName && name !== metricName };
}

/** @throws Failure for a bad pattern or label name */
export function labelReplace(
  target: string,
  template: string,
  source: string,
  pattern: string,
  take: TakeMemory,
): Relabel {
  let regex: RE2JS;
  try {
    if (!pattern.isWellFormed()) throw new RangeError('invalid UTF-8');
    regex = RE2JS.compile(`^(?s:${pattern})$`);
  } catch (error) {
    throw new Failure('execution', `invalid regular expression in label_replace(): ${pattern}`, { cause: error });
  }
  if (!isLabelName(target))
    throw new Failure('execution', `invalid destination label name in label_replace(): ${target}`);
  const groups = regex.namedGroups() as Record<string, number>;
  return (one) => {
    const matcher = regex.matcher(one.labels.get(source));
    if (!matcher.find()) return one;
    const groupText = (index: number): string => (index <= matcher.groupCount() ? (matcher.group(index) ?? '') : '');
    let length = 0;
    const value = expandTemplate(template, (name) => {
      const index = /^[0-9]+$/.test(name) ? Number(name) : Object.hasOwn(groups, name) ? groups[name] : undefined;
      const text = index === undefined ? '' : groupText(index);
      length += text.length;
      checkLength(length);
      return text;
    });
    return relabeled(one, target, value, take);
  };
}

/** Go's regexp.Expand: $name takes as many letters, digits and underscores as there are; a $ that names nothing stays. */
function expandTemplate(template: string, textOf: (name: string) => string): string {
  return template.replaceAll(
    /\$(?:(\$)|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu,
    (_whole, dollar: string | undefined, braced: string | undefined, bare: string | undefined) =>
      dollar !== undefined ? '$' : textOf(braced ?? bare ?? ''),
  );
}

/** @throws Failure for a bad label name */
export function labelJoin(target: string, separator: string, sources: readonly string[], take: TakeMemory): Relabel {
  for (const source of sources) {
    if (!isLabelName(source)) throw new Failure('execution', `invalid source label name in label_join(): ${source}`);
  }
  if (!isLabelName(target)) throw new Failure('execution', `invalid destination label name in label_join(): ${target}`);
  return (one) => {
    const texts = sources.map((source) => one.labels.get(source));
    checkLength(texts.reduce((length, text) => length + text.length, separator.length * Math.max(0, texts.length - 1)));
    return relabeled(one, target, texts.join(separator), take);
  };
}
