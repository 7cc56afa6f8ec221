import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecentlyUsed } from './recently-used.ts';
import { heldBytes } from './testing/held-bytes.ts';

describe('what was used last', () => {
  it('is kept as far as there is room, and goes by its use', () => {
    const kept = new RecentlyUsed<number>(1000);
    for (const [i, key] of ['a', 'b', 'c'].entries()) kept.set(key, i, 100);
    assert.equal(kept.get('a'), 0);
    kept.set('d', 3, 100);
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((key) => kept.get(key)),
      [0, undefined, 2, 3],
    );
    assert.equal(kept.bytes, 900);
    kept.set('large', 4, 1000);
    assert.equal(kept.get('large'), undefined);
  });

  it('keeps no request alive of which its key was a piece', async () => {
    const kept = new RecentlyUsed<boolean>(1 << 20);
    const before = await heldBytes();
    for (let i = 0; i < 20; i++) {
      const body = `${'x'.repeat(4 << 20)}&query=some_metric_of_a_long_name_${i}`;
      // Read as one text, as that of a request is.
      const query = Buffer.from(body)
        .toString()
        .slice(body.indexOf('&') + 1);
      kept.set(`1 ${query}`, true, query.length);
    }
    const grown = (await heldBytes()) - before;
    assert.ok(grown < 20 << 20, `${grown} bytes are held`);
    for (let i = 0; i < 20; i++) assert.equal(kept.get(`1 query=some_metric_of_a_long_name_${i}`), true);
  });
});
