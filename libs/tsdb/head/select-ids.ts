/**
 * Which series match: matchers to rising series numbers. Owns the order in which matchers are looked at.
 * The cheapest list that must hold the answer is taken first; the other matchers then only sieve it. A matcher that matches the
 * empty value also keeps series without the label. Work in steps (steps.ts).
 */
import type { Matcher } from '../../model/matcher.ts';
import { compileMatcher, type MatcherPredicate } from '../../model/matcher-predicate.ts';
import { countsForShard, type SeriesShard, shardOf } from '../../series/series-shard.ts';
import type { Steps } from '../../std/steps.ts';
import type { HeadRange } from './head-range.ts';
import { IdMarks } from './id-marks.ts';
import type { SeriesTable } from './series-table.ts';

interface Condition {
  readonly name: number;
  readonly predicate: MatcherPredicate;
  /** Pairs with a value that matches, where the values can be listed and none is empty; else undefined. */
  readonly pairs: readonly number[] | undefined;
}

const noSeries = new Uint32Array(0);
const stepItems = 2048;
/** Between two looks at the clock, where a question may take long. */
const slowStepItems = 8;
/** Reading another list pays if it is no longer than so many times the candidates. */
const readListFactor = 16;
/** To look for a begin in a value is so much cheaper than to find out which value a series has. */
const prefixFactor = 4;

/** Numbers of the series that match all matchers, rising. @throws Failure `bad_data` for a bad pattern */
export function* selectIds(series: SeriesTable, matchers: readonly Matcher[]): Steps<Uint32Array> {
  const conditions: Condition[] = [];
  // All are compiled before any is looked up: a bad pattern is an error whatever the others say.
  const predicates = matchers.map(compileMatcher);
  for (let i = 0; i < matchers.length; i++) {
    const predicate = predicates[i];
    const name = series.findName(matchers[i].name);
    if (name === 0) {
      if (!predicate.matchesEmpty) return noSeries;
      continue;
    }
    let pairs: number[] | undefined;
    if (predicate.values !== undefined && !predicate.matchesEmpty) {
      pairs = yield* knownPairs(series, matchers[i].name, predicate.values);
      if (pairs.length === 0) return noSeries;
    }
    conditions.push({ name, predicate, pairs });
  }
  const countOf = ({ pairs }: Condition): number => {
    let count = 0;
    for (const pair of pairs ?? []) count += series.seriesCountOfPair(pair);
    return count;
  };
  let listed = conditions.filter(({ pairs }) => pairs !== undefined).sort((a, b) => countOf(a) - countOf(b));
  let scanned = conditions.filter(({ pairs, predicate }) => pairs === undefined && !predicate.matchesEmpty);
  // A literal begin is looked for in bytes: where a label has few values beside the candidates, that is the cheaper way.
  const candidates = listed[0] === undefined ? series.count : countOf(listed[0]);
  for (const condition of scanned) {
    if (condition.predicate.prefix === '') continue;
    if (series.pairCountOfName(condition.name) > candidates * prefixFactor) continue;
    listed.push({ ...condition, pairs: yield* matchingPairs(series, condition, true) });
    scanned = scanned.filter((other) => other !== condition);
  }
  listed = listed.sort((a, b) => countOf(a) - countOf(b));
  scanned.sort((a, b) => series.pairCountOfName(a.name) - series.pairCountOfName(b.name));
  const first = listed[0] ?? scanned[0];
  let ids: Uint32Array;
  if (first === undefined) ids = yield* allIds(series);
  else ids = yield* union(series, first.pairs ?? (yield* matchingPairs(series, first, true)));
  // Those that match the empty value come last: they only take away.
  const weak = conditions.filter(({ predicate }) => predicate.matchesEmpty);
  for (const condition of [...listed, ...scanned, ...weak]) {
    if (condition === first || ids.length === 0) continue;
    ids = yield* sieve(series, ids, condition, countOf(condition));
  }
  return ids;
}

/**
 * Numbers of the series that match any of the selectors, rising; without a selector all. A selector costs what it matches: of many short
 * ones each would else cost what all before it matched. @throws Failure `bad_data` for a bad pattern
 */
