import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compareUtf8 } from '../model/labels.ts';
import { truncated } from './listed.ts';
import { mergeListed } from './merge-sorted.ts';

const signal = new AbortController().signal;

describe('sorted lists', () => {
  it('are one sorted list, everything once', async () => {
    const lists = fc.array(fc.uniqueArray(fc.string({ maxLength: 2 })).map((list) => list.sort(compareUtf8)));
    await fc.assert(
      fc.asyncProperty(lists, async (some) => {
        const expected = [...new Set(some.flat())].sort(compareUtf8);
        const listed = some.map((values, i) => ({ values, warnings: [`w${i % 2}`] }));
        const warnings = ['w0', 'w1'].slice(0, some.length);
        assert.deepEqual(await mergeListed(listed, compareUtf8, 0, signal), { values: expected, warnings });
        const cut = {
          values: expected.slice(0, 2),
          warnings: [...warnings, ...(expected.length > 2 ? [truncated] : [])],
        };
        assert.deepEqual(await mergeListed(listed, compareUtf8, 2, signal), cut);
      }),
    );
  });

  it('are merged in turns, and not to the end where nobody wants it any more', async () => {
    const lists = Array.from({ length: 8 }, (_list, i) =>
      Array.from({ length: 100_000 }, (_text, j) => `value-${String(j * 8 + i).padStart(9, '0')}`),
    );
    const stop = new AbortController();
    setImmediate(() => stop.abort(new Error('left')));
    const listed = lists.map((values) => ({ values, warnings: [] }));
    await assert.rejects(mergeListed(listed, compareUtf8, 0, stop.signal), /left/);
  });

  it('are merged in turns also where one has a single text more', async () => {
    const same = Array.from({ length: 2_000 }, (_text, i) => `value-${String(i).padStart(9, '0')}`);
    const stop = new AbortController();
    setImmediate(() => stop.abort(new Error('left')));
    const listed = [['a', ...same], same].map((values) => ({ values, warnings: [] }));
    const slowly = (a: string, b: string): number => {
      for (const endMs = performance.now() + 0.01; performance.now() < endMs; );
      return compareUtf8(a, b);
    };
    await assert.rejects(mergeListed(listed, slowly, 0, stop.signal), /left/);
  });
});
