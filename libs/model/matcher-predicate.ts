/**
 * A matcher as a question to one label value. Owns what the four types mean; an absent label is the empty value.
 * Patterns are fast-regex.ts' work.
 */
import { compileRegex } from './fast-regex.ts';
import type { Matcher } from './matcher.ts';

export interface MatcherPredicate {
  matches(value: string): boolean;
  /** Whether series without the label match, too. */
  readonly matchesEmpty: boolean;
  /** All values that match, where they can be listed; else undefined. */
  readonly values: readonly string[] | undefined;
  /** What every value that matches begins with; '' where that is not known. */
  readonly prefix: string;
}

/** @throws Failure `bad_data` for a pattern that is none */
export function compileMatcher({ type, value }: Matcher): MatcherPredicate {
  switch (type) {
    case '=':
      return { matches: (text) => text === value, matchesEmpty: value === '', values: [value], prefix: '' };
    case '!=':
      return { matches: (text) => text !== value, matchesEmpty: value !== '', values: undefined, prefix: '' };
    case '=~': {
      const regex = compileRegex(value);
      return {
        matches: (text) => regex.test(text),
        matchesEmpty: regex.test(''),
        values: regex.literals,
        prefix: regex.prefix,
      };
    }
    case '!~': {
      const regex = compileRegex(value);
      return { matches: (text) => !regex.test(text), matchesEmpty: !regex.test(''), values: undefined, prefix: '' };
    }
  }
}
