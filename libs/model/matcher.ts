/**
 * A label matcher as data: what a selector asks of one label. Evaluating it is matcher-predicate.ts' work.
 */

export type MatcherType = '=' | '!=' | '=~' | '!~';

export interface Matcher {
  readonly type: MatcherType;
  readonly name: string;
  /** The literal, or the RE2 pattern, which is anchored at both ends and whose dot matches newlines. */
  readonly value: string;
}
