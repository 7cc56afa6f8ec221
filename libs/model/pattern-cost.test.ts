import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkPatternCost, patternCost } from './pattern-cost.ts';

describe('the cost of a pattern', () => {
  for (const [pattern, least, most] of [
    ['', 0, 0],
    ['abc', 3, 3],
    ['a|b', 3, 3],
    ['[a-z]+', 4, 5],
    ['(ab){10}', 20, 60],
    ['((a{10}){10}){10}', 1000, 5000],
    ['(a?){1000}a{1000}', 3000, 6000],
    ['(\\pL\\pN){200}', 20_000, 30_000],
    ['a{5,}', 6, 6],
    ['a{,5}', 5, 5],
    ['a{x}', 4, 4],
    ['[]a]b', 3, 5],
    ['[^]\\]]b', 3, 6],
    ['\\{5}', 3, 3],
    ['(?i)abc', 6, 14],
    ['[B-\u{1e942}]', 3, 5],
    ['(?i)[B-\u{1e942}]', 600, 1000],
    ['(?i)[\\x{42}-\\x{1e942}]', 600, 1000],
    ['(?is:[^B-\u{1e942}]{9})', 600, 1100],
    ['(?i)[a-z0-9]', 8, 20],
  ] as const) {
    it(`${pattern}: ${least} to ${most}`, () => {
      const cost = patternCost(pattern);
      assert.ok(cost >= least && cost <= most, String(cost));
    });
  }

  it('is a number for any text, and not less for a longer one', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab(|)[]{}\\1,0*+?.^pd') }), (pattern) => {
        assert.ok(patternCost(pattern) >= 0);
      }),
    );
    assert.ok(patternCost('x'.repeat(100_000)) === 100_000);
  });

  it('has a maximum', () => {
    checkPatternCost('(a|b)*'.repeat(20_000));
    assert.throws(() => checkPatternCost('(a|b)*'.repeat(100_000)), /too large/);
  });
});
