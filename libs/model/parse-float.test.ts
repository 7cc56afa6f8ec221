import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseGoFloat } from './parse-float.ts';

it('a number is what Go reads as one', () => {
  for (const [text, bound] of [
    ['1', 1],
    ['1.', 1],
    ['.5e+1', 5],
    ['-0.25', -0.25],
    ['+Inf', Number.POSITIVE_INFINITY],
    ['nan', Number.NaN],
    ['0x1.8p1', 3],
    ['-0X_1_f.8P-1', -15.75],
    ['0x1', undefined],
    ['1_0', 10],
    ['1_0.0_5e1_0', 1005e8],
    ['_1', undefined],
    ['1_', undefined],
    ['1__0', undefined],
    ['1e400', undefined],
    ['.', undefined],
    ['1.2.3', undefined],
    ['', undefined],
  ] as const) {
    assert.equal(parseGoFloat(text), bound, text);
  }
});

it('a long text that is nearly a number is refused as fast as it is read', () => {
  for (const text of [`${'1'.repeat(30_000)}x`, `0x${'a'.repeat(30_000)}`]) {
    const begin = performance.now();
    assert.equal(parseGoFloat(text), undefined);
    const took = performance.now() - begin;
    assert.ok(took < 200, `${took} ms`);
  }
});
