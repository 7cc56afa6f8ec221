/**
 * The module that runs in a query worker: from a request to the bytes of its answer.
 * Owns the order of parse, evaluate, encode. The language is libs/promql, the bytes are encode-result.ts, the thread's life is
 * worker-loop.ts.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import type { Json } from '../../libs/promql/syntax/ast-json.ts';
import { exprToJson } from '../../libs/promql/syntax/ast-json.ts';
import type { ParseOptions } from '../../libs/promql/syntax/parser.ts';
import { parseExpr } from '../../libs/promql/syntax/parser.ts';
import { prettyExpr } from '../../libs/promql/syntax/prettier.ts';
import { quoteJson } from './json-bytes.ts';
import { invalidParameter } from './query-parameters.ts';
import type { QueryRequest } from './query-request.ts';
import type { JobContext } from './worker-loop.ts';
import { runWorker } from './worker-loop.ts';
import type { JobStats } from './worker-protocol.ts';

/** What every worker of a querier is started with. */
export interface QueryWorkerOptions {
  readonly syntax: ParseOptions;
}

runWorker((given) => {
  const options = given as QueryWorkerOptions;
  return (context) => {
    const begin = performance.now();
    const samples = execute(context, options);
    return { samples, evaluationSeconds: (performance.now() - begin) / 1000 } satisfies JobStats;
  };
});

/** Writes the answer; returns how many samples were read for it. */
function execute({ request, output }: JobContext, { syntax }: QueryWorkerOptions): number {
  const expr = parseQuery(request, syntax);
  switch (request.kind) {
    case 'parse':
      output.rawText(`{"status":"success","data":${jsonOf(exprToJson(expr))}}`);
      return 0;
    case 'format':
      output.rawText(`{"status":"success","data":${quoteJson(prettyExpr(expr))}}`);
      return 0;
    default:
      throw new Failure('unavailable', 'no engine yet');
  }
}

function parseQuery({ query }: QueryRequest, syntax: ParseOptions): Expr {
  try {
    return parseExpr(query, syntax);
  } catch (error) {
    throw error instanceof Failure ? invalidParameter('query', error.message) : error;
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
