import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { unescapeLabelName } from './unescape-label-name.ts';

describe('an escaped label name', () => {
  for (const [text, name] of [
    ['job', 'job'],
    ['U__a_2e_b', 'a.b'],
    ['U__a_2E_b', 'a.b'],
    ['U__a__b', 'a_b'],
    ['U____', '_'],
    ['U__', ''],
    ['U___1f30a_', '🌊'],
    ['U___2e__3a_', '.:'],
    // Not well formed: taken as it is.
    ['U__a_', 'U__a_'],
    ['U__a_zz_', 'U__a_zz_'],
    ['U__a_2e', 'U__a_2e'],
    ['U__a_d800_', 'U__a_d800_'],
    ['U__a_10ffff_', 'U__a_10ffff_'],
    ['a_2e_b', 'a_2e_b'],
  ] as const) {
    it(`${text} is ${name}`, () => assert.equal(unescapeLabelName(text), name));
  }
});
