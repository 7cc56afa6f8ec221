/**
 * Regular expressions of matchers: RE2's, anchored at both ends, the dot matches newlines. Never a native RegExp, which a
 * pattern could keep busy for ever. Owns compiling, a bounded cache, and the shapes that need no regex engine, which are most of
 * those in use: literals, alternatives and groups of them, and literals with `.*` or `.+` between them. The rest is parsed by re2js and
 * run by regex-machine.ts. What a pattern may cost has a maximum: its size
 * (pattern-cost.ts), and the steps of one match.
 */
import { RE2JS } from 're2js';
import { Failure } from '../errors/failure.ts';
import { ownText } from '../std/own-text.ts';
import { checkPatternCost } from './pattern-cost.ts';
import { RegexMachine } from './regex-machine.ts';

export interface FastRegex {
  /** @throws Failure `bad_data` where finding out takes too long */
  test(text: string): boolean;
  /** All texts that match, where the pattern is nothing but a list of literals; else undefined. */
  readonly literals: readonly string[] | undefined;
  /** What every text that matches begins with; '' where that is not known. */
  readonly prefix: string;
  /** Whether one text may take long: a regex engine does it, or it is looked at for each of many alternatives. */
  readonly isSlow: boolean;
}

interface Entry {
  /** A Failure where the pattern is none: finding out costs as much. */
  readonly made: FastRegex | Failure;
  readonly weight: number;
}

/** What the cache may hold, in characters and instructions. */
const cacheWeightMax = 1 << 22;
const entryWeight = 100;
/** Of a literal, or of what stands between gaps, beside its characters: groups side by side make thousands of them of a short pattern. */
const pieceWeight = 50;
/** What a machine keeps of its states at most, in the same measure. */
const machineWeight = 1 << 14;
const cache = new Map<string, Entry>();
let cacheWeight = 0;

/** @throws Failure `bad_data` in Go's words where the pattern is none, in ours where it is too large */
export function compileRegex(pattern: string): FastRegex {
  let entry = cache.get(pattern);
  if (entry === undefined) {
    const own = ownText(pattern);
    entry = compiled(own);
    remember(own, entry);
  }
  if (entry.made instanceof Failure) throw entry.made;
  return entry.made;
}

function remember(pattern: string, entry: Entry): void {
  if (entry.weight > cacheWeightMax) return;
  for (const [oldPattern, { weight }] of cache) {
    if (cacheWeight + entry.weight <= cacheWeightMax) break;
    cache.delete(oldPattern);
    cacheWeight -= weight;
  }
  cache.set(pattern, entry);
  cacheWeight += entry.weight;
}

function compiled(pattern: string): Entry {
  const weight = entryWeight + pattern.length;
  const fast = withoutEngine(pattern);
  if (fast !== undefined) return { made: fast.made, weight: weight + fast.weight };
  try {
    checkPatternCost(pattern);
    const regex = RE2JS.compile(pattern, RE2JS.DOTALL);
    const machine = new RegexMachine(regex);
    const made = { test: (text: string) => machine.test(text), literals: undefined, prefix: '', isSlow: true };
    return { made, weight: weight + machineWeight + regex.programSize() };
  } catch (cause) {
    const made = cause instanceof Failure ? cause : new Failure('bad_data', problemOf(pattern, cause), { cause });
    return { made, weight };
  }
}

/** What Go says of a pattern that does not compile. Compiled again, as re2js shows its flags as a part of the pattern. */
function problemOf(pattern: string, cause: unknown): string {
  let error = cause;
  try {
    RE2JS.compile(pattern);
  } catch (plain) {
    error = plain;
  }
  const text = error instanceof Error ? error.message : String(error);
  return text.endsWith('trailing backslash at end of expression') ? `${text}: \`\`` : text;
}

/** Literals and what stands between them: texts[0] gap[0] texts[1] ...; a gap takes gaps[i] or more characters, 0 or 1. */
interface Branch {
  readonly texts: string[];
  readonly gaps: number[];
}

