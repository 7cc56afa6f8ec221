/**
 * What operators do to label sets: drop the name, group, match, replace; and the keys by which equal ones are found.
 * Done once a series, never once a step. `__type__` and `__unit__` go with the name, as they describe the metric, not its value.
 * Facts: Prometheus model/labels, promql/engine.go (resultMetric, generateGroupingKey, MatchLabels).
 */
import { compareUtf8, Labels, labelPairsKey, metricName } from '../../model/labels.ts';
import { quoteText } from '../syntax/go-text.ts';

const underscore = 0x5f;

/** Labels that describe the metric. */
export const metadataNames: readonly string[] = [metricName, '__type__', '__unit__'];

function isMetadata(name: string): boolean {
  return metadataNames.includes(name);
}

/** Whether there is a name, type or unit. */
export function hasMetadata(labels: Labels): boolean {
  return metadataNames.some((name) => labels.get(name) !== '');
}

function filterPairs(labels: Labels, keep: (name: string) => boolean): Labels {
  const pairs = labels.pairs;
  const kept: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] as string;
    if (keep(name)) kept.push(name, pairs[i + 1] as string);
  }
  return kept.length === pairs.length ? labels : new Labels(kept);
}

/** Whether of name, type and unit there is the name alone, in the first place of the pairs, where it stands as a rule. */
export function isNameAlone(pairs: readonly string[]): boolean {
  if (pairs[0] !== metricName) return false;
  // Names in order: behind the first one without an underscore neither can come.
  for (let i = 2; i < pairs.length; i += 2) {
    const name = pairs[i] as string;
    if (name.charCodeAt(0) !== underscore) return true;
    if (isMetadata(name)) return false;
  }
  return true;
}

/** Without name, type and unit. */
export function dropMetadata(labels: Labels): Labels {
  if (isNameAlone(labels.pairs)) return new Labels(labels.pairs.slice(2));
  return filterPairs(labels, (name) => !isMetadata(name));
}

/** Without the name alone. */
export function dropMetricName(labels: Labels): Labels {
  return filterPairs(labels, (name) => name !== metricName);
}

/** Only the labels of these names. */
export function keepLabels(labels: Labels, names: ReadonlySet<string>): Labels {
  return filterPairs(labels, (name) => names.has(name));
}

/** Without the labels of these names. */
export function deleteLabels(labels: Labels, names: ReadonlySet<string>): Labels {
  return filterPairs(labels, (name) => !names.has(name));
}

/** With one label set to a value; an empty one takes it away. */
export function withLabel(labels: Labels, name: string, value: string): Labels {
  const pairs = labels.pairs;
  const out: string[] = [];
  let placed = value === '';
  for (let i = 0; i < pairs.length; i += 2) {
    const other = pairs[i] as string;
    if (other === name) continue;
    if (!placed && compareUtf8(name, other) < 0) {
      out.push(name, value);
      placed = true;
    }
    out.push(other, pairs[i + 1] as string);
  }
  if (!placed) out.push(name, value);
  return new Labels(out);
}

/** A label set with some labels taken from another one: where that has none of a name, neither has the result. */
export function labelsOfBoth(labels: Labels, other: Labels, fromOther: ReadonlySet<string>): Labels {
  const own = labels.pairs;
  const taken = keepLabels(other, fromOther).pairs;
  const out: string[] = [];
  let at = 0;
  for (let i = 0; i < own.length; i += 2) {
    const name = own[i] as string;
    if (fromOther.has(name)) continue;
    for (; at < taken.length && compareUtf8(taken[at] as string, name) < 0; at += 2) {
      out.push(taken[at] as string, taken[at + 1] as string);
    }
    out.push(name, own[i + 1] as string);
  }
  for (; at < taken.length; at += 2) out.push(taken[at] as string, taken[at + 1] as string);
  return new Labels(out);
}

/** Labels of the group that a series falls into under by(names) or without(names). */
export function groupLabels(labels: Labels, names: ReadonlySet<string>, without: boolean): Labels {
  if (without) return filterPairs(labels, (name) => name !== metricName && !names.has(name));
  return names.size === 0 ? Labels.empty : keepLabels(labels, names);
}

/** Labels by which on(names) or ignoring(names) match: equal keys match. */
export function matchLabels(labels: Labels, names: ReadonlySet<string>, on: boolean): Labels {
  return on ? keepLabels(labels, names) : filterPairs(labels, (name) => name !== metricName && !names.has(name));
}

/** The key of the labels of these names, without making a label set of them. */
export function keyOfKept(labels: Labels, names: ReadonlySet<string>): string {
  const pairs = labels.pairs;
  const kept: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] as string;
    if (names.has(name)) kept.push(name, pairs[i + 1] as string);
  }
  return labelPairsKey(kept);
}

/** Characters of all names and values. */
export function charactersOf({ pairs }: Labels): number {
  let characters = 0;
  for (const text of pairs) characters += text.length;
  return characters;
}

const plainName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** `{a="b", c="d"}`, the name of the metric among them, as labels.Labels.String. */
export function formatLabels(labels: Labels): string {
  const parts: string[] = [];
  for (let i = 0; i < labels.pairs.length; i += 2) {
    const name = labels.pairs[i] as string;
    parts.push(`${plainName.test(name) ? name : quoteText(name)}=${quoteText(labels.pairs[i + 1] as string)}`);
  }
  return `{${parts.join(', ')}}`;
}
