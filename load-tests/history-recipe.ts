/**
 * Hours and days of the past to ask about: what pods of a cluster expose, 34 series a pod, classic and native histograms among them.
 * Owns labels and values by the number of a series and of a scrape; the same numbers are always the same sample.
 */

type Kind = 'counter' | 'fine counter' | 'gauge' | 'constant' | 'native histogram';

interface Metric {
  readonly name: string;
  readonly kind: Kind;
  /** Labels of its own, sorted by name. */
  readonly own: readonly (readonly [name: string, value: string])[];
  /** Share of the observations that this series counts. */
  readonly share: number;
}

const plain = (name: string, kind: Kind): Metric => ({ name, kind, own: [], share: 1 });

const bounds = ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf'];
const requests = [
  ['GET', '200'],
  ['GET', '404'],
  ['GET', '500'],
  ['POST', '200'],
  ['POST', '404'],
  ['POST', '500'],
] as const;

const metrics: readonly Metric[] = [
  ...['0', '1', '2', '3'].map(
    (cpu): Metric => ({ ...plain('container_cpu_seconds_total', 'fine counter'), own: [['cpu', cpu]] }),
  ),
  plain('container_memory_working_set_bytes', 'gauge'),
  plain('container_network_receive_bytes_total', 'counter'),
  plain('container_network_transmit_bytes_total', 'counter'),
  plain('container_fs_reads_bytes_total', 'counter'),
  plain('container_spec_memory_limit_bytes', 'constant'),
  plain('kube_pod_status_ready', 'constant'),
  plain('kube_pod_info', 'constant'),
  ...requests.map(
    ([method, code]): Metric => ({
      ...plain('http_requests_total', 'counter'),
      own: [
        ['code', code],
        ['method', method],
      ],
    }),
  ),
  ...bounds.map(
    (le, i): Metric => ({
      ...plain('http_request_duration_seconds_bucket', 'counter'),
      own: [['le', le]],
      share: (i + 1) / bounds.length,
    }),
  ),
  plain('http_request_duration_seconds_sum', 'fine counter'),
  plain('http_request_duration_seconds_count', 'counter'),
  plain('rpc_duration_seconds', 'native histogram'),
  plain('process_resident_memory_bytes', 'gauge'),
  plain('go_goroutines', 'gauge'),
];

const seriesPerPod = metrics.length;
const namespaces = ['shop-production', 'shop-staging', 'monitoring', 'kube-system', 'payments-production'];
const apps = ['checkout', 'cart', 'catalogue', 'gateway', 'ledger', 'notifier', 'search', 'session'];
const podsPerNode = 30;

export function kindOf(series: number): Kind {
  return (metrics[series % seriesPerPod] as Metric).kind;
}

/** Names and values of a series' labels, sorted by name. */
export function historyLabels(series: number): (readonly [name: string, value: string])[] {
  const { name, own } = metrics[series % seriesPerPod] as Metric;
  const pod = Math.floor(series / seriesPerPod);
  const app = apps[pod % apps.length] as string;
  const hash = (Math.imul(pod + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  const node = Math.floor(pod / podsPerNode);
  const labels: (readonly [string, string])[] = [
    ['__name__', name],
    ['cluster', 'eu-west-1'],
    ['container', app],
    ['instance', `10.${node >> 8}.${node & 255}.17:10250`],
    ['job', 'kubelet'],
    ['namespace', namespaces[Math.floor(pod / apps.length) % namespaces.length] as string],
    ['pod', `${app}-${hash.slice(0, 7)}-x${(pod % 46656).toString(36)}`],
    ...own,
  ];
  if (name === 'kube_pod_info')
    labels.push(['node', `ip-10-${node >> 8}-${node & 255}-17.ec2`], ['priority', `p${pod % 3}`]);
  return labels.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Observations that a pod has made until a scrape: rises, and begins anew now and then. */
function observed(seed: number, scrape: number): number {
  const period = 700 + (seed % 900);
  const since = (scrape + (seed % period)) % period;
  const step = 12 + (seed % 97);
  return step * since + ((Math.imul(seed, scrape + 1) >>> 8) % step);
}

/** Value of a series in a scrape; of a native histogram, its observations. */
export function historyValue(series: number, scrape: number): number {
  const { kind, share, name } = metrics[series % seriesPerPod] as Metric;
  // The series of one classic histogram belong together.
  const source = name.startsWith('http_request_duration') ? Math.floor(series / seriesPerPod) : series;
  const seed = Math.imul(source + 1, 0x85ebca6b) >>> 0;
  switch (kind) {
    case 'counter':
      return Math.floor(observed(seed, scrape) * share);
    case 'fine counter':
      return observed(seed, scrape) / 1000;
    case 'gauge':
      return ((seed % 1_000_000) + (Math.imul(seed ^ scrape, 0xc2b2ae35) >>> 20)) / 8;
    case 'constant':
      return seed % 3 === 0 ? 1 : 2;
    case 'native histogram':
      return observed(seed, scrape);
  }
}

/** Buckets of every native histogram, from 2^-6 to 2^2 in quarters of a power of two. */
export const nativeSchema = 2;
export const nativeFirstBucket = -23;
export const nativeBuckets = 32;

/** Counts of the buckets, none of which falls while `observations` rises. @returns how many there are in all */
export function nativeBucketCounts(observations: number, out: Float64Array): number {
  let count = 0;
  for (let i = 0; i < nativeBuckets; i++) {
    out[i] = Math.floor((observations * (2 * i + 1)) / (nativeBuckets * nativeBuckets));
    count += out[i] as number;
  }
  return count;
}

/** When a series is scraped: every node at its own place in the interval. */
export function historyTime(series: number, scrape: number, beginMs: number, intervalMs: number): number {
  const node = Math.floor(series / (seriesPerPod * podsPerNode));
  return beginMs + scrape * intervalMs + ((Math.imul(node + 1, 0x27d4eb2f) >>> 0) % intervalMs);
}
