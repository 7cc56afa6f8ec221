/**
 * The head under load: microseconds per new series, nanoseconds per sample, bytes per series, reads and their longest hold
 * of the event loop, snapshot slices. Series have ten labels as those of kubelet have. Run it with node; an argument is the
 * number of series (default 1,000,000).
 */
import type { WriteBatch } from '../../contracts/write-batch.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { HeadSource } from './head-source.ts';
import { TenantHead } from './tenant-head.ts';

const smoke = process.env['MARU_TEST_BENCH'] === 'smoke';
const seriesCount = smoke ? 2000 : Number(process.argv[2] ?? 1_000_000);
const rowsPerBatch = 2000;
const begin = Math.ceil(1_700_000_000_000 / 7_200_000) * 7_200_000;

function writeLabels(i: number, out: ByteSink): void {
  const pod = Math.floor(i / 10);
  const node = Math.floor(pod / 30);
  const labels = [
    ['__name__', `container_metric_number_${i % 10}_bytes_total`],
    ['cluster', 'eu-west-1'],
    ['container', `app-${pod % 8}`],
    ['endpoint', 'https'],
    ['id', `/kubepods/burstable/pod${(Math.imul(pod + 1, 0x9e3779b1) >>> 0).toString(16)}-4b1c`],
    ['instance', `10.${node >> 8}.${node & 255}.17:10250`],
    ['job', 'kubelet'],
    ['namespace', `namespace-${pod % 5}`],
    ['node', `ip-10-${node >> 8}-${node & 255}-17.ec2`],
    ['pod', `app-${pod % 8}-${(Math.imul(pod + 1, 0x9e3779b1) >>> 0).toString(16)}-x${pod.toString(36)}`],
  ] as const;
  for (const [name, value] of labels) {
    out.writeText(name);
    out.writeText(value);
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const head = new TenantHead({ exemplarsMax: 0 });
const labels = new ByteSink(1 << 20);
let creationMs = 0;
for (let first = 0; first < seriesCount; first += rowsPerBatch) {
  labels.reset();
  const ends: number[] = [];
  for (let i = first; i < Math.min(first + rowsPerBatch, seriesCount); i++) {
    writeLabels(i, labels);
    ends.push(labels.length);
  }
  const from = cpuMs();
  for (let i = 0; i < ends.length; i++) head.seriesIdOf(labels.bytes, ends[i - 1] ?? 0, ends[i]);
  creationMs += cpuMs() - from;
}
const seriesBytes = head.bytes();
console.log(
  `new series: ${((creationMs * 1000) / seriesCount).toFixed(2)} us each, ${(seriesBytes / seriesCount).toFixed(0)} bytes each`,
);

const none = new Uint32Array(rowsPerBatch);
const sampleT = new Float64Array(rowsPerBatch);
const sampleV = new Float64Array(rowsPerBatch);
const ids = new Uint32Array(rowsPerBatch);
const sampleBegin = Uint32Array.from({ length: rowsPerBatch + 1 }, (_, i) => i);
const batch: WriteBatch = {
  tenant: parseTenantId('bench'),
  receiveTimeMs: 0,
  seriesCount: rowsPerBatch,
  refs: ids,
  labelBytes: labels.bytes,
  labelsBegin: none,
  labelsEnd: none,
  sampleBegin,
  sampleT,
  sampleV,
  sampleST: null,
  histograms: [],
  exemplars: [],
  metadata: [],
};

/** One sample of every series of [1, count]: a third counters, a third gauges, a third constants. */
function scrape(number: number, count: number): number {
  let ms = 0;
  for (let first = 1; first <= count; first += rowsPerBatch) {
    for (let i = 0; i < rowsPerBatch; i++) {
      const id = first + i;
      ids[i] = id;
      sampleT[i] = begin + number * 15_000 + (Math.floor(id / 300) % 15_000);
      sampleV[i] =
        id % 3 === 0
          ? id * 7 + number * ((id % 97) + 1)
          : id % 3 === 1
            ? (id * 31 + ((number * 2654435761) % 4096)) / 8
            : id;
    }
    const from = performance.now();
    head.append(batch, ids);
    ms += performance.now() - from;
  }
  return ms;
}

for (let number = 0; number < 4; number++) {
  const ms = scrape(number, seriesCount);
  const bytes = head.bytes();
  const perSeries = (bytes / seriesCount).toFixed(0);
  console.log(
    `scrape ${number}: ${((ms * 1e6) / seriesCount).toFixed(0)} ns a sample, ${perSeries} bytes a series now`,
  );
}
console.log(`process: ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB for ${seriesCount} series with 4 samples`);

const steadySeries = Math.min(seriesCount, 100_000);
let steadyMs = 0;
for (let number = 4; number < 124; number++) steadyMs += scrape(number, steadySeries);
console.log(
  `steady, ${steadySeries} series, 120 scrapes: ${((steadyMs * 1e6) / steadySeries / 120).toFixed(0)} ns a sample`,
);

/** Runs a read and reports how long it took, and the longest time that the event loop was held. */
async function timed<T>(name: string, read: () => Promise<T>, describe: (result: T) => string): Promise<void> {
  let held = 0;
  let last = performance.now();
  let going = true;
  const tick = () => {
    const now = performance.now();
    held = Math.max(held, now - last);
    last = now;
    if (going) setImmediate(tick);
  };
  setImmediate(tick);
  const from = performance.now();
  const result = await read();
  const ms = performance.now() - from;
  going = false;
  await new Promise((resolve) => setImmediate(resolve));
  console.log(`${name}: ${ms.toFixed(1)} ms, event loop held ${held.toFixed(1)} ms at most, ${describe(result)}`);
}

const { signal } = new AbortController();
const source = new HeadSource(head);
const times = { minT: begin, maxT: begin + 7_199_999 };
const selectors = [
  ['one metric', [{ type: '=', name: '__name__', value: 'container_metric_number_3_bytes_total' }]],
  ['regular expression', [{ type: '=~', name: 'pod', value: 'app-[12]-.*' }]],
  [
    'one series',
    [
      { type: '=', name: '__name__', value: 'container_metric_number_3_bytes_total' },
      { type: '=~', name: 'pod', value: '.*-x7' },
    ],
  ],
] as const;
for (const [name, matchers] of selectors) {
  await timed(
    `select ${name}`,
    async () => {
      const selected = await source.select({ matchers, ...times }, signal);
      let bytes = 0;
      for await (const chunks of selected.chunks(signal)) bytes += chunks.bytes.length;
      return { series: selected.labels.begin.length - 1, bytes };
    },
    ({ series, bytes }) => `${series} series, ${bytes} bytes`,
  );
}
const all = { selectors: [], limit: 0, ...times };
await timed(
  'label values',
  () => source.labelValues('pod', all, signal),
  ({ values }) => `${values.length} values`,
);
await timed(
  'label names',
  () => source.labelNames(all, signal),
  ({ values }) => `${values.length} names`,
);

const sliceSeries = 256;
const sink = new ByteSink(1 << 20);
const ends: number[] = [];
let from = performance.now();
for (let id = 1; id <= steadySeries; id += sliceSeries) {
  head.writeSlice(id, Math.min(id + sliceSeries, steadySeries + 1), sink);
  ends.push(sink.length);
}
const writeMs = performance.now() - from;
from = performance.now();
const copy = new TenantHead({ exemplarsMax: 0 });
for (let i = 0; i < ends.length; i++) copy.readSlice(sink.bytes, ends[i - 1] ?? 0, ends[i], 1 + i * sliceSeries);
const readMs = performance.now() - from;
console.log(
  `slices of ${copy.seriesCount} series with 124 samples: ${(sink.length / copy.seriesCount).toFixed(0)} bytes a series, ` +
    `${((writeMs * 1000) / copy.seriesCount).toFixed(2)} us to write, ${((readMs * 1000) / copy.seriesCount).toFixed(2)} us to read`,
);