export function* selectAnyIds(series: SeriesTable, selectors: readonly (readonly Matcher[])[]): Steps<Uint32Array> {
  const [first = []] = selectors;
  if (selectors.length < 2) return yield* selectIds(series, first);
  const marks = new IdMarks();
  for (const matchers of selectors) {
    const ids = yield* selectIds(series, matchers);
    for (let i = 0; i < ids.length; i++) {
      marks.add(ids[i]);
      if (i % (stepItems * 16) === 0) yield;
    }
    yield;
  }
  return yield* marks.list();
}

/** The pairs of a name with these values, of those that there are. */
function* knownPairs(series: SeriesTable, name: string, values: readonly string[]): Steps<number[]> {
  const pairs: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const pair = series.findPair(name, values[i]);
    if (pair !== 0) pairs.push(pair);
    if (i % stepItems === stepItems - 1) yield;
  }
  return pairs;
}

function* allIds(series: SeriesTable): Steps<Uint32Array> {
  const ids = new Uint32Array(series.count);
  let count = 0;
  for (let id = series.nextId(0); count < ids.length; id = series.nextId(id)) {
    ids[count++] = id;
    if (count % (stepItems * 16) === 0) yield;
  }
  return ids;
}

/** Pairs of a name whose value matches, or those whose value does not. */
function* matchingPairs(series: SeriesTable, { name, predicate }: Condition, matching: boolean): Steps<number[]> {
  const found: number[] = [];
  const step = predicate.isSlow ? slowStepItems : stepItems;
  const pairs = series.pairsOfName(name);
  const prefix = Buffer.from(predicate.prefix);
  for (let i = 0; i < pairs.length; i++) {
    if (i % step === 0) yield;
    if (prefix.length > 0 && !series.pairValueStartsWith(pairs[i], prefix)) {
      if (!matching) found.push(pairs[i]);
      continue;
    }
    if (predicate.matches(series.pairValue(pairs[i])) === matching) found.push(pairs[i]);
  }
  return found;
}

/** The series that have one of the pairs. */
function* markSeries(series: SeriesTable, pairs: readonly number[]): Steps<IdMarks> {
  const marks = new IdMarks();
  let done = 0;
  for (const pair of pairs) {
    const list = series.seriesOfPair(pair);
    for (let i = 0; i < list.length; i++) {
      marks.add(list[i]);
      if (++done % (stepItems * 16) === 0) yield;
    }
  }
  return marks;
}

function* union(series: SeriesTable, pairs: readonly number[]): Steps<Uint32Array> {
  if (pairs.length === 0) return noSeries;
  if (pairs.length === 1) return series.seriesOfPair(pairs[0]);
  let count = 0;
  for (const pair of pairs) count += series.seriesCountOfPair(pair);
  if (count < series.count >>> 6) {
    const ids = new Uint32Array(count);
    // Few of many: a sort is cheaper than a look at all.
    let at = 0;
    for (const pair of pairs) {
      const list = series.seriesOfPair(pair);
      ids.set(list, at);
      at += list.length;
    }
    return ids.sort();
  }
  return yield* (yield* markSeries(series, pairs)).list();
}

/** The candidates that meet one more condition. */
function* sieve(series: SeriesTable, ids: Uint32Array, condition: Condition, listCount: number): Steps<Uint32Array> {
  const { name, predicate, pairs } = condition;
  if (pairs !== undefined && listCount <= ids.length * readListFactor) {
    return yield* keepMarked(ids, yield* markSeries(series, pairs), true);
  }
  if (series.pairCountOfName(name) * 4 < ids.length) {
    const keeps = !predicate.matchesEmpty;
    return yield* keepMarked(ids, yield* markSeries(series, yield* matchingPairs(series, condition, keeps)), keeps);
  }
  const kept = new Uint32Array(ids.length);
  let count = 0;
  const known = new Map<number, boolean>();
  const step = predicate.isSlow ? slowStepItems : stepItems / 2;
  const prefix = Buffer.from(predicate.prefix);
  for (let i = 0; i < ids.length; i++) {
    const pair = series.pairOfName(ids[i], name);
    let keeps = pair === 0 ? predicate.matchesEmpty : known.get(pair);
    if (keeps === undefined) {
      keeps = series.pairValueStartsWith(pair, prefix) && predicate.matches(series.pairValue(pair));
      known.set(pair, keeps);
    }
    if (keeps) kept[count++] = ids[i];
    if (i % step === 0) yield;
  }
  return kept.subarray(0, count);
}

