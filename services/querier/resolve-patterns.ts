/**
 * Patterns that are too costly for the main thread, which takes writes: found out in a query worker, value by value, so that the
 * main thread gets a list of values in their place.
 * Owns which patterns those are (libs/model/pattern-cost.ts), how much such a list may hold, and how many matchers a job may ask with.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import { compileMatcher } from '../../libs/model/matcher-predicate.ts';
import { hasCostlyShape, patternCost } from '../../libs/model/pattern-cost.ts';

/** Up to here a pattern holds up nobody: a few milliseconds in the worst case. */
const cheapMax = 300;
/** What all patterns of a job together may take of the main thread; those beyond it are costly, whatever each of them is. */
const cheapMaxOfJob = 10 * cheapMax;
/** Characters of the values that the patterns of a job may match. */
const valuesLengthMax = 4_000_000;
const textLengthMax = 1_000;
/** Matchers that a job may ask the main thread about: a text of megabytes has hundreds of thousands, each a few microseconds there. */
const matchersMax = 30_000;

/** Whether the text of a selector or expression may hold a costly pattern: then it is not even parsed on the main thread. */
export function mayBeCostly(text: string): boolean {
  return text.length > textLengthMax || hasCostlyShape(text);
}

/** Words, bars and gaps, which need no regex engine: cheap up to another length. */
const plainShape = /^(?:[\w\-:/ ,@~=|]|\\[^a-zA-Z0-9]|\.[*+](?![.*+?{]))*$/;
const plainLengthMax = 10_000;

function isCostly({ type, value, values }: Matcher): boolean {
  if ((type !== '=~' && type !== '!~') || values !== undefined) return false;
  if (value.length <= cheapMax || value.length > plainLengthMax) return patternCost(value) > cheapMax;
  return !plainShape.test(value) && patternCost(value) > cheapMax;
}

/** Whether any of the matchers has a pattern that the main thread must not look at. */
export function hasCostlyPattern(matchers: readonly Matcher[]): boolean {
  return matchers.some(isCostly);
}

/** Of a pattern without a regex engine. */
const plainCharactersPerState = 30;

/** What the patterns of one job may yet ask of the main thread. */
export class PatternBudget {
  #cheapLeft = cheapMaxOfJob;
  #charactersLeft = valuesLengthMax;
  #matchersLeft = matchersMax;

  /** @throws Failure `query_limit` where there are too many matchers */
  takeMatchers(count: number): void {
    this.#matchersLeft -= count;
    if (this.#matchersLeft >= 0) return;
    throw new Failure('query_limit', `too many matchers in all selectors: at most ${matchersMax} are allowed`);
  }

  /** Whether the main thread must not look at the pattern of a matcher; what it may look at counts. */
  isCostly(matcher: Matcher): boolean {
    const { type, value, values } = matcher;
    if (isCostly(matcher)) return true;
    if ((type !== '=~' && type !== '!~') || values !== undefined) return false;
    const cost = plainShape.test(value) ? value.length / plainCharactersPerState : patternCost(value);
    if (cost > this.#cheapLeft) return true;
    this.#cheapLeft -= cost;
    return false;
  }

  /** @throws Failure `query_limit` where there are too many values */
  takeValue(name: string, value: string): void {
    this.#charactersLeft -= value.length;
    if (this.#charactersLeft >= 0) return;
    throw new Failure(
      'query_limit',
      `a large regular expression matches too many values of the label ${name}: make it shorter, or narrow the selector`,
    );
  }
}

/**
 * The matchers with the values that costly patterns match in their place.
 * @param valuesOf all values of a label among series that match, sorted or not
 * @param budget of the job that they are of
 * @throws Failure `bad_data` for a pattern that is none, `query_limit` where it matches too many values, or there are too many matchers
 */
export function resolvePatterns(
  matchers: readonly Matcher[],
  valuesOf: (name: string, matchers: readonly Matcher[]) => readonly string[],
  checkStopped: () => void,
  budget = new PatternBudget(),
): readonly Matcher[] {
  budget.takeMatchers(matchers.length);
  const costly = new Set(matchers.filter((matcher) => budget.isCostly(matcher)));
  if (costly.size === 0) return matchers;
  const cheap = matchers.filter((matcher) => !costly.has(matcher));
  return matchers.map((matcher) => {
    if (!costly.has(matcher)) return matcher;
    const { name, value, type } = matcher;
    checkStopped();
    // A pattern that is no more than a list of words is costly by its length alone.
    const predicate = compileMatcher({ type: '=~', name, value });
    if (predicate.values !== undefined) {
      for (const text of predicate.values) budget.takeValue(name, text);
      return { type, name, value: '', values: predicate.values };
    }
    const values = predicate.matchesEmpty ? [''] : [];
    for (const text of valuesOf(name, cheap)) {
      checkStopped();
      if (!predicate.matches(text)) continue;
      budget.takeValue(name, text);
      values.push(text);
    }
    return { type, name, value: '', values };
  });
}
