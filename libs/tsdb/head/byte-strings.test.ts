/** Strings of an enemy: all of one hash. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { hashBytes, viewOf } from '../../model/encoding/bytes.ts';
import { CountingView, sameHash } from '../../model/encoding/same-hash.testing.ts';
import { ByteStrings } from './byte-strings.ts';

it('strings of one hash are told apart, each with few looks at others', () => {
  const strings = new ByteStrings();
  const all = sameHash(new Uint8Array(8), 3_000);
  const [some = new Uint8Array(0)] = all;
  assert.equal(new Set(all.map((bytes) => hashBytes(viewOf(bytes), 0, bytes.length))).size, 1);
  for (const [i, bytes] of all.entries()) {
    const view = new CountingView(bytes.buffer as ArrayBuffer);
    assert.equal(strings.find(view, 0, bytes.length), 0);
    assert.equal(strings.intern(view, bytes, 0, bytes.length), i + 1);
    assert.equal(strings.intern(view, bytes, 0, bytes.length), i + 1);
    assert.equal(strings.find(view, 0, bytes.length), i + 1);
    assert.ok(view.looks < 4_000, `${view.looks} looks at the ${i}th`);
  }
  assert.equal(strings.count, all.length);
  assert.equal(strings.find(viewOf(some), 0, some.length), 1);
});

it('long strings of one hash that begin alike are compared with few others', () => {
  const strings = new ByteStrings();
  const all = sameHash(new Uint8Array(2_000).fill(0x61), 100);
  for (const [i, bytes] of all.entries()) {
    const view = new CountingView(bytes.buffer as ArrayBuffer);
    assert.equal(strings.intern(view, bytes, 0, bytes.length), i + 1);
    assert.equal(strings.find(view, 0, bytes.length), i + 1);
    assert.ok(view.looks < 4_000, `${view.looks} looks at the ${i}th`);
  }
});
