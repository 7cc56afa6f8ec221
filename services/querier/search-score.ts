/**
 * How well a name fits what somebody is typing: the filters of the search API, each a score from 0 to 1.
 * Owns the formulas, which are Prometheus' (3.15 web/api/v1/search_filters.go, util/strutil), so that results come in the same
 * order. Characters are code points. A filter is made once a request and asked for every name.
 */

/** Score of an accepted name, -1 of one that is not. */
export type SearchFilter = (name: string) => number;

export interface SearchTerms {
  readonly terms: readonly string[];
  readonly algorithm: 'subsequence' | 'jarowinkler';
  /** 0 to 1: what a fuzzy match must have at least. */
  readonly threshold: number;
  readonly caseSensitive: boolean;
}

/** A filter that accepts what fits any of the terms, with its best score; undefined where no term says anything. */
export function searchFilter({ terms, algorithm, threshold, caseSensitive }: SearchTerms): SearchFilter | undefined {
  const filters = terms
    .filter((term) => term !== '')
    .map((term) => (caseSensitive ? term : term.toLowerCase()))
    .map((term) =>
      algorithm === 'subsequence' ? subsequenceFilter(term, threshold) : jaroWinklerFilter(term, threshold),
    );
  if (filters.length === 0) return undefined;
  return (name) => {
    const text = caseSensitive ? name : name.toLowerCase();
    let best = -1;
    for (const filter of filters) {
      best = Math.max(best, filter(text));
      if (best >= 1) break;
    }
    return best;
  };
}

function subsequenceFilter(term: string, threshold: number): SearchFilter {
  const pattern = codePoints(term);
  return (name) => {
    if (name.startsWith(term)) return 1;
    const score = subsequenceScore(pattern, codePoints(name));
    return score > 0 && score >= threshold ? score : -1;
  };
}

function jaroWinklerFilter(term: string, threshold: number): SearchFilter {
  const pattern = codePoints(term);
  return (name) => {
    const at = name.indexOf(term);
    if (at >= 0) return substringScore(name, at, pattern.length);
    if (threshold === 0) return -1;
    const score = jaroWinklerScore(pattern, codePoints(name));
    return score >= threshold ? score : -1;
  };
}

/** 1 at the beginning, down to 0.1 at the end. */
function substringScore(name: string, at: number, termLength: number): number {
  if (at === 0) return 1;
  const last = codePoints(name).length - termLength;
  return 1 - (0.9 * codePoints(name.slice(0, at)).length) / last;
}

/** Exact matches are 1, all others below. */
const inexactScale = 0.999;

/**
 * The best way to find the pattern's characters in the text in their order: long runs count by their square, what is skipped
 * costs its share of the text, at the end half of it. 0 where the pattern is not in it.
 */
function subsequenceScore(pattern: readonly number[], text: readonly number[]): number {
  const share = 1 / text.length;
  let best = -1;
  for (let start = 0; start <= text.length - pattern.length; start++) {
    if (text[start] !== pattern[0]) continue;
    const score = scoreFrom(pattern, text, start, share);
    // What is not found from here is not found from further on.
    if (score === undefined) break;
    if (score > best) best = score;
  }
  return best < 0 ? 0 : (best / (pattern.length * pattern.length)) * inexactScale;
}

function scoreFrom(
  pattern: readonly number[],
  text: readonly number[],
  start: number,
  share: number,
): number | undefined {
  let score = 0;
  let lastEnd = 0;
  for (let i = start, found = 0; found < pattern.length; ) {
    while (i < text.length && text[i] !== pattern[found]) i++;
    if (i === text.length) return undefined;
    const begin = i;
    while (found < pattern.length && i < text.length && text[i] === pattern[found]) {
      found++;
      i++;
    }
    if (begin > lastEnd) score -= (begin - lastEnd) * share;
    score += (i - begin) * (i - begin);
    lastEnd = i;
  }
  if (text.length > lastEnd) score -= (text.length - lastEnd) * share * 0.5;
  return score;
}

const winklerPrefixMax = 4;
const winklerScale = 0.1;

/** Jaro-Winkler similarity. */
function jaroWinklerScore(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  const [short, long] = a.length > b.length ? [b, a] : [a, b];
  const distance = Math.max(Math.floor(long.length / 2) - 1, 0);
  const shortMatched = new Uint8Array(short.length);
  const longMatched = new Uint8Array(long.length);
  let matches = 0;
  for (let i = 0; i < short.length; i++) {
    const end = Math.min(i + distance + 1, long.length);
    for (let j = Math.max(i - distance, 0); j < end; j++) {
      if (longMatched[j] === 1 || short[i] !== long[j]) continue;
      shortMatched[i] = 1;
      longMatched[j] = 1;
      matches++;
      break;
    }
  }
  if (matches === 0) return 0;
  let transpositions = 0;
  for (let i = 0, k = 0; i < short.length; i++) {
    if (shortMatched[i] === 0) continue;
    while (longMatched[k] === 0) k++;
    if (short[i] !== long[k]) transpositions++;
    k++;
  }
  // Reciprocals first: another order of operations has other last digits.
  const shortShare = 1 / short.length;
  const longShare = 1 / long.length;
  const jaro = (matches * shortShare + matches * longShare + (matches - transpositions * 0.5) / matches) / 3;
  let prefix = 0;
  while (prefix < Math.min(winklerPrefixMax, short.length) && short[prefix] === long[prefix]) prefix++;
  return jaro + prefix * winklerScale * (1 - jaro);
}

function codePoints(text: string): number[] {
  const points: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) as number;
    if (point > 0xffff) i++;
    points.push(point);
  }
  return points;
}
