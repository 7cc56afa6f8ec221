/**
 * Is the pattern of a regular expression matcher sound, and does it match the empty text?
 * Owns those two questions for the parser; matching series is the work of model. Patterns are RE2's, anchored at both
 * ends, and the dot matches newlines. Most patterns in use are words, bars and `.*`: they need no compiler.
 */
import { RE2JS } from 're2js';
import { checkPatternCost } from '../../model/pattern-cost.ts';

/** Literals, alternatives and dots with at most one repetition: sound whatever the order. */
const plainPattern = /^(?:[\w\- :/,|=@"'<>~;&%#!]|\.[*+]?)*$/;

/** What is wrong with the pattern, in Go's words; undefined if nothing. @throws Failure `bad_data` for one that is too large */
export function patternProblem(pattern: string): string | undefined {
  if (plainPattern.test(pattern)) return undefined;
  checkPatternCost(pattern);
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // Go ends this one with the empty rest of the pattern.
    return text.endsWith('trailing backslash at end of expression') ? `${text}: \`\`` : text;
  }
}

/** Whether a sound pattern matches the empty text, and so an absent label. */
export function patternMatchesEmpty(pattern: string): boolean {
  if (plainPattern.test(pattern)) return pattern.split('|').some((part) => /^(?:\.\*)*$/.test(part));
  return RE2JS.compile(pattern, RE2JS.DOTALL).matches('');
}
