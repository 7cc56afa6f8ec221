/** One label set out of a table: for who looks at each series once and needs no other. */
import { Labels } from '../model/labels.ts';
import type { LabelTable } from './series-source.ts';

export function labelsAt({ strings, begin, refs, setOf }: LabelTable, series: number): Labels {
  const set = setOf === undefined ? series : setOf[series];
  const pairs: string[] = [];
  for (let i = begin[set]; i < begin[set + 1]; i++) pairs.push(strings[refs[i]]);
  return new Labels(pairs);
}
