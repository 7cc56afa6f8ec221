import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nextTurn, runInSlices, type Steps } from './steps.ts';

const never = new AbortController().signal;

it('many works take no longer of a turn of the event loop than one does', async (test) => {
  let now = 0;
  test.mock.method(performance, 'now', () => now);
  let done = 0;
  const work = function* (): Steps<number> {
    for (let i = 0; i < 40; i++) {
      now += 0.1;
      done++;
      yield;
    }
    return now;
  };
  for (const works of [1, 20]) {
    const running = Promise.all(Array.from({ length: works }, () => runInSlices(work(), never)));
    let most = 0;
    let isOver = false;
    void running.then(() => {
      isOver = true;
    });
    while (!isOver) {
      done = 0;
      await nextTurn();
      most = Math.max(most, done);
    }
    assert.ok(most >= 20 && most <= 2 * 21, `${works} works did ${most} steps of a tenth of a millisecond in a turn`);
  }
});
