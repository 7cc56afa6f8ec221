/** The scripts that Prometheus 3.15 tests its own engine with, against ours. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { knownFailures } from './known-failures.ts';
import { corpusEvalCount, corpusPath, evalName, listCorpus, runCorpusScript } from './run-corpus.ts';

const scripts = listCorpus();
const skip = scripts === undefined ? `the corpus is not on this machine: ${corpusPath}` : false;

describe('promqltest', { skip }, () => {
  let evalsRun = 0;
  const knownSeen = new Set<string>();

  for (const script of scripts ?? []) {
    it(script, (t) => {
      const { total, failures } = runCorpusScript(script);
      evalsRun += total;
      t.diagnostic(`${script}: ${total - failures.length} of ${total} pass`);
      const unknown: string[] = [];
      for (const { line, report } of failures) {
        const name = evalName(script, line);
        if (knownFailures.has(name)) knownSeen.add(name);
        else unknown.push(`${name} ${report}`);
      }
      assert.equal(unknown.length, 0, `${unknown.length} evals fail:\n${unknown.join('\n')}`);
    });
  }

  it('ran whole, and what is known to fail does fail', (t) => {
    t.diagnostic(`${evalsRun - knownSeen.size} of ${evalsRun} evals pass`);
    assert.equal(evalsRun, corpusEvalCount);
    assert.deepEqual(
      [...knownFailures.keys()].filter((name) => !knownSeen.has(name)),
      [],
    );
  });
});
