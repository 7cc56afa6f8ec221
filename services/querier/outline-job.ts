/**
 * What is known of a query before it runs, found on the main thread: what it will read, so that reading begins before a worker has
 * woken, and how many steps it is.
 * Owns how long a text may be for that: parsing is the worker's work, and short texts alone are parsed twice. Goes to query-pool.ts.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Engine, QueryOutline } from '../../libs/promql/engine.ts';
import type { ParseOptions } from '../../libs/promql/syntax/parser.ts';
import { parseExpr } from '../../libs/promql/syntax/parser.ts';
import type { QueryRequest } from './query-request.ts';
import { hasCostlyPattern, mayBeCostly } from './resolve-patterns.ts';

/** Such a text takes some tens of microseconds. */
const textLengthMax = 1000;

/** The outline of a job, undefined where it is not to be had at once. */
export type OutlineOf = (request: QueryRequest) => QueryOutline | undefined;

export function outlinesOf(engine: Engine, syntax: ParseOptions): OutlineOf {
  return (request) => {
    if (request.kind !== 'evaluate' || request.query.length > textLengthMax) return undefined;
    if (mayBeCostly(request.query)) return undefined;
    const { query, startMs, endMs, stepMs, lookbackMs, whole } = request;
    try {
      const lookback = lookbackMs > 0 ? { lookbackMs: Math.floor(lookbackMs) } : {};
      const times = { startMs, endMs, stepMs, ...lookback, ...(whole === undefined ? {} : { whole }) };
      const outline = engine.outline({ expr: parseExpr(query, syntax), ...times });
      return outline.selects.some(({ matchers }) => hasCostlyPattern(matchers)) ? undefined : outline;
    } catch (error) {
      // The worker will find it again and say so.
      if (error instanceof Failure) return undefined;
      throw error;
    }
  };
}
