/**
 * The series that the load is made of: what kube-state-metrics, cAdvisor and node_exporter would send, ten labels each and
 * about 283 bytes of label fields. Owns names and values by the number of a series; the same number is always the same series.
 */

/** A metric and how its value moves. */
interface Metric {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'constant';
}

const metrics: readonly Metric[] = [
  { name: 'container_cpu_usage_seconds_total', kind: 'counter' },
  { name: 'container_memory_working_set_bytes', kind: 'gauge' },
  { name: 'container_network_receive_bytes_total', kind: 'counter' },
  { name: 'container_network_transmit_packets_total', kind: 'counter' },
  { name: 'container_fs_reads_bytes_total', kind: 'counter' },
  { name: 'container_spec_memory_limit_bytes', kind: 'constant' },
  { name: 'http_request_duration_seconds_count', kind: 'counter' },
  { name: 'process_resident_memory_bytes', kind: 'gauge' },
  { name: 'kube_pod_status_ready', kind: 'constant' },
  { name: 'go_gc_duration_seconds_sum', kind: 'gauge' },
];

const namespaces = ['shop-production', 'shop-staging', 'monitoring', 'kube-system', 'payments-production'];
const apps = ['checkout', 'cart', 'catalogue', 'gateway', 'ledger', 'notifier', 'search', 'session'];

/** Series of one pod stand together, as in a scrape. */
const seriesPerPod = metrics.length;

function metricOf(series: number): Metric {
  return metrics[series % seriesPerPod] as Metric;
}

/** Name and value of the ten labels, sorted by name. */
export function labelsOf(series: number): readonly (readonly [name: string, value: string])[] {
  const pod = Math.floor(series / seriesPerPod);
  const app = apps[pod % apps.length] as string;
  const hash = (Math.imul(pod + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  const node = Math.floor(pod / 30);
  return [
    ['__name__', metricOf(series).name],
    ['cluster', 'eu-west-1'],
    ['container', app],
    ['endpoint', 'https'],
    ['id', `/kubepods/burstable/pod${hash}-4b1c`],
    ['instance', `10.${node >> 8}.${node & 255}.17:10250`],
    ['job', 'kubelet'],
    ['namespace', namespaces[Math.floor(pod / apps.length) % namespaces.length] as string],
    ['node', `ip-10-${node >> 8}-${node & 255}-17.ec2`],
    ['pod', `${app}-${hash.slice(0, 7)}-x${(pod % 46656).toString(36)}`],
  ];
}

/** Value of a series in a scrape. Counters are whole numbers that climb, as most are. */
export function sampleValue(series: number, scrape: number): number {
  const seed = Math.imul(series + 1, 0x85ebca6b) >>> 0;
  switch (metricOf(series).kind) {
    case 'counter': {
      const step = 1 + (seed % 97);
      return (seed % 100_000) + step * scrape + (Math.imul(seed, scrape + 1) >>> 28);
    }
    case 'gauge':
      return ((seed % 1_000_000) + (Math.imul(seed ^ scrape, 0xc2b2ae35) >>> 20)) / 8;
    default:
      return seed % 3 === 0 ? 1 : 268_435_456;
  }
}

export const scrapeIntervalMs = 15_000;

/** When a series is scraped: every target at its own place in the interval, exactly one interval apart. */
export function sampleTime(series: number, scrape: number, beginMs: number): number {
  const target = Math.floor(series / (seriesPerPod * 30));
  return beginMs + scrape * scrapeIntervalMs + ((Math.imul(target + 1, 0x27d4eb2f) >>> 0) % scrapeIntervalMs);
}
