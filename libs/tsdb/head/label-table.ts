/**
 * Label sets of many series in the form in which they leave the head: every distinct string once, and numbers.
 * Owns that translation, in steps.
 */
import { blankPairs, Labels } from '../../model/labels.ts';
import { bytesOfSets, bytesOfText } from '../../series/list-memory.ts';
import { NumberLists } from '../../series/number-lists.ts';
import type { LabelTable } from '../../series/series-source.ts';
import type { ByteAllowance } from '../../std/inflight-bytes.ts';
import type { Steps } from '../../std/steps.ts';
import type { SeriesTable } from './series-table.ts';

const stepSeries = 128;

/** @param memory of a list that is made of it: where its texts are counted, and the places of the list's label sets */
export function* labelTableOf(series: SeriesTable, ids: Uint32Array, memory?: ByteAllowance): Steps<LabelTable> {
  const begin = new Uint32Array(ids.length + 1);
  let labels = 0;
  for (let i = 0; i < ids.length; i++) {
    begin[i] = labels;
    labels += series.labelCount(ids[i]) * 2;
    if (i % (stepSeries * 16) === 0) yield;
  }
  begin[ids.length] = labels;
  memory?.take(bytesOfSets(0, labels));
  const refs = new Uint32Array(labels);
  const strings: string[] = [];
  const placeOf = new Map<string, number>();
  const place = (text: string): number => {
    let known = placeOf.get(text);
    if (known === undefined) {
      memory?.take(bytesOfText(text));
      known = strings.push(text) - 1;
      placeOf.set(text, known);
    }
    return known;
  };
  const pairs = new PairPlaces(series, labels, place);
  let at = 0;
  for (let i = 0; i < ids.length; i++) {
    const count = series.labelCount(ids[i]);
    for (let j = 0; j < count; j++) {
      const known = pairs.find(series.pairAt(ids[i], j));
      refs[at++] = pairs.places[known];
      refs[at++] = pairs.places[known + 1];
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
  const count = series.labelCount(id);
  const texts = blankPairs(count * 2);
  for (let i = 0; i < count; i++) {
    const pair = series.pairAt(id, i);
    texts[i * 2] = series.pairName(pair);
    texts[i * 2 + 1] = series.pairValue(pair);
  }
  return new Labels(texts);
}

/** Where the strings of pairs stand: in a column by pair where many are asked for, behind a map where few of many are. */
class PairPlaces {
  readonly #series: SeriesTable;
  readonly #place: (text: string) => number;
  readonly #map = new Map<number, number>();
  readonly #names = new Map<number, number>();
  readonly #columnPairs: number;
  #used: number;
  /** Places of name and value, one behind the other; -1 where they are not known. */
  places: Int32Array;

  constructor(series: SeriesTable, labels: number, place: (text: string) => number) {
    this.#series = series;
    this.#place = place;
    this.#columnPairs = series.pairCount < labels * 4 ? series.pairCount + 1 : 0;
    this.#used = this.#columnPairs * 2;
    this.places = new Int32Array(this.#used + 64).fill(-1);
  }

  /** Index of the pair's places. */
  find(pair: number): number {
    // A pair that came after the column was made is in the map.
    const at = pair < this.#columnPairs ? pair * 2 : (this.#map.get(pair) ?? this.#add(pair));
    if (this.places[at] < 0) {
      this.places[at] = this.#placeOfName(this.#series.nameOfPair(pair));
      this.places[at + 1] = this.#place(this.#series.pairValue(pair));
    }
    return at;
  }

  #placeOfName(name: number): number {
    let place = this.#names.get(name);
    if (place === undefined) {
      place = this.#place(this.#series.nameText(name));
      this.#names.set(name, place);
    }
    return place;
  }

  #add(pair: number): number {
    const at = this.#used;
    this.#used += 2;
    if (this.#used > this.places.length) {
      const grown = new Int32Array(this.#used * 2).fill(-1);
      grown.set(this.places);
      this.places = grown;
    }
    this.#map.set(pair, at);
    return at;
  }
}
