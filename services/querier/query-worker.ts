/**
 * The module that runs in a query worker: from a request to the bytes of its answer.
 * Owns which request is worked off by what. Evaluation is evaluate-query.ts, the thread's life is worker-loop.ts.
 */
import type { Engine } from '../../libs/promql/engine.ts';
import { createEngine } from '../../libs/promql/engine.ts';
import { exprToJson } from '../../libs/promql/syntax/ast-json.ts';
import { parseMetricSelector } from '../../libs/promql/syntax/parser.ts';
import { prettyExpr } from '../../libs/promql/syntax/prettier.ts';
import { lookingEvery } from '../../libs/promql/worked.ts';
import { type EvaluationOptions, evaluateQuery, parseQuery } from './evaluate-query.ts';
import { executeFederate } from './execute-federate.ts';
import { executeRead } from './execute-read.ts';
import { selectorsOf } from './selector-syntax.ts';
import { warmUp } from './warm-up.ts';
import type { JobContext } from './worker-loop.ts';
import { runWorker } from './worker-loop.ts';
import type { JobStats } from './worker-protocol.ts';
import { writeJson } from './write-json.ts';

runWorker((given) => {
  const options = given as EvaluationOptions;
  const engine = createEngine(options.engine);
  return { execute: (context) => execute(context, engine, options), warmUp: warmUp(engine) };
});

/** Writes the answer; returns what it cost. */
function execute(context: JobContext, engine: Engine, options: EvaluationOptions): JobStats {
  const { syntax, limits } = options;
  const { request, output, reader, checkStopped } = context;
  if (request.kind === 'evaluate') return evaluateQuery(request, { ...context, engine, options });
  if (request.kind === 'read') return { samples: executeRead({ ...request, reader, output, limits, checkStopped }) };
  if (request.kind === 'selectors') {
    const { texts, ofExpression, minT, maxT } = request;
    const selectors = ofExpression
      ? texts.flatMap((text) => selectorsOf(text, syntax, checkStopped))
      : texts.map((text) => parseMetricSelector(text, lookingEvery(checkStopped)));
    const resolved = selectors.map((matchers) => reader.resolve({ matchers, minT, maxT }));
    output.rawText(JSON.stringify(resolved));
    return { samples: 0 };
  }
  if (request.kind === 'federate') {
    return { samples: executeFederate({ ...request, reader, output, limits, checkStopped }) };
  }
  const expr = parseQuery(request, syntax, checkStopped);
  const worked = lookingEvery(checkStopped);
  const data = request.wanted === 'tree' ? exprToJson(expr, worked) : prettyExpr(expr, worked);
  output.raw('{"status":"success","data":');
  writeJson(output, data, worked);
  output.raw('}');
  return { samples: 0 };
}
