import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ByteArena } from './byte-arena.ts';

it('an arena says that it is full while there is room for the labels of a series yet', () => {
  const arena = new ByteArena();
  // Nobody touches these pages, so they take no memory.
  while (arena.hasRoom) arena.allocate(1 << 18);
  assert.ok(arena.bytes > 3 * 2 ** 30);
  for (let i = 0; i < 1_000; i++) arena.allocate(1 << 18);
});
