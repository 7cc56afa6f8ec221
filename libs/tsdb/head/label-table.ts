/**
 * Label sets of many series in the form in which they leave the head: every distinct string once, and numbers.
 * Owns that translation, in steps.
 */
import { Labels } from '../../model/labels.ts';
import { NumberLists } from '../../series/number-lists.ts';
import type { LabelTable } from '../../series/series-source.ts';
import type { SeriesTable } from './series-table.ts';
import type { Steps } from './steps.ts';

const stepSeries = 128;

export function* labelTableOf(series: SeriesTable, ids: Uint32Array): Steps<LabelTable> {
  const begin = new Uint32Array(ids.length + 1);
  let labels = 0;
  for (let i = 0; i < ids.length; i++) {
    begin[i] = labels;
    labels += series.labelCount(ids[i]) * 2;
    if (i % (stepSeries * 16) === 0) yield;
  }
  begin[ids.length] = labels;
  const refs = new Uint32Array(labels);
  const strings: string[] = [];
  const placeOf = new Map<string, number>();
  const place = (text: string): number => {
    let known = placeOf.get(text);
    if (known === undefined) {
      known = strings.push(text) - 1;
      placeOf.set(text, known);
    }
    return known;
  };
  const pairs = new PairPlaces(series.pairCount, labels);
  let at = 0;
  for (let i = 0; i < ids.length; i++) {
    const count = series.labelCount(ids[i]);
    for (let j = 0; j < count; j++) {
      const pair = series.pairAt(ids[i], j);
      let value = pairs.get(pair);
      if (value < 0) {
        value = place(series.pairValue(pair));
        pairs.set(pair, value);
      }
      const name = series.nameOfPair(pair);
      let nameAt = pairs.getName(name);
      if (nameAt < 0) {
        nameAt = place(series.nameText(name));
        pairs.setName(name, nameAt);
      }
      refs[at++] = nameAt;
      refs[at++] = value;
    }
    if (i % stepSeries === 0) yield;
  }
  return { strings, begin, refs };
}

/** The same with the labels of these names alone, each set of them once. */
export function* projectedTableOf(series: SeriesTable, ids: Uint32Array, names: readonly string[]): Steps<LabelTable> {
  const isWanted = new Uint8Array(series.nameCount + 1);
  for (const name of names) isWanted[series.findName(name)] = 1;
  // A name that no series has is number 0, which no pair has.
  const setOf = new Uint32Array(ids.length);
  const sets = new NumberLists();
  const own: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const count = series.labelCount(ids[i]);
    own.length = 0;
    for (let j = 0; j < count; j++) {
      const pair = series.pairAt(ids[i], j);
      if (isWanted[series.nameOfPair(pair)] === 1) own.push(pair);
    }
    setOf[i] = sets.numberOf(own);
    if (i % (stepSeries * 4) === 0) yield;
  }
  const strings: string[] = [];
  const placeOf = new Map<string, number>();
  const place = (text: string): number => {
    const known = placeOf.get(text) ?? strings.length;
    if (known === strings.length) {
      strings.push(text);
      placeOf.set(text, known);
    }
    return known;
  };
  const begin = new Uint32Array(sets.list.length + 1);
  const refs: number[] = [];
  for (let i = 0; i < sets.list.length; i++) {
    for (const pair of sets.list[i]) refs.push(place(series.pairName(pair)), place(series.pairValue(pair)));
    begin[i + 1] = refs.length;
    if (i % stepSeries === 0) yield;
  }
  return { strings, begin, refs: Uint32Array.from(refs), setOf };
}

/** The labels of one series. */
export function labelsOf(series: SeriesTable, id: number): Labels {
  const texts: string[] = [];
  const count = series.labelCount(id);
  for (let i = 0; i < count; i++) {
    const pair = series.pairAt(id, i);
    texts.push(series.pairName(pair), series.pairValue(pair));
  }
  return new Labels(texts);
}

/** Where the strings of pairs and names stand: a column where many pairs are asked for, a map where few of many are. */
class PairPlaces {
  readonly #column: Int32Array | undefined;
  readonly #map = new Map<number, number>();
  readonly #names: number[] = [];

  constructor(pairCount: number, labels: number) {
    if (pairCount < labels * 4) this.#column = new Int32Array(pairCount + 1).fill(-1);
  }

  /** -1 where it is not known. */
  get(pair: number): number {
    // A pair that came after the column was made is in the map.
    const column = this.#column;
    if (column !== undefined && pair < column.length) return column[pair];
    return this.#map.get(pair) ?? -1;
  }

  set(pair: number, place: number): void {
    const column = this.#column;
    if (column !== undefined && pair < column.length) column[pair] = place;
    else this.#map.set(pair, place);
  }

  getName(name: number): number {
    return this.#names[name] ?? -1;
  }

  setName(name: number, place: number): void {
    while (this.#names.length < name) this.#names.push(-1);
    this.#names[name] = place;
  }
}
