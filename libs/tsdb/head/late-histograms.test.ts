import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Histogram, ResetHint } from '../../model/histogram.ts';
import { ChunkBatchBuilder } from './chunk-batch-builder.ts';
import { HeadRange } from './head-range.ts';
import { LateHistograms } from './late-histograms.ts';

const histogram: Histogram = {
  integer: true,
  stale: false,
  resetHint: ResetHint.unknown,
  schema: 3,
  zeroThreshold: 0,
  zeroCount: 0,
  count: 3,
  sum: 5,
  positiveSpans: Int32Array.of(0, 1),
  negativeSpans: new Int32Array(0),
  positiveBuckets: Float64Array.of(3),
  negativeBuckets: new Float64Array(0),
  customValues: new Float64Array(0),
};

it('late histograms of many series do not all stay objects, and all are answered', (test) => {
  const seriesCount = 9_000;
  const range = new HeadRange(0);
  let held = 0;
  let most = 0;
  const { insert, clear } = LateHistograms.prototype;
  test.mock.method(
    LateHistograms.prototype,
    'insert',
    function (this: LateHistograms, ...args: Parameters<typeof insert>) {
      most = Math.max(most, ++held);
      return insert.apply(this, args);
    },
  );
  test.mock.method(LateHistograms.prototype, 'clear', function (this: LateHistograms, slot: number) {
    held -= this.count(slot);
    clear.call(this, slot);
  });
  for (let id = 1; id <= seriesCount; id++) range.appendHistogram(id, 60_000, 0, histogram);
  for (let t = 1; t <= 3; t++) {
    for (let id = 1; id <= seriesCount; id++) range.appendHistogram(id, t * 1000, 0, histogram);
  }
  assert.ok(most > 4_000 && most <= 8_200, `${most} were objects at once`);
  const out = new ChunkBatchBuilder();
  for (let id = 1; id <= seriesCount; id++) {
    range.copyChunks(id, 0, 50_000, out);
    out.endSeries();
  }
  const { minT, maxT, chunkBegin } = out.build(0);
  for (let i = 0; i < seriesCount; i++) {
    const times = new Set<number>();
    for (let chunk = chunkBegin[i] as number; chunk < (chunkBegin[i + 1] as number); chunk++) {
      times.add(minT[chunk] as number).add(maxT[chunk] as number);
    }
    assert.ok(times.has(1000) && times.has(3000), `series ${i + 1}`);
  }
});
