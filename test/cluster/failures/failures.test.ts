/**
 * A case of failure for each row of the table of what a lost part may cost, in both modes, while known series are written and asked for all
 * the time. All cases: `node_modules/.bin/node test/cluster/failures/run-matrix.ts --results=<file>`.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { skipWithout } from '../../support/find-server.ts';
import { failureCases } from './failure-cases.ts';
import { type CaseResult, runCases } from './run-cases.ts';

const holdMs = 1_500;

for (const mode of ['replicas', 'kafka'] as const) {
  const skip = skipWithout('versitygw', 'redis', ...(mode === 'kafka' ? (['kafka'] as const) : []));
  describe(`failures, writes through ${mode}`, { skip, timeout: 480_000 }, () => {
    for (const shape of ['three zones', 'two zones', 'one zone'] as const) {
      it(shape, async (t) => {
        const cases = failureCases.filter((one) => one.shape === shape && one.isShort === true);
        const results: CaseResult[] = [];
        const onResult = (result: CaseResult): void => {
          results.push(result);
          t.diagnostic(JSON.stringify(result));
        };
        await runCases({ mode, shape, cases, holdMs, onResult });
        assert.deepEqual(
          results.flatMap(({ name, faults }) => faults.map((fault) => `${name}: ${fault}`)),
          [],
        );
      });
    }
  });
}
