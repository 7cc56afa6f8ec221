import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { MemoryCache } from '../../libs/kv/byte-cache.ts';
import { Labels } from '../../libs/model/labels.ts';
import { atOnce } from '../../libs/std/testing/at-once.ts';
import type { PartAnswer } from '../../libs/wire/peer/part-message.ts';
import { ResultsCache, sliceAnswer } from './results-cache.ts';

const steps = { startMs: 0, endMs: 50_000, stepMs: 10_000 };

function answerOf(witness: string, times: readonly number[]): PartAnswer {
  const t = Float64Array.from(times);
  const series = [{ labels: new Labels(['i', '1']), t, v: t.map((time) => time / 1000), h: null }];
  return { series, annotations: [], sourceWarnings: [], witness };
}

const pointsOf = ({ series }: PartAnswer): (readonly [number, number])[][] =>
  series.map(({ t, v }) => Array.from(t, (time, row) => [time, v[row] as number] as const));

describe('answers that are kept', () => {
  const problems: unknown[] = [];
  const store = new MemoryCache(1 << 20);
  const cache = new ResultsCache(store, (error) => problems.push(error));

  it('come back as they were, with what they rest on', async () => {
    const answer = answerOf('w', [0, 20_000, 50_000]);
    await cache.put('a', answer, steps);
    const [kept, none] = await cache.get(['a', 'b']);
    assert.deepEqual(kept, answer);
    assert.equal(none, undefined);
  });

  it('of many series are written, read and cut in steps', async (test) => {
    const t = Float64Array.of(0, 10_000);
    const series = Array.from({ length: 1_000 }, (_, i) => ({ labels: new Labels(['i', `${i}`]), t, v: t, h: null }));
    const answer = { ...answerOf('w', []), series };
    let now = 0;
    // Time stands still but where it is asked: each step ends its turn.
    test.mock.method(performance, 'now', () => (now += 10));
    let turns = 0;
    const count = (): void => {
      turns++;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    await cache.put('many', answer, steps);
    const whileWritten = turns;
    const [kept] = await cache.get(['many']);
    clearImmediate(counting);
    assert.deepEqual(kept, answer);
    assert.ok(whileWritten > 10 && turns - whileWritten > 10, `${whileWritten} and then ${turns} turns`);
    assert.ok(atOnce(sliceAnswer(answer, { startMs: 0, endMs: 5_000, stepMs: 10_000 }))[1] > 1);
  });

  it('that are too large are not written to their end', async () => {
    const labels = new Labels(['i', '1']);
    const t = Float64Array.from({ length: 1_000 }, (_, i) => i * 10_000);
    let read = 0;
    const series = Array.from({ length: 5_000 }, () => ({
      ...{ labels, v: t, h: null },
      get t() {
        read++;
        return t;
      },
    }));
    await cache.put('large', { ...answerOf('w', []), series }, { ...steps, endMs: 10_000 * 999 });
    assert.deepEqual(await cache.get(['large']), [undefined]);
    assert.ok(read < 5_000, `${read} looks at series`);
  });

  it('are none that rest on something unknown, or that something was said of', async () => {
    await cache.put('c', answerOf('', [0]), steps);
    await cache.put('d', { ...answerOf('w', [0]), sourceWarnings: ['slow'] }, steps);
    assert.deepEqual(await cache.get(['c', 'd']), [undefined, undefined]);
  });

  it('what cannot be read is passed by, and told', async () => {
    await cache.put('e', answerOf('w', [0]), steps);
    await store.put('1:f', new Uint8Array(3));
    assert.deepEqual(await cache.get(['f']), [undefined]);
    assert.equal(problems.length, 1);
  });

  it('are not asked for of a store that has just failed', async () => {
    let nowMs = 0;
    let asked = 0;
    const fail = async (): Promise<never> => {
      asked++;
      throw new Failure('unavailable', 'frozen');
    };
    const frozen = new ResultsCache(
      { get: fail, put: fail, close: assert.fail },
      () => undefined,
      () => nowMs,
    );
    for (let i = 0; i < 3; i++) assert.deepEqual(await frozen.get(['a', 'b']), [undefined, undefined]);
    await frozen.put('a', answerOf('w', [0]), steps);
    assert.equal(asked, 1);
    nowMs = 60_000;
    await frozen.put('a', answerOf('w', [0]), steps);
    nowMs = 120_000;
    await frozen.get(['a']);
    assert.equal(asked, 3);
  });

  it('are asked for in turns, and no more than there is memory for', async () => {
    const problem = (error: unknown): never => assert.fail(String(error));
    const one = new MemoryCache(8 << 20);
    await new ResultsCache(one, problem).put('a', answerOf('w', [0]), steps);
    const [bytes] = await one.get(['1:a']);
    const large = Object.defineProperty(bytes?.slice() ?? assert.fail(), 'length', { value: 3 << 20 });
    const asked: number[] = [];
    const get = async (names: readonly string[]) => {
      asked.push(names.length);
      return names.map(() => large);
    };
    const many = Array.from({ length: 200 }, (_, i) => `${i}`);
    const store = { get, put: assert.fail, close: assert.fail };
    const found = await new ResultsCache(store, problem).get(many);
    assert.equal(found.length, 200);
    assert.deepEqual(asked, [16, 16, 16]);
    assert.equal(found.filter((answer) => answer !== undefined).length, 48);
  });

  it('are cut to the steps that are wanted', () => {
    const answer = answerOf('w', [0, 20_000, 30_000, 50_000]);
    for (const { startMs, endMs, expected } of [
      { startMs: 0, endMs: 50_000, expected: [[0, 20_000, 30_000, 50_000]] },
      { startMs: 10_000, endMs: 30_000, expected: [[20_000, 30_000]] },
      { startMs: 20_000, endMs: 20_000, expected: [[20_000]] },
      { startMs: 40_000, endMs: 40_000, expected: [] },
    ]) {
      const [cut] = atOnce(sliceAnswer(answer, { startMs, endMs, stepMs: 10_000 }));
      const points = expected.map((times) => times.map((time) => [time, time / 1000]));
      assert.deepEqual(pointsOf(cut), points);
    }
  });
});
