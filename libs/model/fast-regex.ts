/**
 * Regular expressions of matchers: RE2's, anchored at both ends, the dot matches newlines. Never a native RegExp, which a
 * pattern could keep busy for ever. Owns compiling, a bounded cache, and the shapes that need no regex engine, which are most of
 * those in use: literals, alternatives of literals, and literals with `.*` or `.+` between them.
 */
import { RE2JS } from 're2js';
import { Failure } from '../errors/failure.ts';
import { checkPatternCost } from './pattern-cost.ts';

export interface FastRegex {
  test(text: string): boolean;
  /** All texts that match, where the pattern is nothing but a list of literals; else undefined. */
  readonly literals: readonly string[] | undefined;
  /** What every text that matches begins with; '' where that is not known. */
  readonly prefix: string;
  /** Whether a regex engine does it, which may take long for a large pattern. */
  readonly isSlow: boolean;
}

const cacheMax = 1000;
const cache = new Map<string, FastRegex>();

/** @throws Failure `bad_data` in Go's words where the pattern is none */
export function compileRegex(pattern: string): FastRegex {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  const made = withoutEngine(pattern) ?? withEngine(pattern);
  if (cache.size >= cacheMax) {
    const oldest = cache.keys().next();
    if (oldest.done !== true) cache.delete(oldest.value);
  }
  cache.set(pattern, made);
  return made;
}

function withEngine(pattern: string): FastRegex {
  checkPatternCost(pattern);
  try {
    const regex = RE2JS.compile(pattern, RE2JS.DOTALL);
    return { test: (text) => regex.testExact(text), literals: undefined, prefix: '', isSlow: true };
  } catch (cause) {
    throw new Failure('bad_data', problemOf(pattern, cause), { cause });
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
  readonly texts: readonly string[];
  readonly gaps: readonly number[];
}

function withoutEngine(pattern: string): FastRegex | undefined {
  const branches: Branch[] = [];
  let texts = [''];
  let gaps: number[] = [];
  const last = pattern.length - 1;
  const grouped = pattern[0] === '(' && pattern[last] === ')' && pattern.indexOf('(', 1) < 0;
  const begin = grouped ? (pattern.startsWith('(?:') ? 3 : 1) : 0;
  const end = grouped ? last : pattern.length;
  for (let i = begin; i < end; i++) {
    const char = pattern[i];
    const next = i + 1 < end ? pattern[i + 1] : '';
    if (char === '|') {
      branches.push({ texts, gaps });
      texts = [''];
      gaps = [];
    } else if (char === '.' && (next === '*' || next === '+')) {
      // Gaps side by side, possessive or lazy ones: for the engine.
      const follower = i + 2 < end ? pattern[i + 2] : '';
      if (/[.*+?{]/.test(follower)) return undefined;
      gaps.push(next === '+' ? 1 : 0);
      texts.push('');
      i++;
    } else if (char === '\\') {
      if (!/[.+*?()|[\]{}^$\\/:-]/.test(next)) return undefined;
      texts[texts.length - 1] += next;
      i++;
      if (/[*+?{]/.test(pattern[i + 1] ?? '')) return undefined;
    } else if (/[.*+?()[\]{}^$\\]/.test(char) || /[*+?{]/.test(next)) {
      return undefined;
    } else {
      texts[texts.length - 1] += char;
    }
  }
  branches.push({ texts, gaps });
  if (branches.every((branch) => branch.gaps.length === 0)) {
    const literals = new Set(branches.map((branch) => branch.texts[0]));
    return { test: (text) => literals.has(text), literals: [...literals], prefix: '', isSlow: false };
  }
  const [only] = branches;
  const quick = { literals: undefined, isSlow: false };
  if (branches.length === 1) {
    return { ...quick, test: (text) => matchesBranch(only, text), prefix: only.texts[0] };
  }
  return { ...quick, test: (text) => branches.some((branch) => matchesBranch(branch, text)), prefix: '' };
}

function matchesBranch({ texts, gaps }: Branch, text: string): boolean {
  if (!text.startsWith(texts[0])) return false;
  let at = texts[0].length;
  const last = texts.length - 1;
  if (last === 0) return at === text.length;
  for (let i = 1; i < last; i++) {
    const found = text.indexOf(texts[i], at + gaps[i - 1]);
    if (found < 0) return false;
    at = found + texts[i].length;
  }
  return text.length - texts[last].length >= at + gaps[last - 1] && text.endsWith(texts[last]);
}
