/** What of the language is fixed, or switched by Prometheus' feature names: the same wherever an expression is read. */
import type { ParseOptions } from './syntax/parser.ts';

/** Step of subqueries that name none: Prometheus takes its evaluation interval, which is a minute unless configured. */
export const subqueryStepMs = 60_000;

/** @param features names of `--enable-feature` */
export function syntaxOf(features: ReadonlySet<string>): ParseOptions {
  return {
    experimentalFunctions: features.has('promql-experimental-functions'),
    extendedRangeSelectors: features.has('promql-extended-range-selectors'),
    binopFillModifiers: features.has('promql-binop-fill-modifiers'),
  };
}
