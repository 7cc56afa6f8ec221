/**
 * What is asked of Prometheus and of Maru, and how far their answers must agree.
 * The metrics are those of start-scrape-target.ts (`target_*`), of node_exporter (`node_*`) and of Prometheus itself, whose
 * `prometheus_*_seconds` are native histograms. `close` stands where Prometheus fixes no order of additions or where a
 * mathematical library rounds (issue of the walking core, section 8); everything else agrees to the last bit.
 */
import type { Agreement } from '../support/compare-answers.ts';

export interface AgreedExpression {
  readonly query: string;
  readonly agreement: Agreement;
}

const nativeHistogram = 'prometheus_http_request_duration_seconds';

/** `at` is a time in the middle of the history, in seconds. */
export function agreedExpressions(at: number): readonly AgreedExpression[] {
  const bits = [
    // Selection.
    'up',
    'target_requests_total',
    'target_requests_total{code="500"}',
    '{__name__=~"target_.+",path!="/a",path!=""}',
    '{job="node",__name__=~"node_.*",__name__!~"node_(scrape|cpu).*"}',
    'node_cpu_seconds_total{mode!~"idle|iowait|"}',
    'target_temperature_celsius{room=~"k.*|bath"}',
    'target_flapping',
    'target_text{emoji="\u{1f30a}",quoted="\\"\\\\\\n"}',
    '{__name__="target_weight",nothing=""}',
    'target_requests_total offset 5s',
    'target_requests_total offset -3s',
    `target_requests_total @ ${at}`,
    `target_requests_total @ ${at} offset 2s`,
    'target_requests_total @ start()',
    'target_requests_total @ end()',
    nativeHistogram,
    // Rates.
    'rate(target_requests_total[5s])',
    'rate(target_requests_total[4500ms])',
    'rate(target_requests_total[5s] offset 2s)',
    `rate(target_requests_total[5s] @ ${at})`,
    'rate(target_flapping[4s])',
    'irate(target_requests_total[5s])',
    'increase(target_requests_total[7s])',
    'increase(target_latency_seconds_bucket[12s])',
    'delta(target_temperature_celsius[6s])',
    'rate(node_cpu_seconds_total[10s])',
    'rate(node_network_receive_bytes_total[10s])',
    'irate(prometheus_http_requests_total[10s])',
    // Over time.
    'count_over_time(target_flapping[10s])',
    'min_over_time(target_temperature_celsius[3s])',
    'max_over_time(target_temperature_celsius[3s])',
    'last_over_time(target_flapping[10s])',
    'present_over_time(target_flapping[2s])',
    'quantile_over_time(0.3, target_requests_total[8s])',
    // Arithmetic and comparison.
    'target_temperature_celsius * 2 + 1',
    '-target_temperature_celsius',
    'target_temperature_celsius % 7',
    'target_temperature_celsius / 0',
    'node_memory_MemTotal_bytes - node_memory_MemFree_bytes',
    'target_temperature_celsius > 20',
    '20 >= target_temperature_celsius',
    'target_temperature_celsius < bool 20',
    'target_temperature_celsius != target_temperature_celsius',
    'target_requests_total{code="200"} / ignoring(code) target_requests_total{code="500"}',
    'target_requests_total{code="200"} - on(path) target_requests_total{code="500"}',
    'target_requests_total * on(path) group_left target_weight',
    'target_requests_total * on(path) group_left(team) target_weight',
    'target_weight * ignoring(code,team) group_right target_requests_total',
    'target_requests_total{path="/a"} and on(code) target_requests_total{path="/b"}',
    'target_weight or target_requests_total',
    'target_requests_total unless on(path) target_weight',
    // Aggregations whose result does not depend on an order of additions.
    'min by (code) (target_requests_total)',
    'max without (path) (target_requests_total)',
    'count by (job) ({__name__=~".+"})',
    'count(target_flapping)',
    'group by (path) (target_requests_total)',
    'max by (room) (target_temperature_celsius)',
    'topk by (path) (1, target_requests_total)',
    'bottomk(2, target_requests_total)',
    'quantile by (code) (0.4, target_requests_total)',
    'count_values("value", target_flapping)',
  ];
  const close = [
    'target_requests_total ^ 0.5',
    'sum(target_requests_total)',
    'sum by (path) (rate(target_requests_total[5s]))',
    'sum without (code, instance) (target_requests_total)',
    'avg by (code) (target_requests_total)',
    'stddev(target_requests_total)',
    'stdvar by (path) (target_requests_total)',
    'sum by (mode) (rate(node_cpu_seconds_total[10s]))',
    'sum_over_time(target_requests_total[9s])',
    'avg_over_time(target_requests_total[9s])',
    'stddev_over_time(target_requests_total[9s])',
    'stdvar_over_time(target_requests_total[9s])',
    'sum(target_requests_total{code="500"}) / sum(target_requests_total)',
    // Classic and native histograms.
    'histogram_quantile(0.9, target_latency_seconds_bucket)',
    'histogram_quantile(0.5, rate(target_latency_seconds_bucket[6s]))',
    'histogram_quantile(0.99, sum by (le) (rate(target_latency_seconds_bucket[6s])))',
    'histogram_quantile(0.95, sum by (le) (rate(prometheus_http_response_size_bytes_bucket[10s])))',
    `histogram_quantile(0.9, ${nativeHistogram})`,
    `histogram_quantile(0.9, rate(${nativeHistogram}[10s]))`,
    `histogram_quantile(0.5, sum by (job) (rate(${nativeHistogram}[10s])))`,
    `rate(${nativeHistogram}[10s])`,
    `increase(${nativeHistogram}[15s])`,
    `sum(${nativeHistogram})`,
    `histogram_count(rate(${nativeHistogram}[10s]))`,
    `histogram_sum(${nativeHistogram})`,
  ];
  return [
    ...bits.map((query) => ({ query, agreement: 'bits' as const })),
    ...close.map((query) => ({ query, agreement: 'close' as const })),
  ];
}

/** Queries that Prometheus refuses: status, error type and words must agree. */
export const refusedExpressions: readonly string[] = [
  '',
  'up{',
  'sum(',
  'up{job=~"("}',
  '{job=""}',
  'rate(up)',
  'up[5s',
  'up offset',
  '1 +',
  'up and 1',
  'nosuchfunction(up)',
  'target_requests_total * on(path) target_weight',
  'target_requests_total / on(path) target_requests_total',
];
