/**
 * A matcher as a question to one label value. Owns what the four types mean; an absent label is the empty value.
 * Patterns are fast-regex.ts' work.
 */
import { compileRegex } from './fast-regex.ts';
import type { Matcher, MatcherType } from './matcher.ts';

export interface MatcherPredicate {
  matches(value: string): boolean;
  /** Whether series without the label match, too. */
  readonly matchesEmpty: boolean;
  /** All values that match, where they can be listed; else undefined. */
  readonly values: readonly string[] | undefined;
  /** What every value that matches begins with; '' where that is not known. */
  readonly prefix: string;
  /** Whether a single question may take long: look at the clock between two. */
  readonly isSlow: boolean;
}

const plain = { values: undefined, prefix: '', isSlow: false };

/** @throws Failure `bad_data` for a pattern that is none */
export function compileMatcher({ type, value, values }: Matcher): MatcherPredicate {
  if (values !== undefined) return listed(type, values);
  switch (type) {
    case '=':
      return { ...plain, matches: (text) => text === value, matchesEmpty: value === '', values: [value] };
    case '!=':
      return { ...plain, matches: (text) => text !== value, matchesEmpty: value !== '' };
    case '=~': {
      const regex = compileRegex(value);
      const { literals, prefix, isSlow } = regex;
      const matches = (text: string): boolean => regex.test(text);
      return { matches, matchesEmpty: regex.test(''), values: literals, prefix, isSlow };
    }
    case '!~': {
      const regex = compileRegex(value);
      const { isSlow } = regex;
      return { ...plain, matches: (text) => !regex.test(text), matchesEmpty: !regex.test(''), isSlow };
    }
  }
}

/** Lists that were compiled before: of a query each block does it again, and there may be hundreds of thousands of values. */
const knownLists = new WeakMap<readonly string[], ReadonlySet<string>>();

function listed(type: MatcherType, values: readonly string[]): MatcherPredicate {
  const known = knownLists.get(values) ?? new Set(values);
  knownLists.set(values, known);
  if (type === '=~') return { ...plain, matches: (text) => known.has(text), matchesEmpty: known.has(''), values };
  return { ...plain, matches: (text) => !known.has(text), matchesEmpty: !known.has('') };
}
