import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ClosedChunks } from './closed-chunks.ts';
import { HeadRange, rangeMs } from './head-range.ts';

it('a late sample costs as much where hundreds of chunks of late samples stand before it', (test) => {
  const range = new HeadRange(0);
  range.appendFloat(1, rangeMs - 1, 0, 0, 0);
  const { mock } = test.mock.method(ClosedChunks.prototype, 'previous');
  let most = 0;
  for (let t = 0; t < 32 * 600; t++) {
    range.appendFloat(1, t, 0, 0, t);
    most = Math.max(most, mock.callCount());
    mock.resetCalls();
  }
  assert.ok(most > 0 && most < 400, `${most} chunks were looked at for one sample`);
});
