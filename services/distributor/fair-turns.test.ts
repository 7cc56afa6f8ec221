import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { FairTurns } from './fair-turns.ts';

const greedy = parseTenantId('greedy');
const modest = parseTenantId('modest');

/** Works that each hold the event loop for some time of a made-up clock, and the order in which they began. */
function house() {
  let nowMs = 0;
  const began: string[] = [];
  const turns = new FairTurns(() => nowMs);
  const work = (name: string, costMs: number) => async (): Promise<string> => {
    began.push(name);
    nowMs += costMs;
    return name;
  };
  return { turns, began, work };
}

describe('fair turns', () => {
  it('one tenant with hundreds of costly writes delays another by two of them', async () => {
    const { turns, began, work } = house();
    const all = Array.from({ length: 300 }, (_, i) => turns.take(greedy, work(`greedy ${i}`, 600)));
    const own = turns.take(modest, work('modest', 1));
    assert.equal(await own, 'modest');
    assert.ok(began.indexOf('modest') <= 2, began.slice(0, 5).join(', '));
    await new Promise(setImmediate);
    const later = turns.take(modest, work('modest again', 1));
    const before = began.length;
    await later;
    assert.ok(began.indexOf('modest again') - before <= 2);
    assert.deepEqual(
      await Promise.all(all),
      Array.from({ length: 300 }, (_, i) => `greedy ${i}`),
    );
  });

  it('work begins at once while nothing waits, and in order of a tenant', async () => {
    const { turns, began, work } = house();
    void turns.take(greedy, work('a', 1));
    void turns.take(greedy, work('b', 1));
    assert.deepEqual(began, ['a', 'b']);
    const all = Array.from({ length: 20 }, (_, i) => turns.take(greedy, work(String(i), 3)));
    await Promise.all(all);
    assert.deepEqual(began.slice(2), [...Array(20).keys()].map(String));
  });

  it('gives the event loop away between costly works', async () => {
    const { turns, work } = house();
    let done = 0;
    const all = Array.from({ length: 10 }, () => turns.take(greedy, work('x', 10)).then(() => done++));
    let least = 10;
    for (let i = 0; i < 4; i++) {
      await new Promise(setImmediate);
      least = Math.min(least, done);
    }
    assert.ok(least < 5 && done < 10, `${done} done after four turns`);
    await Promise.all(all);
  });

  it('what throws or fails, fails alone', async () => {
    const { turns, work } = house();
    const first = turns.take(greedy, work('first', 100));
    const bad = turns.take(greedy, () => Promise.reject(new Error('bad')));
    const last = turns.take(greedy, work('last', 1));
    await assert.rejects(bad, /bad/);
    assert.deepEqual([await first, await last], ['first', 'last']);
  });
});
