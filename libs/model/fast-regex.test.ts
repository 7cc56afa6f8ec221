import assert from 'node:assert/strict';
import { it } from 'node:test';
import { heldBytes } from '../std/testing/held-bytes.ts';
import { compileRegex } from './fast-regex.ts';

it('a compiled pattern keeps no request alive of which it was a piece', async () => {
  const before = await heldBytes();
  for (let i = 0; i < 20; i++) {
    for (const pattern of [`some-value-of-a-label-${i}.*`, `(some|other)[0-9]+value-${i}`]) {
      const body = Buffer.from(`${'x'.repeat(2 << 20)}${pattern}`).toString();
      assert.ok(!compileRegex(body.slice(2 << 20)).test('none'));
    }
  }
  const grown = (await heldBytes()) - before;
  assert.ok(grown < 20 << 20, `${grown} bytes are held`);
});

it('short patterns that stand for thousands of texts are kept as what they take', async () => {
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'].join('|');
  const before = await heldBytes();
  for (let i = 0; i < 60; i++) assert.ok(compileRegex(`value-${i}-(${letters})(${letters})`).test(`value-${i}-aZ`));
  const grown = (await heldBytes()) - before;
  assert.ok(grown < 12 << 20, `${grown} bytes are held`);
});

it('many alternatives with gaps are slow', () => {
  const branches = Array.from({ length: 1_000 }, (_, i) => `.*${i}.*`);
  assert.equal(compileRegex(branches.slice(0, 10).join('|')).isSlow, false);
  assert.equal(compileRegex(branches.join('|')).isSlow, true);
});

for (const pattern of ['a', '', '|', 'a|b', 'a||b', 'b|a|b', '|a', 'é|b c|x-1/y:2,@~=', 'a{|b', 'a\\.b|c']) {
  it(`words and bars are the list that they are in a group: ${pattern}`, () => {
    const list = compileRegexOrNot(pattern);
    const grouped = compileRegexOrNot(`(?:${pattern})`);
    assert.deepEqual(list?.literals, grouped?.literals);
    for (const text of ['', 'a', 'b', 'a|b', 'é', 'a.b', 'x'])
      assert.equal(list?.test(text), grouped?.test(text), text);
  });
}

function compileRegexOrNot(pattern: string): ReturnType<typeof compileRegex> | undefined {
  try {
    return compileRegex(pattern);
  } catch {
    return undefined;
  }
}