/** Alternatives that groups side by side may be multiplied to. */
const branchesMax = 4096;
/** So many alternatives with gaps take about a microsecond for a text. */
const branchesAtOnce = 32;
/** Pieces that may be put together, all in all, and groups within groups. */
const joinsMax = 1 << 18;
const depthMax = 50;
const special = /[.*+?()[\]{}^$\\|]/;
const quantifier = /[*+?{]/;
const wordsAndBars = /^[^.*+?()[\]{}^$\\]*$/;

function withoutEngine(pattern: string): { readonly made: FastRegex; readonly weight: number } | undefined {
  if (wordsAndBars.test(pattern)) {
    // What most lists are: of a hundred thousand words the reader below would make a hundred milliseconds.
    const words = pattern.split('|');
    const weight = pattern.length - (words.length - 1) + pieceWeight * words.length;
    if (words.length <= joinsMax) return { made: listOf(words), weight };
  }
  const reader = new BranchReader(pattern);
  const branches = reader.alternatives();
  if (branches === undefined || !reader.atEnd) return undefined;
  let weight = 0;
  for (const { texts } of branches) for (const text of texts) weight += pieceWeight + text.length;
  const isList = branches.every((branch) => branch.gaps.length === 0);
  return { made: isList ? listOf(branches.map(({ texts }) => texts[0] as string)) : anyOf(branches), weight };
}

function listOf(texts: readonly string[]): FastRegex {
  const literals = new Set(texts);
  return { test: (text) => literals.has(text), literals: [...literals], prefix: '', isSlow: false };
}

function anyOf(branches: readonly Branch[]): FastRegex {
  const [only] = branches as readonly [Branch];
  if (branches.length === 1) {
    const prefix = only.texts[0] as string;
    return { test: (text) => matchesBranch(only, text), literals: undefined, prefix, isSlow: false };
  }
  const test = (text: string): boolean => branches.some((branch) => matchesBranch(branch, text));
  return { test, literals: undefined, prefix: '', isSlow: branches.length > branchesAtOnce };
}

/** Reads a pattern as alternatives of literals and gaps; gives up (undefined) at anything else. */
class BranchReader {
  readonly #pattern: string;
  #at = 0;
  #joinsLeft = joinsMax;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  get atEnd(): boolean {
    return this.#at === this.#pattern.length;
  }

  /** Up to the end or the closing parenthesis. */
  alternatives(): Branch[] | undefined {
    const all: Branch[] = [];
    for (;;) {
      const branches = this.#sequence();
      if (branches === undefined) return undefined;
      for (const branch of branches) all.push(branch);
      if (this.#pattern[this.#at] !== '|') return all;
      this.#at++;
    }
  }

  #sequence(): Branch[] | undefined {
    let branches: Branch[] = [{ texts: [''], gaps: [] }];
    for (;;) {
      const char = this.#pattern[this.#at];
      if (char === undefined || char === '|' || char === ')') return branches;
      const next = char === '(' ? this.#group() : this.#literalOrGap(char);
      if (next === undefined) return undefined;
      if (branches.length > 1 && next.length > 1 && branches.length * next.length > branchesMax) return undefined;
      this.#joinsLeft -= branches.length * next.length + (next.length - 1) * pieces(branches);
      if (this.#joinsLeft < 0) return undefined;
      const joined = joinAll(branches, next);
      if (joined === undefined) return undefined;
      branches = joined;
    }
  }

  #group(): Branch[] | undefined {
    this.#at += this.#pattern.startsWith('(?:', this.#at) ? 3 : 1;
    if (this.#pattern[this.#at] === '?' || this.#depth === depthMax) return undefined;
    this.#depth++;
    const branches = this.alternatives();
    this.#depth--;
    if (branches === undefined || this.#pattern[this.#at] !== ')') return undefined;
    this.#at++;
    return this.#quantified() ? undefined : branches;
  }

  /** A run of plain characters, or one gap. */
  #literalOrGap(first: string): Branch[] | undefined {
    if (first === '.') {
      const sign = this.#pattern[this.#at + 1];
      if (sign !== '*' && sign !== '+') return undefined;
      this.#at += 2;
      return this.#quantified() ? undefined : [{ texts: ['', ''], gaps: [sign === '+' ? 1 : 0] }];
    }
    let text = '';
    for (;;) {
      const char = this.#pattern[this.#at];
      if (char === undefined) break;
      if (char === '\\') {
        const escaped = this.#pattern[this.#at + 1] ?? '';
        if (!/[.*+?()|[\]{}^$\\/:-]/.test(escaped)) return undefined;
        text += escaped;
        this.#at += 2;
      } else {
        if (special.test(char)) break;
        text += char;
        this.#at++;
      }
      if (this.#quantified()) return undefined;
    }
    return text === '' ? undefined : [{ texts: [text], gaps: [] }];
  }

  #quantified(): boolean {
    return quantifier.test(this.#pattern[this.#at] ?? '');
  }
}

function pieces(branches: readonly Branch[]): number {
  return branches.reduce((sum, { texts }) => sum + texts.length, 0);
}

function joinAll(left: readonly Branch[], right: readonly Branch[]): Branch[] | undefined {
  const joined: Branch[] = [];
  for (const a of left) {
    for (const [i, b] of right.entries()) {
      // The last one may have the memory.
      const { texts, gaps } = i === right.length - 1 ? a : { texts: a.texts.slice(), gaps: a.gaps.slice() };
      const middle = (texts.at(-1) as string) + (b.texts[0] as string);
      // Gaps side by side count characters together, where one of two units may stand for both: for the engine.
      if (middle === '' && gaps.length > 0 && b.gaps.length > 0) return undefined;
      texts[texts.length - 1] = middle;
      for (let j = 1; j < b.texts.length; j++) texts.push(b.texts[j] as string);
      for (const gap of b.gaps) gaps.push(gap);
      joined.push({ texts, gaps });
    }
  }
  return joined;
}

function matchesBranch({ texts, gaps }: Branch, text: string): boolean {
  const first = texts[0] as string;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  const last = texts.length - 1;
  if (last === 0) return at === text.length;
  for (let i = 1; i < last; i++) {
    const wanted = texts[i] as string;
    const found = text.indexOf(wanted, at + (gaps[i - 1] as number));
    if (found < 0) return false;
    at = found + wanted.length;
  }
  const end = texts[last] as string;
  return text.length - end.length >= at + (gaps[last - 1] as number) && text.endsWith(end);
}
