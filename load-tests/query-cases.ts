/**
 * What is asked of the history (history-recipe.ts): what dashboards, alerts and people ask, some of it wide on purpose.
 */

export interface HistoryCase {
  readonly name: string;
  /** Several are asked at once: a dashboard. */
  readonly asks: readonly Ask[];
}

/** A request; times are seconds before the end of the data. */
export interface Ask {
  readonly path: string;
  readonly parameters: readonly (readonly [string, string])[];
  /** Undefined for what has no range. */
  readonly range: { readonly seconds: number; readonly stepSeconds: number } | undefined;
}

const hour = 3600;
const day = 24 * hour;

function instant(query: string): Ask {
  return { path: 'query', parameters: [['query', query]], range: undefined };
}

function range(query: string, seconds: number, stepSeconds: number): Ask {
  return { path: 'query_range', parameters: [['query', query]], range: { seconds, stepSeconds } };
}

function labels(path: string, parameters: readonly (readonly [string, string])[]): Ask {
  return { path, parameters, range: undefined };
}

const onePod = 'pod=~"checkout-9e3779b.*"';
const panels: readonly string[] = [
  'sum by (namespace) (rate(http_requests_total{container="cart"}[5m]))',
  'sum by (code) (rate(http_requests_total{container="cart"}[5m]))',
  'sum(rate(http_requests_total{container="cart",code="500"}[5m])) / sum(rate(http_requests_total{container="cart"}[5m]))',
  'histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket{container="cart"}[5m])))',
  'histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket{container="cart"}[5m])))',
  'histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{container="cart"}[5m])))',
  'sum by (pod) (rate(container_cpu_seconds_total{container="cart",namespace="monitoring"}[5m]))',
  'sum(rate(container_cpu_seconds_total{container="cart"}[5m]))',
  'sum(container_memory_working_set_bytes{container="cart"})',
  'max(container_memory_working_set_bytes{container="cart"})',
  'topk(5, container_memory_working_set_bytes{container="cart"})',
  'sum(rate(container_network_receive_bytes_total{container="cart"}[5m]))',
  'sum(rate(container_network_transmit_bytes_total{container="cart"}[5m]))',
  'sum(rate(container_fs_reads_bytes_total{container="cart"}[5m]))',
  'avg(go_goroutines{container="cart"})',
  'quantile(0.9, go_goroutines{container="cart"})',
  'count(kube_pod_status_ready{container="cart"} == 1)',
  'sum by (namespace) (process_resident_memory_bytes{container="cart"})',
  'histogram_quantile(0.9, sum(rate(rpc_duration_seconds{container="cart"}[5m])))',
  'changes(kube_pod_status_ready{container="cart",namespace="monitoring"}[1h])',
];

const one = (name: string, ask: Ask): HistoryCase => ({ name, asks: [ask] });

