/**
 * What a query will read, found on the main thread so that reading begins before the worker has woken.
 * Owns how long a text may be for that: parsing is the worker's work, and short texts alone are parsed twice. Goes to query-pool.ts.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Engine } from '../../libs/promql/engine.ts';
import type { ParseOptions } from '../../libs/promql/syntax/parser.ts';
import { parseExpr } from '../../libs/promql/syntax/parser.ts';
import type { ReadQuery } from '../../libs/series/series-reader.ts';
import type { QueryRequest } from './query-request.ts';
import { hasCostlyPattern, mayBeCostly } from './resolve-patterns.ts';

/** Such a text takes some tens of microseconds. */
const textLengthMax = 1000;

/** The selects of a request, none where they are not to be had at once. */
export function earlyReads(engine: Engine, syntax: ParseOptions): (request: QueryRequest) => readonly ReadQuery[] {
  return (request) => {
    if (request.kind !== 'evaluate' || request.query.length > textLengthMax) return [];
    if (mayBeCostly(request.query)) return [];
    const { query, startMs, endMs, stepMs, lookbackMs, whole } = request;
    try {
      const lookback = lookbackMs > 0 ? { lookbackMs } : {};
      const times = { startMs, endMs, stepMs, ...lookback, ...(whole === undefined ? {} : { whole }) };
      const selects = engine.selects({ expr: parseExpr(query, syntax), ...times });
      return selects.some(({ matchers }) => hasCostlyPattern(matchers)) ? [] : selects;
    } catch (error) {
      // The worker will find it again and say so.
      if (error instanceof Failure) return [];
      throw error;
    }
  };
}
