/**
 * A label matcher as data: what a selector asks of one label. Evaluating it is matcher-predicate.ts' work.
 */

export type MatcherType = '=' | '!=' | '=~' | '!~';

export interface Matcher {
  readonly type: MatcherType;
  readonly name: string;
  /** The literal, or the RE2 pattern, which is anchored at both ends and whose dot matches newlines. */
  readonly value: string;
  /**
   * What the pattern matches of the values that there are, where that was found out already, '' among them if it matches an
   * absent label: then these decide, and the pattern is not compiled.
   */
  readonly values?: readonly string[];
}
