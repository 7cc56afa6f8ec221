/**
 * `--enable-feature`: Prometheus' own names (cmd/prometheus/main.go of 3.15), so that a user's flags can stay.
 * Owns which of them mean something here, which are always on, and which have no meaning for a backend. Surprising: a name that
 * Prometheus does not know is an error here, where Prometheus only warns: a feature that was misspelt is not on.
 */
import { ConfigError } from './config-error.ts';
import { nearestName } from './nearest-name.ts';

/** Features that change something here when they are named. */
const known = new Set([
  'promql-experimental-functions',
  'promql-extended-range-selectors',
  'promql-binop-fill-modifiers',
  'promql-delayed-name-removal',
  'promql-per-step-stats',
  'search-api',
  'st-storage',
  'use-start-timestamps',
  'type-and-unit-labels',
]);

/** What they ask for is always so here. */
const alwaysOn = new Set([
  'exemplar-storage',
  'metadata-wal-records',
  'native-histograms',
  'ooo-native-histograms',
  'promql-duration-expr',
]);

/** They speak of scraping, of Prometheus' own storage or of its own pages. */
const meaningless = new Set([
  'auto-reload-config',
  'concurrent-rule-eval',
  'created-timestamp-zero-ingestion',
  'delayed-compaction',
  'extra-scrape-metrics',
  'fast-startup',
  'histograms-st-encoding',
  'memory-snapshot-on-shutdown',
  'old-ui',
  'openmetrics2',
  'otlp-deltatocumulative',
  'otlp-native-delta-ingestion',
  'st-synthesis',
  'use-uncached-io',
  'xor2-encoding',
  'zstd-scrape',
]);

/** The names that mean something here, for the reference. */
export const featureNames: readonly string[] = [...known].sort();

/**
 * Splits the list into what is on, and what the operator should hear about the rest.
 * @throws ConfigError for a name that Prometheus 3.15 does not know either
 */
export function readFeatures(names: readonly string[]): { enabled: ReadonlySet<string>; warnings: string[] } {
  const enabled = new Set<string>();
  const warnings: string[] = [];
  for (const name of names) {
    if (known.has(name)) enabled.add(name);
    else if (alwaysOn.has(name)) warnings.push(`--enable-feature=${name}: always on`);
    else if (meaningless.has(name)) warnings.push(`--enable-feature=${name}: has no meaning here and is ignored`);
    else {
      const nearest = nearestName(name, [...known, ...alwaysOn, ...meaningless]);
      throw new ConfigError(`flag --enable-feature: there is no feature ${name}; the nearest known one is ${nearest}`);
    }
  }
  return { enabled, warnings };
}