function* keepMarked(ids: Uint32Array, marks: IdMarks, marked: boolean): Steps<Uint32Array> {
  const kept = new Uint32Array(ids.length);
  let count = 0;
  const wanted = marked ? 1 : 0;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (marks.get(id) === wanted) kept[count++] = id;
    if (i % (stepItems * 16) === 0) yield;
  }
  return kept.subarray(0, count);
}

/** Indexes of those of these pairs of which a series may have samples from minT to maxT: mostly the first one that is looked at. */
export function* pairsWithSamples(
  series: SeriesTable,
  pairs: Uint32Array,
  ranges: readonly HeadRange[],
  minT: number,
  maxT: number,
): Steps<number[]> {
  const accepts = (id: number): boolean => hasSamples(id, ranges, minT, maxT);
  const found: number[] = [];
  let looked = 0;
  for (let i = 0; i < pairs.length; i++) {
    if (++looked % stepItems === 0) yield;
    if (firstHasSamples(series, pairs[i], ranges, minT, maxT)) {
      found.push(i);
      continue;
    }
    const count = series.seriesCountOfPair(pairs[i]);
    if (count <= stepItems) {
      if (series.someSeriesOfPair(pairs[i], accepts)) found.push(i);
      looked += count - 1;
      if (looked % stepItems < count) yield;
      continue;
    }
    const ids = series.seriesOfPair(pairs[i]);
    let isFound = false;
    for (let j = 1; j < ids.length && !isFound; j++) {
      isFound = accepts(ids[j]);
      if (++looked % stepItems === 0) yield;
    }
    if (isFound) found.push(i);
  }
  return found;
}

/** Whether the first series of a pair may have samples from minT to maxT. */
export function firstHasSamples(
  series: SeriesTable,
  pair: number,
  ranges: readonly HeadRange[],
  minT: number,
  maxT: number,
): boolean {
  return hasSamples(series.firstSeriesOfPair(pair), ranges, minT, maxT);
}

function hasSamples(id: number, ranges: readonly HeadRange[], minT: number, maxT: number): boolean {
  for (let r = 0; r < ranges.length; r++) if (ranges[r].hasSamples(id, minT, maxT)) return true;
  return false;
}

/** Of these series, those of a shard: moved to the front of `ids`. */
export function* inShard(series: SeriesTable, ids: Uint32Array, shard: SeriesShard): Steps<Uint32Array> {
  const counts: boolean[] = [];
  let count = 0;
  for (let i = 0; i < ids.length; i++) {
    const labels = series.labelCount(ids[i]);
    let sum = 0;
    for (let j = 0; j < labels; j++) {
      const pair = series.pairAt(ids[i], j);
      const name = series.nameOfPair(pair);
      counts[name] ??= countsForShard(shard, series.nameText(name));
      if (counts[name]) sum = (sum + series.pairHash(pair)) >>> 0;
    }
    if (shardOf(sum, shard.count) === shard.index) ids[count++] = ids[i];
    if (i % stepItems === 0) yield;
  }
  return ids.subarray(0, count);
}

/** Of these series, those that may have samples from minT to maxT in one of the ranges: moved to the front of `ids`. */
export function* withSamples(
  ids: Uint32Array,
  ranges: readonly HeadRange[],
  minT: number,
  maxT: number,
): Steps<Uint32Array> {
  // Long-lived heads have many ranges: a step is so many looks, not so many series.
  const step = Math.max(1, Math.floor((stepItems * 8) / Math.max(1, ranges.length)));
  let count = 0;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    for (let r = 0; r < ranges.length; r++) {
      if (!ranges[r].hasSamples(id, minT, maxT)) continue;
      ids[count++] = id;
      break;
    }
    if (i % step === 0) yield;
  }
  return ids.subarray(0, count);
}
