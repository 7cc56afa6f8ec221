/** What a result's bytes cost whoever waits for them to be written. The bytes themselves are compared with Prometheus' elsewhere. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseHistogramSamples } from '../model/encoding/histogram-samples.testing.ts';
import { arithmeticFixtures } from '../model/histogram-arithmetic.fixtures.ts';
import { Labels } from '../model/labels.ts';
import { noCosts } from '../series/series-source.ts';
import { writeResult } from './encode-result.ts';
import { JsonBytes } from './json-bytes.ts';

it('writing can be stopped within a series of histograms', () => {
  const [sample] = parseHistogramSamples(arithmeticFixtures[0]?.a ?? '', false);
  assert.ok(sample !== undefined);
  const count = 1_000;
  const series = {
    labels: Labels.empty,
    t: Float64Array.from({ length: count }, (_, i) => i * 1_000),
    v: new Float64Array(count),
    h: Array.from({ length: count }, () => sample.h),
  };
  let checks = 0;
  writeResult(
    new JsonBytes(() => {}),
    {
      ...{ type: 'matrix', series: [series], text: '', warnings: [], infos: [], sourceWarnings: [], annotations: [] },
      stats: {
        ...{
          samplesQueried: 0,
          samplesRead: 0,
          queriedByStep: null,
          readByStep: null,
          samplesPeak: 0,
          memoryBytesPeak: 0,
        },
      },
    },
    { limit: 0, stats: '', startMs: 0, stepMs: 1_000 },
    { queued: 0, prepared: 0, evaluated: 0, reads: noCosts },
    () => void checks++,
  );
  assert.ok(checks >= 20, `${checks} checks`);
});
