/**
 * label_replace and label_join: new labels for old. Done once a series; values are not looked at. What they write is counted as
 * memory of the query, and a series may only get so much: calls in one another would multiply a short text to gigabytes.
 * Regular expressions are RE2's, anchored at both ends, dots match newlines; templates are Go's ($1, ${name}, $$).
 * Facts: Prometheus promql/functions.go (evalLabelReplace, evalLabelJoin), Go regexp.Expand.
 */
import { RE2JS } from 're2js';
import { Failure } from '../../../errors/failure.ts';
import { metricName } from '../../../model/labels.ts';
import { checkPatternCost } from '../../../model/pattern-cost.ts';
import { RegexCaptures } from '../../../model/regex-captures.ts';
import { isLabelName } from '../aggregate/count-values.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { OutputSeries } from '../operator.ts';
import { charactersOf, withLabel } from '../series-labels.ts';

/** What becomes of one series. */
export type Relabel = (series: OutputSeries) => OutputSeries;

/** What the query is told of: the bytes that labels take, and the work that they make. */
type Costs = Pick<ExecutionContext, 'takeMemory' | 'worked'>;

/** Most characters of all labels of one series: an allocation of tens of megabytes could end more than the worker. */
const writtenLabelsMax = 1 << 20;
/** Only values from here on can bring a series to the maximum. */
const longValue = 1 << 10;
const bytesPerCharacter = 2;
/** So many are copied in the time that a sample is passed. */
const charactersPerWork = 64;
/** States of a pattern times characters of a text up to which re2js is asked, which cannot be stopped: a few milliseconds. */
const atOnceMax = 1 << 17;
/** How much more work it is to put a part of a label's value in its place than to pass a sample. */
const workPerPart = 4;

function checkLength(length: number): void {
  if (length <= writtenLabelsMax) return;
  throw new Failure('query_limit', `the labels of a series would be longer than ${writtenLabelsMax} characters`);
}

/** A label written anew; a name that is written is there to stay. */
function relabeled(one: OutputSeries, name: string, value: string, costs: Costs): OutputSeries {
  costs.takeMemory(value.length * bytesPerCharacter);
  costs.worked(value.length / charactersPerWork);
  const labels = withLabel(one.labels, name, value);
  if (value.length >= longValue) checkLength(charactersOf(labels));
  return { labels, dropName: one.dropName && name !== metricName };
}

/** The groups of a text that matches, '' where one took no part; undefined where it does not. */
type GroupsOf = (text: string) => { readonly count: number; readonly group: (number: number) => string } | undefined;

function groupsBy(regex: RE2JS, pattern: string, costs: Costs): GroupsOf {
  const states = regex.programSize();
  const count = regex.groupCount();
  let captures: RegexCaptures | undefined;
  return (text) => {
    if (text.length * states <= atOnceMax) {
      costs.worked(text.length * (1 + (states >> 4)));
      const matcher = regex.matcher(text);
      return matcher.find() ? { count, group: (number) => matcher.group(number) ?? '' } : undefined;
    }
    captures ??= new RegexCaptures(anchored(regex, pattern));
    const places = captures.match(text, (done) => costs.worked(done));
    // Of a group without part both ends are -1.
    return places && { count, group: (number) => text.slice(places[2 * number], places[2 * number + 1]) };
  };
}

/**
 * The regex where it matches whole texts alone: Prometheus puts what anchors it around the pattern as a text, and `)|(` undoes that.
 * @throws Failure where it does not
 */
function anchored(regex: RE2JS, pattern: string): RE2JS {
  try {
    RE2JS.compile(pattern);
  } catch (cause) {
    const words = 'the regular expression in label_replace() takes too long to match a text of this length';
    throw new Failure('execution', words, { cause });
  }
  return regex;
}

/** @throws Failure for a bad pattern or label name */
export function labelReplace(target: string, template: string, source: string, pattern: string, costs: Costs): Relabel {
  let regex: RE2JS;
  try {
    if (!pattern.isWellFormed()) throw new RangeError('invalid UTF-8');
    checkPatternCost(pattern);
    regex = RE2JS.compile(`^(?s:${pattern})$`);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('execution', `invalid regular expression in label_replace(): ${pattern}`, { cause: error });
  }
  if (!isLabelName(target))
    throw new Failure('execution', `invalid destination label name in label_replace(): ${target}`);
  const parts = templateParts(template, regex.namedGroups() as Record<string, number>);
  const groupsOf = groupsBy(regex, pattern, costs);
  return (one) => {
    const groups = groupsOf(one.labels.get(source));
    if (groups === undefined) return one;
    let length = 0;
    let value = '';
    for (const part of parts) {
      costs.worked(workPerPart);
      if (typeof part === 'string') {
        value += part;
        continue;
      }
      const group = part <= groups.count ? groups.group(part) : '';
      length += group.length;
      checkLength(length);
      value += group;
    }
    return relabeled(one, target, value, costs);
  };
}

/**
 * A template of Go's regexp.Expand as texts and the numbers of groups: $name takes as many letters, digits and underscores as there are;
 * a $ that names nothing stays.
 */
function templateParts(template: string, groups: Record<string, number>): (string | number)[] {
  const parts: (string | number)[] = [];
  const add = (text: string): void => {
    if (text !== '') parts.push(text);
  };
  let end = 0;
  for (const match of template.matchAll(/\$(?:(\$)|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu)) {
    const [whole, dollar, braced, bare] = match;
    add(template.slice(end, match.index));
    end = match.index + whole.length;
    const name = braced ?? bare ?? '';
    if (dollar !== undefined) add(dollar);
    // With a zero before it, it is a name.
    else if (/^(?:0|[1-9][0-9]*)$/.test(name)) parts.push(Number(name));
    else if (Object.hasOwn(groups, name)) parts.push(groups[name] as number);
  }
  add(template.slice(end));
  return parts;
}

/** @throws Failure for a bad label name */
export function labelJoin(target: string, separator: string, sources: readonly string[], costs: Costs): Relabel {
  for (const source of sources) {
    if (!isLabelName(source)) throw new Failure('execution', `invalid source label name in label_join(): ${source}`);
  }
  if (!isLabelName(target)) throw new Failure('execution', `invalid destination label name in label_join(): ${target}`);
  return (one) => {
    costs.worked(workPerPart * sources.length);
    const texts = sources.map((source) => one.labels.get(source));
    checkLength(texts.reduce((length, text) => length + text.length, separator.length * Math.max(0, texts.length - 1)));
    return relabeled(one, target, texts.join(separator), costs);
  };
}
