import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rangeMs } from '../../libs/tsdb/head/head-range.ts';
import { acceptWindow } from './accept-window.ts';

describe('the accept window', () => {
  it('has both ends from the time of receipt', () => {
    assert.deepEqual(acceptWindow(1000, 300, 20), { minT: 700, maxT: 1020 });
  });

  it('of any age is one whose ranges can be written to a block and named in a log line', () => {
    const { minT, maxT } = acceptWindow(0, 0, Number.MAX_SAFE_INTEGER);
    for (const t of [Math.floor(minT / rangeMs) * rangeMs, (Math.floor(maxT / rangeMs) + 1) * rangeMs]) {
      assert.ok(Number.isSafeInteger(t), `${t}`);
      assert.ok(!Number.isNaN(new Date(t).getTime()), `${t}`);
    }
    assert.ok(minT < Date.parse('0000-01-01T00:00:00Z'));
  });
});
