/**
 * What `features` says: which parts of Prometheus 3.15's API and language this process has on, under Prometheus' names.
 * Owns the list. A category that speaks of what is not here at all (service discovery, the web pages) is left out, and so is a
 * name that would say something about Prometheus' own storage.
 */
import { functionsTable } from '../../libs/promql/syntax/functions-table.ts';

const modifiers =
  'at_modifier bool by duration_expr group_left group_right ignoring negative_offset offset on per_query_lookback_delta ' +
  'subqueries without';
const operators = '!= !~ % * + - / < </ <= == =~ > >/ >= @ ^ and atan2 or unless';
const aggregators = 'avg bottomk count count_values group max min quantile stddev stdvar sum topk';
const experimentalAggregators = 'limit_ratio limitk';

/** The data of `features` as JSON, names sorted; operators stand there as they are, without HTML escapes. */
export function featuresJson(features: ReadonlySet<string>): string {
  const experimentalFunctions = features.has('promql-experimental-functions');
  const extendedRanges = features.has('promql-extended-range-selectors');
  const fill = features.has('promql-binop-fill-modifiers');
  const typeAndUnit = features.has('type-and-unit-labels');
  const functions: Record<string, boolean> = {};
  for (const { name, experimental } of functionsTable.values()) {
    functions[name] = !experimental || experimentalFunctions;
  }
  const categories: Record<string, Record<string, boolean>> = {
    api: {
      admin: false,
      exclude_alerts: true,
      label_values_match: true,
      lifecycle: false,
      'openapi_3.1': true,
      'openapi_3.2': false,
      otlp_write_receiver: false,
      query_stats: true,
      query_warnings: true,
      remote_write_receiver: true,
      search: features.has('search-api'),
      search_fuzz_alg_jarowinkler: true,
      search_fuzz_alg_subsequence: true,
      time_range_labels: true,
      time_range_series: true,
    },
    prometheus: { agent_mode: false, server_mode: true },
    promql: {
      ...all(modifiers, true),
      ...all('anchored smoothed', extendedRanges),
      ...all('fill fill_left fill_right', fill),
      delayed_name_removal: features.has('promql-delayed-name-removal'),
      per_step_stats: features.has('promql-per-step-stats'),
      type_and_unit_labels: typeAndUnit,
    },
    promql_functions: functions,
    promql_operators: {
      ...all(operators, true),
      ...all(aggregators, true),
      ...all(experimentalAggregators, experimentalFunctions),
    },
    tsdb: { exemplar_storage: true, native_histograms: true, st_storage: features.has('st-storage') },
  };
  const texts = Object.entries(categories).map(([category, names]) => {
    const sorted = Object.entries(names).sort(([a], [b]) => (a < b ? -1 : 1));
    return `${JSON.stringify(category)}:${JSON.stringify(Object.fromEntries(sorted))}`;
  });
  return `{${texts.join(',')}}`;
}

function all(names: string, isOn: boolean): Record<string, boolean> {
  return Object.fromEntries(names.split(' ').map((name) => [name, isOn]));
}
