/**
 * Which series of a block match all matchers: a question to its lists of postings, the shortest first.
 * Owns the plan and the sets. Lists are read a round at a time: all that any matcher needs, at once. Places are what postings hold:
 * where a series stands in the index, divided by 16; their order is that of labels.
 */
import type { Matcher } from '../../model/matcher.ts';
import { compileMatcher, type MatcherPredicate } from '../../model/matcher-predicate.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { nextTurn } from '../../std/steps.ts';
import { Turns } from '../../std/turns.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { checksumBytes } from './index-layout.ts';
import type { IndexLookup } from './index-lookup.ts';
import { parsePostings } from './index-reader.ts';
import { joinRanges, localGapBytes, readPieces } from './read-ranges.ts';
import { gallop, UnitedLists, withoutRepeats } from './rising-lists.ts';
import { uint32At } from './section-reader.ts';

/** Values that are looked at between two looks at the clock. */
const valuesPerLook = 256;
const slowValuesPerLook = 8;
/** A set over all places takes a bit each; with fewer members than one in so many, sorting them is cheaper. */
const sparseFactor = 256;
const noPlaces = new Uint32Array(0);

/** Series of these pairs are wanted, or unwanted. */
interface Term {
  readonly rows: readonly number[];
  readonly wanted: boolean;
  /** Of all its lists. */
  readonly bytes: number;
}

/**
 * Places of the series that match, rising.
 * @param reader of the index: where lists of postings are read
 * @throws Failure `bad_data` for a bad pattern; CorruptBlock; what the reader throws
 */
export async function selectPlaces(
  lookup: IndexLookup,
  reader: RangeReader,
  matchers: readonly Matcher[],
  signal: AbortSignal,
): Promise<Uint32Array> {
  // All are compiled before any is looked up: a bad pattern is an error whatever the others say.
  const predicates = matchers.map(compileMatcher);
  const terms: Term[] = [];
  const turns = new Turns();
  for (let i = 0; i < matchers.length; i++) {
    if (turns.isOver) await turns.next(signal);
    const term = await termOf(lookup, matchers[i].name, predicates[i], turns, signal);
    if (term === 'all') continue;
    if (term.wanted && term.rows.length === 0) return noPlaces;
    terms.push(term);
  }
  if (!terms.some(({ wanted }) => wanted)) {
    // Every series is in the list of the empty pair.
    const all = lookup.rowOf('', '');
    if (all < 0) return noPlaces;
    terms.push(termOfRows(lookup, [all], true));
  }
  // Those that only take away come last: the others make the set small.
  terms.sort((a, b) => Number(b.wanted) - Number(a.wanted) || a.bytes - b.bytes);
  const lists = await readLists(
    lookup,
    reader,
    terms.flatMap(({ rows }) => rows),
    signal,
  );
  let places: Uint32Array | undefined;
  let at = 0;
  for (const { rows, wanted } of terms) {
    const united = await uniteLists(lists.slice(at, at + rows.length), lookup.index.reader.size / 16);
    at += rows.length;
    if (places === undefined) places = united;
    else places = wanted ? intersect(places, united) : subtract(places, united);
    if (places.length === 0) break;
    if (turns.isOver) await turns.next(signal);
  }
  return places ?? noPlaces;
}

/** Places of the series that any of the selectors matches, rising. @throws as selectPlaces does */
export async function selectAnyPlaces(
  lookup: IndexLookup,
  reader: RangeReader,
  selectors: readonly (readonly Matcher[])[],
  signal: AbortSignal,
): Promise<Uint32Array> {
  const united = new UnitedLists();
  const turns = new Turns();
  for (const matchers of selectors) {
    united.add(await selectPlaces(lookup, reader, matchers, signal));
    if (turns.isOver) await turns.next(signal);
  }
  return united.list();
}

async function termOf(
  lookup: IndexLookup,
  name: string,
  predicate: MatcherPredicate,
  turns: Turns,
  signal: AbortSignal,
): Promise<Term | 'all'> {
  const range = lookup.rowsOf(name);
  // No series has the label: all of them have it empty.
  if (range === undefined || name === '') return predicate.matchesEmpty ? 'all' : termOfRows(lookup, [], true);
  // Of a list that is longer than the rows are each row is looked up in it instead.
  if (predicate.values !== undefined && !predicate.matchesEmpty && predicate.values.length <= range.end - range.begin) {
    return termOfRows(lookup, await rowsOfValues(lookup, name, predicate.values, turns, signal), true);
  }
  // What matches the empty value keeps all but those whose value does not match.
  const wanted = !predicate.matchesEmpty;
  const { begin, end } = predicate.prefix === '' ? range : lookup.rowsWithPrefix(range, predicate.prefix);
  const rows: number[] = [];
  const perLook = predicate.isSlow ? slowValuesPerLook : valuesPerLook;
  for (let row = begin; row < end; row++) {
    if (predicate.matches(lookup.valueText(row)) === wanted) rows.push(row);
    if (row % perLook === 0 && turns.isOver) await turns.next(signal);
  }
  return !wanted && rows.length === 0 ? 'all' : termOfRows(lookup, rows, wanted);
}

