/**
 * A query worker whose jobs are eval commands of a test script instead of queries: it asks everything that they ask of the engine,
 * over the bridge that all query workers read through. The job's query names a script and where in it the commands stand.
 */
import { readFileSync } from 'node:fs';
import { evaluateWithEngine } from '../../libs/promql/testing/corpus-engine.ts';
import { parseScript, type ScriptCommand } from '../../libs/promql/testing/parse-script.ts';
import { type EvalFailure, runEval } from '../../libs/promql/testing/run-script.ts';
import { type JobContext, runWorker } from '../../services/querier/worker-loop.ts';
import type { JobStats } from '../../services/querier/worker-protocol.ts';

/** The commands at `begin` up to before `end` of a script; all are evals. */
export interface EvalJob {
  readonly path: string;
  readonly begin: number;
  readonly end: number;
}

runWorker(() => {
  let current: { path: string; commands: readonly ScriptCommand[] } | undefined;
  const execute = ({ request, reader, output }: JobContext): JobStats => {
    if (!('query' in request)) throw new Error('a job is a query');
    const { path, begin, end } = JSON.parse(request.query) as EvalJob;
    if (current?.path !== path) current = { path, commands: parseScript(readFileSync(path, 'utf8')) };
    const failures: EvalFailure[] = [];
    for (const command of current.commands.slice(begin, end)) {
      if (command.kind !== 'eval') throw new Error(`${path}:${command.line} is no eval`);
      const report = runEval(command, (question) => evaluateWithEngine(question, reader));
      if (report !== undefined) failures.push({ line: command.line, expr: command.expr, report });
    }
    output.rawText(JSON.stringify(failures));
    return { samples: 0 };
  };
  return { execute };
});
