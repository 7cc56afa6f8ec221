import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { featuresJson } from './features-json.ts';

type Features = Readonly<Record<string, Readonly<Record<string, boolean>>>>;

/** What a Prometheus 3.15 answered, beside the repository. */
const recordedPath = join(import.meta.dirname, '../../../shared/prometheus-answers/features.json');
/** Those that it ran with. */
const recordedWith = [
  'promql-experimental-functions',
  'promql-extended-range-selectors',
  'promql-binop-fill-modifiers',
  'promql-delayed-name-removal',
];

const parse = (...names: readonly string[]): Features => JSON.parse(featuresJson(new Set(names))) as Features;

describe('features', () => {
  it('are those of Prometheus 3.15, but for what a backend has or lacks', (test) => {
    if (!existsSync(recordedPath)) {
      test.skip(`${recordedPath} is not there`);
      return;
    }
    const recorded = (JSON.parse(readFileSync(recordedPath, 'utf8')) as { data: Features }).data;
    const own = parse(...recordedWith);
    const different: string[] = [];
    for (const [category, names] of Object.entries(recorded)) {
      if (own[category] === undefined) {
        different.push(`${category}: left out`);
        continue;
      }
      for (const name of new Set([...Object.keys(names), ...Object.keys(own[category])])) {
        if (names[name] !== own[category][name]) different.push(`${category}.${name}: ${own[category][name]}`);
      }
    }
    assert.deepEqual(different, [
      // One document is served.
      'api.openapi_3.2: false',
      // Writing is what a backend is for.
      'api.remote_write_receiver: true',
      'otlp_receiver: left out',
      // How Prometheus is configured and built.
      'prometheus.auto_reload_config: undefined',
      'prometheus.stringlabels: undefined',
      'rules: left out',
      'scrape: left out',
      'service_discovery_providers: left out',
      'templating_functions: left out',
      // How Prometheus stores; exemplars are always on here.
      'tsdb.delayed_compaction: undefined',
      'tsdb.exemplar_storage: true',
      'tsdb.histograms_st_encoding: undefined',
      'tsdb.isolation: undefined',
      'tsdb.use_uncached_io: undefined',
      'tsdb.xor2_encoding: undefined',
      'ui: left out',
    ]);
  });

  it('of what is experimental are off unless asked for', () => {
    const off = parse();
    const on = parse(...recordedWith, 'search-api', 'promql-per-step-stats', 'type-and-unit-labels', 'st-storage');
    for (const [category, name] of [
      ['api', 'search'],
      ['promql', 'anchored'],
      ['promql', 'fill'],
      ['promql', 'per_step_stats'],
      ['promql', 'type_and_unit_labels'],
      ['promql_functions', 'info'],
      ['promql_operators', 'limitk'],
      ['tsdb', 'st_storage'],
    ] as const) {
      assert.equal(off[category]?.[name], false, name);
      assert.equal(on[category]?.[name], true, name);
    }
    assert.equal(off.promql_functions?.rate, true);
  });

  it('stand in order, operators as they are', () => {
    const json = featuresJson(new Set());
    assert.ok(json.includes('"<":true,"</":true,"<=":true'), json);
  });
});
