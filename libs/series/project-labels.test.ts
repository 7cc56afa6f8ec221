/** What it costs to leave labels out; what is left is tested by merge-sources.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { projectLabels } from './project-labels.ts';
import type { LabelTable } from './series-source.ts';

const { signal } = new AbortController();

/** So many series `{__name__="m", i="<number>"}`. */
function tableOf(series: number): LabelTable {
  const strings = ['__name__', 'm', 'i', ...Array.from({ length: series }, (_, i) => `${i}`)];
  const begin = Uint32Array.from({ length: series + 1 }, (_, i) => 4 * i);
  const refs = Uint32Array.from({ length: 4 * series }, (_, i) => [0, 1, 2, 3 + (i >>> 2)][i & 3] as number);
  return { strings, begin, refs };
}

describe('leaving labels out', () => {
  it('looks at each string a few times, however many names are wanted', async () => {
    const table = tableOf(1_000);
    let looks = 0;
    const strings = new Proxy(table.strings, {
      get: (target, property) => {
        looks++;
        return Reflect.get(target, property) as unknown;
      },
    });
    const names = Array.from({ length: 1_000 }, (_, i) => `absent ${i}`);
    const projected = await projectLabels({ ...table, strings }, ['__name__', ...names], signal);
    assert.deepEqual(projected.strings, ['__name__', 'm']);
    assert.deepEqual(projected.setOf, new Uint32Array(1_000));
    assert.ok(looks < 20_000, `${looks} looks`);
  });

  it('gives others their turn, and ends when it is told to', async (t) => {
    let nowMs = 0;
    t.mock.method(performance, 'now', () => (nowMs += 3));
    let turns = 0;
    let ended = false;
    const goRound = (): void => {
      turns++;
      if (!ended) setImmediate(goRound);
    };
    setImmediate(goRound);
    const { setOf = [] } = await projectLabels(tableOf(5_000), ['i'], signal);
    ended = true;
    assert.equal(setOf.length, 5_000);
    assert.ok(turns >= 20, `${turns} turns`);
    await assert.rejects(projectLabels(tableOf(5_000), ['i'], AbortSignal.abort(new Error('gone'))), /gone/);
  });
});
