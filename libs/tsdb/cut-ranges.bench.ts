/**
 * A range of many series is cut while pushes go on: how long pushes take meanwhile, and before. Series have ten labels. Run it
 * with node; an argument is the number of series (default 1,000,000), a second one the samples of each (default 12).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteBatch } from '../contracts/write-batch.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { realDisk } from '../std/disk.ts';
import { CutThread } from './cut-thread.ts';
import { LocalBlocks } from './local-blocks.ts';
import { Tsdb } from './tsdb.ts';

const smoke = process.env['MARU_TEST_BENCH'] === 'smoke';
const seriesCount = smoke ? 4000 : Number(process.argv[2] ?? 1_000_000);
const samplesEach = smoke ? 3 : Number(process.argv[3] ?? 12);
const rowsPerBatch = 2000;
const pushEveryMs = 20;
const hourMs = 3_600_000;
const begin = Math.ceil(1_700_000_000_000 / (2 * hourMs)) * 2 * hourMs;
const tenant = parseTenantId('bench');
const silent = { info: () => undefined, warn: console.log, error: console.log };

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

const labels = new ByteSink(1 << 20);
const sampleBegin = Uint32Array.from({ length: rowsPerBatch + 1 }, (_, i) => i);
const none = new Uint32Array(rowsPerBatch);

function batchOf(first: number, t: number, refs: Uint32Array | undefined): WriteBatch {
  labels.reset();
  const labelsBegin = new Uint32Array(rowsPerBatch);
  const labelsEnd = new Uint32Array(rowsPerBatch);
  if (refs === undefined) {
    for (let i = 0; i < rowsPerBatch; i++) {
      labelsBegin[i] = labels.length;
      writeLabels(first + i, labels);
      labelsEnd[i] = labels.length;
    }
  }
  return {
    tenant,
    receiveTimeMs: t,
    seriesCount: rowsPerBatch,
    refs: refs ?? none,
    labelBytes: labels.bytes,
    labelsBegin,
    labelsEnd,
    sampleBegin,
    sampleT: new Float64Array(rowsPerBatch).fill(t),
    sampleV: Float64Array.from({ length: rowsPerBatch }, (_, i) => (first + i) * 7 + t / 15_000),
    sampleST: null,
    histograms: [],
    exemplars: [],
    metadata: [],
  };
}

const directory = mkdtempSync(join(process.env['MARU_TEST_DATA_DIR'] ?? tmpdir(), 'maru-cut-bench-'));
const thread = new CutThread();
let now = begin;
const blocks = new LocalBlocks({
  disk: realDisk,
  directory: join(directory, 'blocks'),
  damagedDirectory: join(directory, 'damaged'),
  log: silent,
  nowMs: () => now,
  withStartTimes: false,
  write: (feed, options, signal) => thread.write(feed, options, signal),
});
const { tsdb } = await Tsdb.open(
  {
    disk: realDisk,
    directory,
    segmentBytes: 128 << 20,
    snapshotBytes: 2 ** 40,
    fullRetryMs: 1000,
    log: silent,
    onFatal: (error) => {
      throw error;
    },
    seriesMax: () => 0,
    seriesRefusal: () => '',
    headOptions: () => ({ exemplarsMax: 0 }),
    cut: { blocks, nowMs: () => now, cutDelayMs: hourMs, idleMs: 300_000 },
  },
  () => undefined,
);
const refsOf: Uint32Array[] = [];
for (let number = 0; number < samplesEach; number++) {
  for (let first = 0; first < seriesCount; first += rowsPerBatch) {
    const at = first / rowsPerBatch;
    const { refs } = await tsdb.push(batchOf(first, begin + number * 15_000, refsOf[at]));
    refsOf[at] ??= refs;
  }
}
const bytesBefore = tsdb.heads.get(tenant)?.bytes() ?? 0;

/** Pushes at a fixed rate until `until` resolves; latencies from when each was due. */
async function pushUntil(until: Promise<unknown>, t: number): Promise<number[]> {
  let going = true;
  const end = until.finally(() => {
    going = false;
  });
  const latencies: number[] = [];
  const from = performance.now();
  const pending: Promise<unknown>[] = [];
  for (let number = 0; going; number++) {
    const due = from + number * pushEveryMs;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    const at = number % refsOf.length;
    const pushed = tsdb.push(batchOf(at * rowsPerBatch, t + Math.floor(number / refsOf.length) * 15_000, refsOf[at]));
    pending.push(pushed.then(() => latencies.push(performance.now() - due)));
  }
  await Promise.all(pending);
  await end;
  return latencies.sort((a, b) => a - b);
}

function told(name: string, latencies: readonly number[], held: number): void {
  const share = (of: number) =>
    (latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * of))] ?? 0).toFixed(1);
  console.log(
    `${name}: ${latencies.length} pushes of ${rowsPerBatch} series, p50 ${share(0.5)} ms, p99 ${share(0.99)} ms, ` +
      `longest ${share(1)} ms; event loop held ${held.toFixed(1)} ms at most`,
  );
}

const delay = monitorEventLoopDelay({ resolution: 1 });
now = begin + 2 * hourMs + 1000;
delay.enable();
told('before', await pushUntil(sleep(smoke ? 100 : 5000), now), delay.max / 1e6);
now = begin + 3 * hourMs;
delay.reset();
const started = performance.now();
const cut = tsdb.cutDue();
const latencies = await pushUntil(cut, begin + 2 * hourMs + 120_000);
const seconds = (performance.now() - started) / 1000;
told('while it is cut', latencies, delay.max / 1e6);
const bytesAfter = tsdb.heads.get(tenant)?.bytes() ?? 0;
const [block] = [...blocks.all()];
console.log(
  `${seriesCount} series with ${samplesEach} samples each: a block of ${block?.meta.stats.numSamples} samples and ${block?.bytes} bytes ` +
    `after ${seconds.toFixed(1)} s; head ${(bytesBefore / 1e6).toFixed(0)} MB before, ${(bytesAfter / 1e6).toFixed(0)} MB after`,
);
await tsdb.close();
await thread.close();
await blocks.close();
rmSync(directory, { recursive: true });
