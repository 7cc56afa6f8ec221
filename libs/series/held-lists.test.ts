import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compareUtf8 } from '../model/labels.ts';
import { heldList, mergeHeld } from './held-lists.ts';

it('lists that are merged count as the dearest of them, since its texts may be those that stay', async () => {
  let used = 0;
  const memory = {
    take: (bytes: number) => {
      used += bytes;
    },
    give: (bytes: number) => {
      used -= bytes;
    },
  };
  const values = Array.from({ length: 100 }, (_, i) => `value-${String(i).padStart(3, '0')}`);
  const lists = await Promise.all(
    [130, ...Array.from({ length: 29 }, () => 8)].map((bytesPerItem) =>
      heldList(memory, async (counted) => {
        counted?.take(bytesPerItem * values.length);
        return { values, warnings: [] };
      }),
    ),
  );
  assert.equal(used, (130 + 29 * 8) * 100);
  const { signal } = new AbortController();
  const merged = await mergeHeld(lists, compareUtf8, { limit: 0, memory }, signal);
  assert.deepEqual([merged.values.length, used], [100, 130 * 100]);
});
