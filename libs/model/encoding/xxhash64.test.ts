import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { xxhash64 } from './xxhash64.ts';

describe('xxhash64', () => {
  // The first five are of github.com/cespare/xxhash's own tests.
  for (const { text, hash } of [
    { text: '', hash: 0xef46db3751d8e999n },
    { text: 'a', hash: 0xd24ec4f1a98c6e5bn },
    { text: 'as', hash: 0x1c330fb2d66be179n },
    { text: 'asd', hash: 0x631c37ce72a97393n },
    { text: 'asdf', hash: 0x415872f599cea71en },
    // Exactly 63 characters: every branch.
    { text: 'Call me Ishmael. Some years ago--never mind how long precisely-', hash: 0x02a2e85470d6fd96n },
  ]) {
    it(`of ${JSON.stringify(text)}`, () => {
      const bytes = new TextEncoder().encode(`xx${text}yy`);
      assert.equal(xxhash64(new DataView(bytes.buffer), 2, bytes.length - 2), hash);
    });
  }
});
