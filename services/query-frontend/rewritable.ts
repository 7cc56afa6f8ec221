/**
 * Which calls are range queries whose steps, or whose series, may be evaluated apart.
 * Owns that judgement over a request; over an expression it is libs/promql/plan/split-by-time.ts and split-by-series.ts. What cannot be read here goes to
 * a querier as it is, which says what is wrong with it.
 */
import { Failure } from '../../libs/errors/failure.ts';
import { hasCostlyShape } from '../../libs/model/pattern-cost.ts';
import { type SeriesSplit, splitBySeries } from '../../libs/promql/plan/split-by-series.ts';
import { maySplitByTime } from '../../libs/promql/plan/split-by-time.ts';
import { type ParseOptions, parseExpr } from '../../libs/promql/syntax/parser.ts';
import { readLimit, readLookbackMs, readSteps } from '../../libs/query-api/query-parameters.ts';
import type { RequestForm } from '../../libs/query-api/request-form.ts';
import type { Steps } from './split-steps.ts';

/** A longer text takes longer to parse than others should wait. */
const textLengthMax = 4_000;

/** Who says none of these words says nothing of the range, wherever they may stand. */
const wordsOfRange = /\b(?:start|end|range|step)\b/i;

export interface RangeQuestion extends Steps {
  readonly query: string;
  /** 0 for the querier's own. */
  readonly lookbackMs: number;
  /** Series that the answer may have, 0 for any number. */
  readonly limit: number;
  /** What it says at a step does not depend on where the range begins and ends. */
  readonly isIndependent: boolean;
  /** Its steps may be evaluated apart. */
  readonly hasSteps: boolean;
  /** How its series may be; undefined where they may not. */
  readonly split: SeriesSplit | undefined;
}

export interface Language {
  readonly syntax: ParseOptions;
  readonly subqueryStepMs: number;
  readonly delayedNameRemoval: boolean;
}

/** The question that a call of query_range asks; undefined where only a querier can say. */
export function rewritableQuestion(form: RequestForm, language: Language): RangeQuestion | undefined {
  const { syntax, subqueryStepMs, delayedNameRemoval } = language;
  const query = form.get('query');
  // What a query cost is said of one evaluation.
  if (form.get('stats') !== '' || query.length > textLengthMax || hasCostlyShape(query)) return undefined;
  try {
    const limit = readLimit(form);
    const steps = readSteps(form);
    const expr = parseExpr(query, syntax);
    if (expr.type !== 'vector' && expr.type !== 'scalar') return undefined;
    const times = { ...steps, subqueryStepMs };
    const hasSteps = maySplitByTime(expr, times, delayedNameRemoval);
    const split = splitBySeries(expr, times);
    if (!hasSteps && split === undefined) return undefined;
    const isIndependent = hasSteps && !wordsOfRange.test(query);
    return { query, ...steps, limit, lookbackMs: readLookbackMs(form), isIndependent, hasSteps, split };
  } catch (error) {
    // A chain of two thousand operators is sound, and too high for this thread's stack: a worker's is larger.
    if (error instanceof Failure || error instanceof RangeError) return undefined;
    throw error;
  }
}
