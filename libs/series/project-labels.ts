/**
 * Labels that nobody looks at are left out of a table: what a worker need not be sent.
 * Owns when they may be: not where a series has one of the names that functions take away (series-source.ts). In turns: there may be a
 * million series, on the thread that takes writes.
 */
import { Turns } from '../std/turns.ts';
import { NumberLists } from './number-lists.ts';
import type { LabelTable } from './series-source.ts';

/** Series that are looked at between two looks at the clock. */
const seriesPerLook = 256;

/** The table with the labels of these names alone, each set of them once; as it is where none may be left out. */
export async function projectLabels(
  table: LabelTable,
  names: readonly string[],
  signal: AbortSignal,
): Promise<LabelTable> {
  const { strings, begin, refs } = table;
  if (table.setOf !== undefined || strings.includes('__type__') || strings.includes('__unit__')) return table;
  const turns = new Turns();
  const wanted = new Set(names);
  /** Of strings that are names of labels: 0 where it is not known yet, 1 unwanted, 2 wanted. */
  const known = new Uint8Array(strings.length);
  const setOf = new Uint32Array(begin.length - 1);
  const sets = new NumberLists();
  const own: number[] = [];
  for (let series = 0; series < setOf.length; series++) {
    own.length = 0;
    for (let i = begin[series]; i < begin[series + 1]; i += 2) {
      const name = refs[i];
      if (known[name] === 0) known[name] = wanted.has(strings[name]) ? 2 : 1;
      if (known[name] === 2) own.push(name, refs[i + 1]);
    }
    setOf[series] = sets.numberOf(own);
    if (series % seriesPerLook === 0 && turns.isOver) await turns.next(signal);
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
    if (set % seriesPerLook === 0 && turns.isOver) await turns.next(signal);
  }
  return { strings: kept, begin: setBegin, refs: Uint32Array.from(setRefs), setOf };
}
