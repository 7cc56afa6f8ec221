/** Which calls are not rewritten, for whatever reason: a querier says what is wrong with them, if anything is. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RequestForm } from '../../libs/query-api/request-form.ts';
import { rewritableQuestion } from './rewritable.ts';

function questionOf(query: string): ReturnType<typeof rewritableQuestion> {
  const form = new RequestForm();
  form.append(new URLSearchParams({ query, start: '0', end: '3600', step: '60' }).toString());
  return rewritableQuestion(form, { syntax: {}, subqueryStepMs: 60_000, delayedNameRemoval: false });
}

it('a chain is rewritten as long as the stack is large enough for it', () => {
  // The highest first: what has run often takes less of the stack.
  for (const operators of [1_990, 1_500, 1_000]) {
    const question = questionOf(`a${'+a'.repeat(operators)}`);
    assert.ok(question === undefined || question.hasSteps, `${operators} operators`);
  }
  assert.equal(questionOf(`a${' + a'.repeat(100)}`)?.hasSteps, true);
});

it('what is no expression goes to a querier', () => assert.equal(questionOf('a +'), undefined));
