/** Label sets out of a table. */
import { blankPairs, Labels } from '../model/labels.ts';
import type { LabelTable } from './series-source.ts';

/** Of one series. */
export function labelsAt(table: LabelTable, series: number): Labels {
  return setAt(table, table.setOf === undefined ? series : table.setOf[series], 0);
}

/** Set `set` of the table, without its first `skipped` strings. */
export function setAt(
  { strings, begin, refs }: Pick<LabelTable, 'strings' | 'begin' | 'refs'>,
  set: number,
  skipped: 0 | 2,
): Labels {
  const first = begin[set] + skipped;
  const pairs = blankPairs(begin[set + 1] - first);
  for (let i = 0; i < pairs.length; i++) pairs[i] = strings[refs[first + i]];
  return new Labels(pairs);
}
