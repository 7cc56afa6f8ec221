import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextTurn, orderInSteps, runInSlices, type Steps } from './steps.ts';
import { Prng } from './testing/prng.ts';

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

describe('numbers are put in order', () => {
  /** The order, how many comparisons it took, and how many of them the longest step. */
  const ordered = (values: Float64Array): { order: Uint32Array; all: number; most: number } => {
    let compared = 0;
    let all = 0;
    let most = 0;
    const steps = orderInSteps(values.length, (a, b) => {
      compared++;
      return (values[a] as number) > (values[b] as number);
    });
    for (;;) {
      const step = steps.next();
      all += compared;
      most = Math.max(most, compared);
      compared = 0;
      if (step.done === true) return { order: step.value, all, most };
    }
  };

  it('whatever they stand for, those of the same as they came', () => {
    const prng = new Prng(2);
    for (const length of [0, 1, 2, 7, 8, 9, 16, 17, 1023, 1024, 1025, 5000]) {
      for (const kinds of [1, 10, 1e6]) {
        const values = Float64Array.from({ length }, () => prng.below(kinds));
        const expected = Array.from(values.keys()).sort((a, b) => (values[a] as number) - (values[b] as number));
        assert.deepEqual([...ordered(values).order], expected);
      }
    }
  });

  it('in steps of some thousand comparisons, and few where they come in order', () => {
    const prng = new Prng(3);
    const count = 50_000;
    const { all, most } = ordered(Float64Array.from({ length: count }, () => prng.next()));
    assert.ok(most < 10_000, `${most} comparisons in a step`);
    assert.ok(all < count * Math.log2(count), `${all} comparisons`);
    const inOrder = ordered(Float64Array.from({ length: count }, (_, i) => i));
    assert.ok(inOrder.all < count * 1.2, `${inOrder.all} comparisons of what is in order`);
  });
});
