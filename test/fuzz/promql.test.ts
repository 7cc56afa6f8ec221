/** A few rounds of the differential fuzzer. Long runs are for developers: promql.fuzz.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { skipWithout } from '../support/find-server.ts';
import { fuzzPromql } from './fuzz-promql.ts';
import { fuzzSyntax } from './fuzz-syntax.ts';

describe('random expressions over random data', { skip: skipWithout('prometheus'), timeout: 300_000 }, () => {
  it('have the same answers from Prometheus 3.15 and from Maru', async (t) => {
    // Always the same questions, so that what fails was broken by a change; other seeds are for long runs.
    const seed = Number(process.env.MARU_TEST_SEED ?? 1);
    const report = await fuzzPromql({
      seed,
      rounds: 3,
      questionsPerRound: 120,
      shrink: false,
      findingsMax: 3,
      tell: (line) => t.diagnostic(line),
    });
    assert.deepEqual(report.findings, [], `node test/fuzz/promql.fuzz.ts --seed=${seed} --rounds=3 --questions=120`);
    assert.ok(report.withData > report.asked / 4, 'the questions have answers');
  });

  it('are refused in the same words, and parsed and formatted alike', async (t) => {
    const seed = Number(process.env.MARU_TEST_SEED ?? 1);
    const { asked, refused, findings } = await fuzzSyntax(seed, 150, 3, (line) => t.diagnostic(line));
    t.diagnostic(`${asked} texts, ${refused} refusals`);
    assert.deepEqual(findings, [], `node test/fuzz/promql.fuzz.ts --syntax --seed=${seed} --questions=150`);
  });
});
