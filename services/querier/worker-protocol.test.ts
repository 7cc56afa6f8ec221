import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { failureMessage } from './worker-protocol.ts';

it('a failure crosses with so much of its text', () => {
  assert.deepEqual(failureMessage(new Failure('execution', 'no')), { kind: 'execution', message: 'no' });
  const { message } = failureMessage(new Failure('execution', `invalid label name ${'x'.repeat(4 << 20)}`));
  assert.ok(message.startsWith('invalid label name xxx') && message.length < 20_000);
});
