/**
 * The signatures of all PromQL functions of Prometheus 3.15: arguments, variadicity, result, experimental or not.
 * Owns what the parser and the type check need. What the functions compute lives in promql/execute/functions.
 * Facts: Prometheus promql/parser/functions.go. `variadic` counts how many of the last argument may be left out or
 * added: 0 none, n up to n of them in all, -1 any number.
 */
import type { ValueType } from './ast.ts';

export interface FunctionSignature {
  readonly name: string;
  readonly argTypes: readonly ValueType[];
  readonly variadic: number;
  readonly returnType: ValueType;
  /** Only with `promql-experimental-functions`. */
  readonly experimental: boolean;
}

interface Shape {
  readonly args?: readonly ValueType[];
  readonly variadic?: number;
  readonly returns?: ValueType;
  readonly experimental?: boolean;
}

const table = new Map<string, FunctionSignature>();

/** Enters every name of `names` (separated by spaces) with one shape; an instant vector is what most return. */
function define(names: string, { args = [], variadic = 0, returns = 'vector', experimental = false }: Shape): void {
  for (const name of names.split(' '))
    table.set(name, { name, argTypes: args, variadic, returnType: returns, experimental });
}

define('abs absent ceil exp floor ln log10 log2 sgn sort sort_desc sqrt timestamp', { args: ['vector'] });
define('acos acosh asin asinh atan atanh cos cosh deg rad sin sinh tan tanh', { args: ['vector'] });
define('histogram_avg histogram_count histogram_sum histogram_stddev histogram_stdvar', { args: ['vector'] });
define('start_timestamp', { args: ['vector'], experimental: true });
define('scalar', { args: ['vector'], returns: 'scalar' });
define('days_in_month day_of_month day_of_week day_of_year hour minute month year', { args: ['vector'], variadic: 1 });
define('clamp', { args: ['vector', 'scalar', 'scalar'] });
define('clamp_max clamp_min', { args: ['vector', 'scalar'] });
define('round', { args: ['vector', 'scalar'], variadic: 1 });
define('vector', { args: ['scalar'] });

define('absent_over_time avg_over_time changes count_over_time delta deriv first_over_time', { args: ['matrix'] });
define('idelta increase irate last_over_time max_over_time min_over_time present_over_time', { args: ['matrix'] });
define('rate resets stddev_over_time stdvar_over_time sum_over_time', { args: ['matrix'] });
define('mad_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time', {
  args: ['matrix'],
  experimental: true,
});
define('predict_linear', { args: ['matrix', 'scalar'] });
define('quantile_over_time', { args: ['scalar', 'matrix'] });
define('double_exponential_smoothing', { args: ['matrix', 'scalar', 'scalar'], experimental: true });

define('histogram_fraction', { args: ['scalar', 'scalar', 'vector'] });
define('histogram_quantile', { args: ['scalar', 'vector'] });
define('histogram_quantiles', { args: ['vector', 'string', 'scalar', 'scalar'], variadic: 9, experimental: true });

define('info', { args: ['vector', 'vector'], variadic: 1, experimental: true });
define('label_replace', { args: ['vector', 'string', 'string', 'string', 'string'] });
define('label_join', { args: ['vector', 'string', 'string', 'string'], variadic: -1 });
define('sort_by_label sort_by_label_desc', { args: ['vector', 'string'], variadic: -1, experimental: true });

define('pi time', { returns: 'scalar' });
define('start end step range', { returns: 'scalar', experimental: true });
define('max_of min_of', { args: ['scalar', 'scalar'], returns: 'scalar', experimental: true });

/** All functions by name. */
export const functionsTable: ReadonlyMap<string, FunctionSignature> = table;
