/** A case of the language as a test: a script in the notation of promqltest that must pass against the engine. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { evaluateWithEngine } from './corpus-engine.ts';
import { runScript } from './run-script.ts';

/** Registers a test that runs every eval of the script, with its re-runs at other times and as a range. */
export function checkScript(name: string, script: string): void {
  it(name, () => {
    const { total, failures } = runScript(script, evaluateWithEngine);
    assert.ok(total > 0, 'the script evaluates something');
    assert.deepEqual(
      failures.map(({ line, report }) => `line ${line}: ${report}`),
      [],
    );
  });
}
