/**
 * The module that runs in a query worker: from a request to the bytes of its answer.
 * Owns the order of parse, evaluate, encode. The language is libs/promql, the bytes are encode-result.ts, the thread's life is
 * worker-loop.ts.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Engine, EngineOptions } from '../../libs/promql/engine.ts';
import { createEngine } from '../../libs/promql/engine.ts';
import type { QueryLimits } from '../../libs/promql/execute/execution-context.ts';
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import type { Json } from '../../libs/promql/syntax/ast-json.ts';
import { exprToJson } from '../../libs/promql/syntax/ast-json.ts';
import type { ParseOptions } from '../../libs/promql/syntax/parser.ts';
import { parseExpr, parseMetricSelector } from '../../libs/promql/syntax/parser.ts';
import { prettyExpr } from '../../libs/promql/syntax/prettier.ts';
import { writeResult } from '../../libs/query-api/encode-result.ts';
import { quoteJson } from '../../libs/query-api/json-bytes.ts';
import { invalidParameter } from '../../libs/query-api/query-parameters.ts';
import { encodePart } from '../../libs/wire/peer/part-message.ts';
import { executeFederate } from './execute-federate.ts';
import { executeRead } from './execute-read.ts';
import type { ExpressionRequest } from './query-request.ts';
import { selectorsOf } from './selector-syntax.ts';
import { warmUp } from './warm-up.ts';
import type { JobContext } from './worker-loop.ts';
import { runWorker } from './worker-loop.ts';
import type { JobStats } from './worker-protocol.ts';

/** What every worker of a querier is started with. */
export interface QueryWorkerOptions {
  readonly syntax: ParseOptions;
  readonly engine: EngineOptions;
  readonly limits: QueryLimits;
  /** Whether `stats=all` says what each step took. */
  readonly statsByStep: boolean;
}

runWorker((given) => {
  const options = given as QueryWorkerOptions;
  const engine = createEngine(options.engine);
  return { execute: (context) => execute(context, engine, options), warmUp: warmUp(engine) };
});

/** Writes the answer; returns what it cost. */
function execute(context: JobContext, engine: Engine, options: QueryWorkerOptions): JobStats {
  const { syntax, limits, statsByStep } = options;
  const { request, output, reader, checkStopped } = context;
  if (request.kind === 'read') return { samples: executeRead({ ...request, reader, output, limits, checkStopped }) };
  if (request.kind === 'selectors') {
    const { texts, ofExpression, minT, maxT } = request;
    const selectors = ofExpression
      ? texts.flatMap((text) => selectorsOf(text, syntax))
      : texts.map((text) => parseMetricSelector(text));
    const resolved = selectors.map((matchers) => reader.resolve({ matchers, minT, maxT }));
    output.rawText(JSON.stringify(resolved));
    return { samples: 0 };
  }
  if (request.kind === 'federate') return { samples: executeFederate({ ...request, reader, output, checkStopped }) };
  const begin = performance.now();
  const expr = parseQuery(request, syntax);
  if (request.kind === 'syntax') {
    const data = request.wanted === 'tree' ? jsonOf(exprToJson(expr)) : quoteJson(prettyExpr(expr));
    output.rawText(`{"status":"success","data":${data}}`);
    return { samples: 0 };
  }
  const { query: text, startMs, endMs, stepMs, lookbackMs, limit, stats, whole } = request;
  const parsed = performance.now();
  const lookback = lookbackMs > 0 ? { lookbackMs } : {};
  const wantsSteps = statsByStep && stats === 'all';
  const asked = {
    expr,
    text,
    startMs,
    endMs,
    stepMs,
    ...lookback,
    ...(whole === undefined ? {} : { whole }),
    limits,
    reader,
    statsByStep: wantsSteps,
    checkCancelled: checkStopped,
  };
  const result = asQueryFailure(() => engine.query(asked));
  if (whole !== undefined) {
    output.block(encodePart(result, { startMs, endMs, stepMs }));
    return { samples: result.stats.samplesRead };
  }
  const times = {
    queued: context.queuedSeconds,
    prepared: (parsed - begin) / 1000,
    evaluated: (performance.now() - parsed) / 1000,
  };
  writeResult(output, result, { limit, stats, startMs, stepMs }, { ...times, reads: reader.costs() }, checkStopped);
  return { samples: result.stats.samplesRead };
}

function parseQuery({ query }: ExpressionRequest, syntax: ParseOptions): Expr {
  return asQueryFailure(() => parseExpr(query, syntax));
}

/** What is wrong with the expression is wrong with the parameter. */
function asQueryFailure<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof Failure && error.kind === 'bad_data' ? invalidParameter('query', error.message) : error;
  }
}

/** JSON.stringify with Go's escapes in texts. */
function jsonOf(value: Json): string {
  if (typeof value === 'string') return quoteJson(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(',')}]`;
  return `{${Object.entries(value)
    .map(([key, inner]) => `${quoteJson(key)}:${jsonOf(inner as Json)}`)
    .join(',')}}`;
}
