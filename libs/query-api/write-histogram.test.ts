import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseHistogramSamples } from '../model/encoding/histogram-samples.testing.ts';
import { arithmeticFixtures } from '../model/histogram-arithmetic.fixtures.ts';
import { JsonBytes } from './json-bytes.ts';
import { writeHistogram } from './write-histogram.ts';

describe('writeHistogram', () => {
  for (const fixture of arithmeticFixtures) {
    it(`writes what Prometheus writes: ${fixture.name}`, () => {
      const chunks: Uint8Array[] = [];
      const json = new JsonBytes((chunk) => {
        chunks.push(chunk);
      });
      const [sample] = parseHistogramSamples(fixture.a, false);
      assert.ok(sample !== undefined);
      writeHistogram(json, sample.h);
      json.finish();
      assert.equal(Buffer.concat(chunks).toString(), fixture.json);
    });
  }
});
