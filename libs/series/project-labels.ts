/**
 * Labels that nobody looks at are left out of a table: what a worker need not be sent.
 * Owns when they may be: not where a series has one of the names that functions take away (series-source.ts).
 */
import { NumberLists } from './number-lists.ts';
import type { LabelTable } from './series-source.ts';

/** The table with the labels of these names alone, each set of them once; as it is where none may be left out. */
export function projectLabels(table: LabelTable, names: readonly string[]): LabelTable {
  const { strings, begin, refs } = table;
  if (table.setOf !== undefined || strings.includes('__type__') || strings.includes('__unit__')) return table;
  const isWanted = new Uint8Array(strings.length);
  for (const name of names) {
    const ref = strings.indexOf(name);
    if (ref >= 0) isWanted[ref] = 1;
  }
  const setOf = new Uint32Array(begin.length - 1);
  const sets = new NumberLists();
  const own: number[] = [];
  for (let series = 0; series < setOf.length; series++) {
    own.length = 0;
    for (let i = begin[series]; i < begin[series + 1]; i += 2)
      if (isWanted[refs[i]] === 1) own.push(refs[i], refs[i + 1]);
    setOf[series] = sets.numberOf(own);
  }
  const kept: string[] = [];
  const placeOf = new Int32Array(strings.length).fill(-1);
  const setBegin = new Uint32Array(sets.list.length + 1);
  const setRefs: number[] = [];
  for (const [set, list] of sets.list.entries()) {
    for (const ref of list) {
      if (placeOf[ref] < 0) placeOf[ref] = kept.push(strings[ref]) - 1;
      setRefs.push(placeOf[ref]);
    }
    setBegin[set + 1] = setRefs.length;
  }
  return { strings: kept, begin: setBegin, refs: Uint32Array.from(setRefs), setOf };
}
