import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { featureNames, readFeatures } from './features.ts';

describe('readFeatures', () => {
  it('switches on what means something here, without a word', () => {
    const { enabled, warnings } = readFeatures(featureNames);
    assert.deepEqual([...enabled].sort(), featureNames);
    assert.deepEqual(warnings, []);
  });

  for (const { name, warning } of [
    { name: 'exemplar-storage', warning: /always on/ },
    { name: 'use-uncached-io', warning: /ignored/ },
    { name: 'old-ui', warning: /ignored/ },
  ]) {
    it(`warns of ${name} and goes on`, () => {
      const { enabled, warnings } = readFeatures([name, 'st-storage']);
      assert.deepEqual([...enabled], ['st-storage']);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0], warning);
      assert.ok(warnings[0].includes(name));
    });
  }

  for (const [name, nearest] of [
    ['promql-experimental-function', 'promql-experimental-functions'],
    ['use-cached-io', 'use-uncached-io'],
    ['__proto__', ''],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(() => readFeatures(['st-storage', name]), {
        name: 'ConfigError',
        message: new RegExp(`no feature ${name}; the nearest known one is ${nearest}`),
      });
    });
  }

  it("knows every name of Prometheus 3.15's own reference", () => {
    // `--enable-feature` in `prometheus --help`, 3.15.0.
    const names =
      'concurrent-rule-eval, created-timestamp-zero-ingestion, delayed-compaction, exemplar-storage, extra-scrape-metrics, ' +
      'histograms-st-encoding, memory-snapshot-on-shutdown, metadata-wal-records, old-ui, openmetrics2, otlp-deltatocumulative, ' +
      'otlp-native-delta-ingestion, promql-binop-fill-modifiers, promql-delayed-name-removal, promql-experimental-functions, ' +
      'promql-extended-range-selectors, promql-per-step-stats, search-api, st-storage, st-synthesis, type-and-unit-labels, ' +
      'use-start-timestamps, use-uncached-io, xor2-encoding, zstd-scrape';
    assert.doesNotThrow(() => readFeatures(names.split(', ')));
  });
});
