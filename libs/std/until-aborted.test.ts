import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { untilAborted } from './until-aborted.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('work that several wait for', () => {
  it('comes to what it comes to', async () => {
    const { signal } = new AbortController();
    assert.equal(await untilAborted(Promise.resolve(7), signal), 7);
    await assert.rejects(untilAborted(Promise.reject(new Error('failed')), signal), /failed/);
  });

  it('may fail when all have left, before or meanwhile: that is no rejection which nobody handles', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    const leaving = new AbortController();
    const left = untilAborted(promise, leaving.signal);
    leaving.abort(new Error('left'));
    await assert.rejects(left, /left/);
    await assert.rejects(untilAborted(promise, leaving.signal), /left/);
    reject(new Error('failed'));
    const { promise: other, reject: rejectOther } = Promise.withResolvers<void>();
    await assert.rejects(untilAborted(other, leaving.signal), /left/);
    rejectOther(new Error('failed'));
    // The test fails with one.
    await nextTurn();
  });
});
