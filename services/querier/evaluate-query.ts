/**
 * From the text of an expression to the bytes of its answer: parse, evaluate, encode, in the thread of whoever calls.
 * Owns that order and what a query's stats say of it. The language is libs/promql, the bytes are encode-result.ts. Called by the query
 * workers, and by the main thread for what is small (small-queries.ts).
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Engine, EngineOptions } from '../../libs/promql/engine.ts';
import type { QueryLimits } from '../../libs/promql/execute/execution-context.ts';
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import type { ParseOptions } from '../../libs/promql/syntax/parser.ts';
import { parseExpr } from '../../libs/promql/syntax/parser.ts';
import { lookingEvery } from '../../libs/promql/worked.ts';
import { writeResult } from '../../libs/query-api/encode-result.ts';
import type { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import { invalidParameter } from '../../libs/query-api/query-parameters.ts';
import type { SeriesReader } from '../../libs/series/series-reader.ts';
import type { ReadCosts } from '../../libs/series/series-source.ts';
import { encodePart } from '../../libs/wire/peer/part-message.ts';
import type { EvaluationRequest, ExpressionRequest } from './query-request.ts';
import type { JobStats } from './worker-protocol.ts';

/** What every evaluation of a querier goes by. */
export interface EvaluationOptions {
  readonly syntax: ParseOptions;
  readonly engine: EngineOptions;
  readonly limits: QueryLimits;
  /** Whether `stats=all` says what each step took. */
  readonly statsByStep: boolean;
}

export interface CountedReader extends SeriesReader {
  /** What the reads have cost, as far as they were read. */
  costs(): ReadCosts;
}

interface EvaluationContext {
  readonly engine: Engine;
  readonly options: EvaluationOptions;
  readonly reader: CountedReader;
  readonly output: JsonBytes;
  readonly queuedSeconds: number;
  /** @throws what ends the evaluation */
  checkStopped(): void;
}

/** Writes the answer; returns what it cost. @throws Failure */
export function evaluateQuery(request: EvaluationRequest, context: EvaluationContext): JobStats {
  const { engine, options, reader, output, queuedSeconds, checkStopped } = context;
  const begin = performance.now();
  const expr = parseQuery(request, options.syntax, checkStopped);
  const { query: text, startMs, endMs, stepMs, lookbackMs, limit, stats, whole } = request;
  const parsed = performance.now();
  const lookback = lookbackMs > 0 ? { lookbackMs: Math.floor(lookbackMs) } : {};
  const asked = {
    expr,
    text,
    startMs,
    endMs,
    stepMs,
    ...lookback,
    ...(whole === undefined ? {} : { whole }),
    limits: options.limits,
    reader,
    statsByStep: options.statsByStep && stats === 'all',
    checkCancelled: checkStopped,
  };
  const result = asQueryFailure(() => engine.query(asked));
  if (whole !== undefined) {
    output.block(encodePart(result, { startMs, endMs, stepMs }));
    return { samples: result.stats.samplesRead };
  }
  const times = {
    queued: queuedSeconds,
    prepared: (parsed - begin) / 1000,
    evaluated: (performance.now() - parsed) / 1000,
  };
  writeResult(output, result, { limit, stats, startMs, stepMs }, { ...times, reads: reader.costs() }, checkStopped);
  return { samples: result.stats.samplesRead };
}

/** @throws Failure `bad_data` in the words of a parameter that is wrong */
export function parseQuery({ query }: ExpressionRequest, syntax: ParseOptions, checkStopped: () => void): Expr {
  return asQueryFailure(() => parseExpr(query, syntax, lookingEvery(checkStopped)));
}

/** What is wrong with the expression is wrong with the parameter. */
function asQueryFailure<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof Failure && error.kind === 'bad_data' ? invalidParameter('query', error.message) : error;
  }
}