/** Asked of six hours at 15 s. */
export const hoursCases: readonly HistoryCase[] = [
  one('one series', range(`go_goroutines{${onePod}}`, 6 * hour, 60)),
  one('one series, instant', instant(`go_goroutines{${onePod}}`)),
  one('all of one pod, instant', instant(`{${onePod}}`)),
  one('rate of one app, instant', instant('rate(http_requests_total{container="cart"}[5m])')),
  one('rate and sum by', range('sum by (namespace) (rate(http_requests_total[5m]))', 6 * hour, 60)),
  one('rate and sum by pod', range('sum by (pod) (rate(container_cpu_seconds_total[5m]))', hour, 60)),
  one(
    'rate and sum of a third of all',
    range('sum by (namespace) (rate(http_request_duration_seconds_bucket[5m]))', 6 * hour, 60),
  ),
  one(
    'every float series at every step',
    range('sum by (namespace) (last_over_time({job="kubelet",__name__!="rpc_duration_seconds"}[5m]))', 6 * hour, 120),
  ),
  one('sum of a gauge', range('sum by (container) (container_memory_working_set_bytes)', 6 * hour, 60)),
  one(
    'quantile of classic histograms',
    range(
      'histogram_quantile(0.99, sum by (le, namespace) (rate(http_request_duration_seconds_bucket[5m])))',
      6 * hour,
      120,
    ),
  ),
  one(
    'quantile of classic histograms of each pod',
    instant('histogram_quantile(0.9, rate(http_request_duration_seconds_bucket[5m]))'),
  ),
  one(
    'quantile of native histograms',
    range('histogram_quantile(0.99, sum by (namespace) (rate(rpc_duration_seconds[5m])))', hour, 60),
  ),
  one('mean of native histograms', range('sum(histogram_avg(rate(rpc_duration_seconds[5m])))', hour, 60)),
  one('top 10, instant', instant('topk(10, container_memory_working_set_bytes)')),
  one('top 5 over time', range('topk(5, rate(container_network_receive_bytes_total[5m]))', 6 * hour, 300)),
  one('quantile over series', range('quantile by (namespace) (0.9, go_goroutines)', 6 * hour, 120)),
  one('deviation over series', range('stddev by (container) (process_resident_memory_bytes)', 6 * hour, 120)),
  one(
    'join with group_left',
    range(
      'sum by (node) (rate(container_network_receive_bytes_total[5m]) * on (namespace, pod) group_left (node) kube_pod_info)',
      6 * hour,
      120,
    ),
  ),
  one(
    'ratio of two sums',
    range(
      'sum by (pod) (rate(http_requests_total{code="500"}[5m])) / sum by (pod) (rate(http_requests_total[5m]))',
      hour,
      60,
    ),
  ),
  one(
    'the same selector three times',
    range(
      'avg(container_memory_working_set_bytes) + 2 * stddev(container_memory_working_set_bytes) - min(container_memory_working_set_bytes)',
      6 * hour,
      120,
    ),
  ),
  one(
    'subquery',
    range('max_over_time(sum by (namespace) (rate(http_requests_total{code="500"}[5m]))[1h:1m])', 2 * hour, 120),
  ),
  one('mean over 1 h', range('avg by (container) (avg_over_time(go_goroutines[1h]))', 6 * hour, 120)),
  one('maximum over 6 h, instant', instant('max by (container) (max_over_time(process_resident_memory_bytes[6h]))')),
  one(
    'quantile over 1 h',
    range('max(quantile_over_time(0.9, go_goroutines{namespace="monitoring"}[1h]))', 2 * hour, 120),
  ),
  one('increase over 6 h, instant', instant('sum by (code) (increase(http_requests_total[6h]))')),
  one('derivative over 1 h', range('sum(deriv(go_goroutines{namespace="monitoring"}[1h]))', 2 * hour, 120)),
  one('wide regular expression', range('count({__name__=~"container_.*",pod=~".*[0-4].-x.*"})', hour, 120)),
  one('10,000 steps of one series', range(`rate(container_network_receive_bytes_total{${onePod}}[5m])`, 20_000, 2)),
  one('10,000 steps of a sum', range('sum(go_goroutines{namespace="monitoring"})', 20_000, 2)),
  one('500 raw series', range('container_cpu_seconds_total{namespace="monitoring",cpu=~"0|1"}', hour, 15)),
  one('count of all, instant', instant('count({job="kubelet"})')),
  one('count by name, instant', instant('count by (__name__) ({__name__!=""})')),
  one('count_values, instant', instant('count_values("value", kube_pod_status_ready)')),
  one('absent', range('absent(http_requests_total{code="418"})', 6 * hour, 60)),
  one('absent of what is there', range('absent(kube_pod_status_ready)', 6 * hour, 300)),
  one('comparison', range('count(container_memory_working_set_bytes > 100000)', 6 * hour, 120)),
  one('unless', range('count(kube_pod_info unless on (pod) kube_pod_status_ready == 1)', hour, 60)),
  one(
    'label_replace and sum',
    range('sum by (app) (label_replace(go_goroutines, "app", "$1", "pod", "([a-z]+)-.*"))', hour, 60),
  ),
  one('sorted, instant', instant('sort_desc(sum by (pod) (rate(http_requests_total[5m])))')),
  one('label names', labels('labels', [])),
  one('values of pod', labels('label/pod/values', [])),
  one('values of pod in one namespace', labels('label/pod/values', [['match[]', '{namespace="monitoring"}']])),
  one('series of one metric', labels('series', [['match[]', 'kube_pod_info']])),
  { name: 'dashboard of 20 panels', asks: panels.map((query) => range(query, hour, 15)) },
];

/** Asked of thirty days at 60 s. */
export const daysCases: readonly HistoryCase[] = [
  one('one series, 30 d', range(`go_goroutines{${onePod}}`, 30 * day, 600)),
  one('10,000 steps, 30 d', range(`go_goroutines{${onePod}}`, 30 * day, 260)),
  one('rate and sum by, 30 d', range('sum by (code) (rate(http_requests_total[1h]))', 30 * day, hour)),
  one('mean over 1 d', range('avg by (container) (avg_over_time(go_goroutines[1d]))', 30 * day, 6 * hour)),
  one('maximum over 30 d, instant', instant('max by (container) (max_over_time(process_resident_memory_bytes[30d]))')),
  one('increase over 7 d', range('sum by (code) (increase(http_requests_total[7d]))', 20 * day, 6 * hour)),
  one(
    'quantile of classic histograms, 7 d',
    range('histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[1h])))', 7 * day, hour),
  ),
  one('subquery over 1 d', instant('quantile_over_time(0.95, sum(rate(http_requests_total[5m]))[1d:5m])')),
  one('last hour of a month', range('sum by (container) (container_memory_working_set_bytes)', hour, 60)),
];
