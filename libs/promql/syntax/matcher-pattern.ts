/**
 * Is the pattern of a regular expression matcher sound, and does it match the empty text?
 * Owns those two questions for the parser; matching series is the work of model. Patterns are RE2's, anchored at both
 * ends, and the dot matches newlines. Most patterns in use are words, bars and `.*`: they need no compiler.
 */
import { Failure } from '../../errors/failure.ts';
import { compileRegex } from '../../model/fast-regex.ts';
import { checkPatternCost } from '../../model/pattern-cost.ts';

/** Literals, alternatives and dots with at most one repetition: sound whatever the order. */
const plainPattern = /^(?:[\w\- :/,|=@"'<>~;&%#!]|\.[*+]?)*$/;

/**
 * What is wrong with the pattern, in Go's words; undefined if nothing.
 * @throws Failure `bad_data` for one that is too large
 */
export function patternProblem(pattern: string): string | undefined {
  if (plainPattern.test(pattern)) return undefined;
  checkPatternCost(pattern);
  try {
    compileRegex(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.message;
    throw error;
  }
}

/** Whether a sound pattern matches the empty text, and so an absent label. */
export function patternMatchesEmpty(pattern: string): boolean {
  if (plainPattern.test(pattern)) return pattern.split('|').some((part) => /^(?:\.\*)*$/.test(part));
  return compileRegex(pattern).test('');
}