/** The rows of those values that there are, each once. */
async function rowsOfValues(
  lookup: IndexLookup,
  name: string,
  values: readonly string[],
  turns: Turns,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const rows = new Set<number>();
  for (let i = 0; i < values.length; i++) {
    const row = lookup.rowOf(name, values[i]);
    if (row >= 0) rows.add(row);
    if (i % valuesPerLook === 0 && turns.isOver) await turns.next(signal);
  }
  return [...rows];
}

function termOfRows(lookup: IndexLookup, rows: readonly number[], wanted: boolean): Term {
  let bytes = 0;
  for (const row of rows) {
    const { begin, end } = lookup.listRange(row);
    bytes += end - begin;
  }
  return { rows, wanted, bytes };
}

/** The lists of these rows, in their order. */
async function readLists(
  lookup: IndexLookup,
  reader: RangeReader,
  rows: readonly number[],
  signal: AbortSignal,
): Promise<Uint32Array[]> {
  const lists = new Array<Uint32Array>(rows.length).fill(noPlaces);
  const ranges = rows.map((row) => lookup.listRange(row));
  const byBegin = rows.map((_, i) => i).sort((a, b) => ranges[a].begin - ranges[b].begin);
  const begin = Float64Array.from(byBegin, (i) => ranges[i].begin);
  const end = Float64Array.from(byBegin, (i) => ranges[i].end);
  for await (const { piece, bytes } of readPieces(reader, joinRanges(begin, end, rows.length, localGapBytes), signal)) {
    for (let item = piece.firstItem; item < piece.lastItem; item++) {
      const offset = begin[item];
      let list = bytes.subarray(offset - piece.begin, end[item] - piece.begin);
      const needed = list.length >= 4 ? uint32At(list, 0) + 4 + checksumBytes : 4;
      if (needed > list.length) {
        const listEnd = offset + Math.max(needed, 8);
        if (listEnd > reader.size)
          throw new CorruptBlock(reader.name, offset, 'a list of postings ends behind the index');
        list = await reader.read(offset, listEnd, signal);
      }
      lists[byBegin[item]] = parsePostings(reader.name, list, offset);
    }
  }
  return lists;
}

/** Rising lists as one rising list, each place once. */
async function uniteLists(lists: readonly Uint32Array[], placesMax: number): Promise<Uint32Array> {
  if (lists.length === 0) return noPlaces;
  if (lists.length === 1) return lists[0];
  let total = 0;
  for (const list of lists) total += list.length;
  if (total < placesMax / sparseFactor) {
    const all = new Uint32Array(total);
    let at = 0;
    for (const list of lists) {
      all.set(list, at);
      at += list.length;
    }
    return withoutRepeats(all.sort());
  }
  const marks = new Uint32Array((placesMax >>> 5) + 1);
  let done = 0;
  for (const list of lists) {
    for (let i = 0; i < list.length; i++) {
      const place = list[i];
      marks[place >>> 5] |= 1 << (place & 31);
    }
    done += list.length;
    if (done < 1 << 18) continue;
    done = 0;
    await nextTurn();
  }
  const places = new Uint32Array(total);
  let at = 0;
  for (let word = 0; word < marks.length; word++) {
    for (let bits = marks[word]; bits !== 0; bits &= bits - 1)
      places[at++] = (word << 5) | (31 - Math.clz32(bits & -bits));
  }
  return places.subarray(0, at);
}

/** Places in both. */
function intersect(a: Uint32Array, b: Uint32Array): Uint32Array {
  return keep(a, b, true);
}

/** Places of `a` that are not in `b`. */
function subtract(a: Uint32Array, b: Uint32Array): Uint32Array {
  return keep(a, b, false);
}

function keep(a: Uint32Array, b: Uint32Array, inBoth: boolean): Uint32Array {
  const kept = new Uint32Array(a.length);
  let count = 0;
  let j = 0;
  for (let i = 0; i < a.length; i++) {
    const place = a[i];
    j = gallop(b, j, place);
    if ((j < b.length && b[j] === place) === inBoth) kept[count++] = place;
  }
  return kept.subarray(0, count);
}
