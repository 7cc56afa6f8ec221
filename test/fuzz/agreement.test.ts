import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { agreementOf } from './agreement.ts';
import { treeOf } from './two-servers.ts';

describe('agreementOf', () => {
  for (const [expr, agreement] of [
    ['a', 'bits'],
    ['rate(a[5m]) > 2 * b', 'bits'],
    ['sum by (job) (a) % 3', 'bits'],
    ['exp(a)', 'close'],
    ['max(exp(a) * 2)', 'close'],
    ['count(exp(a))', 'bits'],
    ['a and exp(b)', 'bits'],
    ['topk(1, a ^ 2)', undefined],
    ['exp(a) > 1', undefined],
    ['count(exp(a) > 1)', undefined],
    ['a - exp(b)', undefined],
    ['sin(cos(a))', undefined],
    ['floor(ln(a))', undefined],
    ['max_over_time(histogram_quantile(0.9, a)[5m:1m])', 'close'],
  ] as const) {
    it(`${expr}: ${agreement ?? 'nothing'}`, () => {
      const tree = treeOf(expr);
      assert.ok(tree !== undefined);
      assert.equal(agreementOf(tree), agreement);
    });
  }
});
