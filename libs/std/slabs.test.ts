import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Slabs } from './slabs.ts';

describe('columns of slabs', () => {
  it('are zeros of their length, and no two share anything', () => {
    const slabs = new Slabs();
    const columns = Array.from({ length: 2_000 }, (_, i) => {
      return i % 3 === 0 ? slabs.bytes(i) : i % 3 === 1 ? slabs.words(i) : slabs.floats(i);
    });
    for (const [i, column] of columns.entries()) {
      assert.equal(column.length, i);
      assert.ok(column.every((value) => value === 0));
      column.fill((i % 250) + 1);
    }
    for (const [i, column] of columns.entries()) assert.ok(column.every((value) => value === (i % 250) + 1));
  });

  it('lie in few pieces, none of which is large where little is wanted', () => {
    const slabs = new Slabs();
    assert.ok(slabs.floats(100).buffer.byteLength < 4096);
    const pieces = new Set(Array.from({ length: 10_000 }, () => slabs.floats(100).buffer));
    assert.ok(pieces.size < 100, `${pieces.size} pieces`);
  });

  it('have memory of their own where they are large', () => {
    const slabs = new Slabs();
    const [a, b] = [slabs.floats(20_000), slabs.bytes(200_000)];
    assert.equal(a.buffer.byteLength, a.byteLength);
    assert.equal(b.buffer.byteLength, b.byteLength);
  });
});
