/**
 * label_replace and label_join: new labels for old. Done once a series; values are not looked at.
 * Regular expressions are RE2's, anchored at both ends, dots match newlines; templates are Go's ($1, ${name}, $$).
 * Facts: Prometheus promql/functions.go (evalLabelReplace, evalLabelJoin), Go regexp.Expand.
 */
import { RE2JS } from 're2js';
import { Failure } from '../../../errors/failure.ts';
import { metricName } from '../../../model/labels.ts';
import { isLabelName } from '../aggregate/count-values.ts';
import type { OutputSeries } from '../operator.ts';
import { withLabel } from '../series-labels.ts';

/** What becomes of one series. */
export type Relabel = (series: OutputSeries) => OutputSeries;

/** A label written anew; a name that is written is there to stay. */
function relabeled({ labels, dropName }: OutputSeries, name: string, value: string): OutputSeries {
  return { labels: withLabel(labels, name, value), dropName: dropName && name !== metricName };
}

/** @throws Failure for a bad pattern or label name */
export function labelReplace(target: string, template: string, source: string, pattern: string): Relabel {
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
    const value = expandTemplate(template, (name) => {
      if (/^[0-9]+$/.test(name)) return groupText(Number(name));
      return Object.hasOwn(groups, name) ? groupText(groups[name] as number) : '';
    });
    return relabeled(one, target, value);
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
export function labelJoin(target: string, separator: string, sources: readonly string[]): Relabel {
  for (const source of sources) {
    if (!isLabelName(source)) throw new Failure('execution', `invalid source label name in label_join(): ${source}`);
  }
  if (!isLabelName(target)) throw new Failure('execution', `invalid destination label name in label_join(): ${target}`);
  return (one) => relabeled(one, target, sources.map((source) => one.labels.get(source)).join(separator));
}
