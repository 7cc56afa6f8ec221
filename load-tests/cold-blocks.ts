/**
 * What a query of a day of blocks costs that nobody asked before: `node load-tests/cold-blocks.ts [--series=1000000] [--keep=folder]
 * [--results=folder|-]`. One block of 24 hours; the store-gateway reads it from a folder, from a real S3 server (versitygw, which
 * `.ci/run` builds), and from the same when its every answer comes 30 ms late, in turn. Its header is on local disk; its cache is emptied
 * before each question. Needs some 700 bytes of disk a series, three times.
 */
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TenantIndexes } from '../libs/blocks/tenant-indexes.ts';
import { canonicalizeLabels } from '../libs/model/canonical-labels.ts';
import { compareLabels, Labels } from '../libs/model/labels.ts';
import type { Matcher } from '../libs/model/matcher.ts';
import { parseTenantId } from '../libs/model/tenant-id.ts';
import type { Bucket } from '../libs/object-store/bucket.ts';
import { FilesystemBucket } from '../libs/object-store/filesystem.ts';
import { S3Bucket } from '../libs/object-store/s3.ts';
import { makeColumns } from '../libs/series/merge.ts';
import { ByteSink } from '../libs/std/byte-sink.ts';
import { realDisk } from '../libs/std/disk.ts';
import { Prng } from '../libs/std/testing/prng.ts';
import { Progress } from '../libs/telemetry/progress.ts';
import { ChunkColumns, encodeChunks } from '../libs/tsdb/block/encode-chunks.ts';
import { makeUlid, parseUlid, type Ulid } from '../libs/tsdb/block/ulid.ts';
import { createBlock } from '../libs/tsdb/block/write-block.ts';
import { HeaderFiles } from '../services/store-gateway/header-files.ts';
import { MemoryPageCache } from '../services/store-gateway/page-cache.ts';
import { StoreGatewayHandler } from '../services/store-gateway/store-gateway-handler.ts';
import { startVersitygw } from '../test/support/start-versitygw.ts';
import { tempFolder } from '../test/support/temp-folder.ts';
import { startLateProxy } from './late-proxy.ts';
import { machineLine } from './report.ts';

const { values } = parseArgs({
  options: {
    series: { type: 'string', default: '1000000' },
    /** Where the block stays for the next run. */
    keep: { type: 'string' },
    results: { type: 'string', default: join(import.meta.dirname, 'results') },
  },
});

const dayMs = 86_400_000;
const begin = 1_790_000_000_000 - (1_790_000_000_000 % dayMs);
const seriesPerMetric = 1000;
const delayMs = 30;
const runs = 9;
const { signal } = new AbortController();
const tenant = parseTenantId('cold');
const progress = new Progress(process.stderr);

/** A sample every 15 s for the metric that is asked for, every minute for the others; a chunk has 120. */
async function writeDay(directory: string, metrics: number): Promise<Ulid> {
  const prng = new Prng(1);
  const counter = (samples: number, stepMs: number): ChunkColumns => {
    const columns = makeColumns(samples);
    columns.length = samples;
    let value = 0;
    for (let i = 0; i < samples; i++) {
      columns.t[i] = begin + i * stepMs;
      value += prng.below(50);
      columns.v[i] = stepMs > 15_000 ? 1 : value;
    }
    const chunks = new ChunkColumns();
    encodeChunks(columns, 0, samples, 120, chunks);
    return chunks;
  };
  const asked = Array.from({ length: 16 }, () => counter(5760, 15_000));
  const other = counter(1440, 60_000);
  const ulid = makeUlid(begin, new Uint8Array(10));
  await using writer = await createBlock({ disk: realDisk, directory, ulid, segmentBytes: 512 << 20 });
  progress.begin(`writing ${metrics * seriesPerMetric} series`, metrics);
  for (let metric = 0; metric < metrics; metric++) {
    const sets = Array.from({ length: seriesPerMetric }, (_, i) => labelsOf(metric, i)).sort(compareLabels);
    for (const [i, labels] of sets.entries()) {
      const canonical = new ByteSink();
      canonicalizeLabels(labels, canonical);
      const chunks = metric === metrics >> 1 ? (asked[i % 16] ?? other) : other;
      await writer.addSeries(canonical.bytes.slice(0, canonical.length), chunks, 0, chunks.count);
    }
    progress.step(metric);
  }
  await writer.seal({ minTime: begin, maxTime: begin + dayMs });
  progress.end();
  return ulid;
}

function labelsOf(metric: number, i: number): Labels {
  return Labels.from([
    ['__name__', nameOf(metric)],
    ['instance', `10.${i >> 8}.${i & 255}.7:9100`],
    ['pod', `app-${String(i % 997).padStart(4, '0')}-${((i * 7919) % 65_536).toString(16)}`],
    ['job', `job-${i % 20}`],
    ['namespace', `ns-${i % 50}`],
    ['cluster', 'eu-west-1'],
    ['zone', `z${i % 3}`],
    ['env', 'prod'],
  ]);
}

const nameOf = (metric: number): string => `metric_${String(metric).padStart(5, '0')}_total`;

interface Cost {
  readonly series: number;
  readonly chunks: number;
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
  /** Of the chunks that were handed out. */
  readonly chunkBytes: number;
}

function gatewayOf(bucket: Bucket, folder: string): { handler: StoreGatewayHandler; cache: MemoryPageCache } {
  const cache = new MemoryPageCache(1 << 30);
  const shared = { bucket, nowMs: Date.now };
  const handler = new StoreGatewayHandler({
    ...shared,
    disk: realDisk,
    headers: new HeaderFiles(realDisk, folder, Number.MAX_SAFE_INTEGER, Date.now),
    cache,
    indexes: new TenantIndexes({
      ...shared,
      ageMsMax: dayMs,
      staleMsMax: dayMs,
      onProblem: (_, problem) => progress.say(problem),
    }),
    headerPostingsBytes: 256 << 20,
    indexMemoryBytes: 1 << 30,
    lookupBytesMax: 1 << 30,
    quarantineMs: 1000,
    onQuarantine: (_, ulid, reason) => progress.say(`${ulid}: ${reason}`),
    onBadHeader: (reason) => progress.say(reason),
  });
  return { handler, cache };
}

async function ask(handler: StoreGatewayHandler, ulid: Ulid, matchers: readonly Matcher[]): Promise<Cost> {
  const beganAt = performance.now();
  const { source, reads } = handler.source(tenant, [ulid]);
  const selected = await source.select({ matchers, minT: begin, maxT: begin + dayMs }, signal);
  let chunks = 0;
  let chunkBytes = 0;
  for await (const batch of selected.chunks(signal)) {
    chunks += batch.encoding.length;
    chunkBytes += batch.bytes.length;
  }
  const { requests, bytes } = reads();
  const ms = performance.now() - beganAt;
  return { series: selected.labels.begin.length - 1, chunks, ms, requests, bytes, chunkBytes };
}

const metrics = Math.max(2, Math.round(Number(values.series) / seriesPerMetric));
const questions: readonly [string, readonly Matcher[]][] = [
  ['one metric name, all of its day', [{ type: '=', name: '__name__', value: nameOf(metrics >> 1) }]],
  ['one metric name, a sample a minute', [{ type: '=', name: '__name__', value: nameOf(1) }]],
  [
    'one metric name and a job',
    [
      { type: '=', name: '__name__', value: nameOf(metrics >> 1) },
      { type: '=', name: 'job', value: 'job-3' },
    ],
  ],
  ['one instance of every metric', [{ type: '=', name: 'instance', value: '10.0.7.7:9100' }]],
];

await using work = await tempFolder('cold-blocks');
const kept = values.keep ?? join(work.path, 'block');
await mkdir(kept, { recursive: true });
const [found] = await readdir(kept);
const ulid = found === undefined ? await writeDay(kept, metrics) : parseUlid(found);
const folder = join(work.path, 'folder');
await cp(join(kept, ulid), join(folder, tenant, ulid), { recursive: true });
await using server = await startVersitygw();
await cp(join(kept, ulid), join(server.folder, tenant, ulid), { recursive: true });
using late = await startLateProxy(server.endpoint, delayMs);
const s3At = (endpoint: string): S3Bucket =>
  new S3Bucket({
    bucket: server.bucket,
    prefix: '',
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: server.credentials,
    encryption: 'none',
    kmsKeyId: '',
    attemptsMax: 3,
    timeoutMs: 30_000,
    connectionsMax: 64,
  });
const near = s3At(server.endpoint);
const far = s3At(late.endpoint);
const places = (
  [
    ['folder', new FilesystemBucket(folder)],
    ['near', near],
    ['far', far],
  ] as const
).map(([name, bucket]) => gatewayOf(bucket, join(work.path, `headers-${name}`)));
// The header is built, and what is read once and kept is read.
for (const { handler } of places) await ask(handler, ulid, [{ type: '=', name: 'no', value: 'such' }]);

const rows: string[] = [];
for (const [question, matchers] of questions) {
  const costs: Cost[][] = places.map(() => []);
  for (let run = 0; run < runs; run++) {
    for (const [i, { handler, cache }] of places.entries()) {
      cache.dropPrefix('');
      costs[i]?.push(await ask(handler, ulid, matchers));
    }
  }
  const [local, beside, away] = costs.map((all) => all.sort((a, b) => a.ms - b.ms)[runs >> 1]);
  if (local === undefined || beside === undefined || away === undefined) continue;
  rows.push(
    `| ${question} | ${away.series} | ${away.chunks} | ${away.requests} | ${(away.bytes / 1e6).toFixed(1)} MB | ` +
      `${(away.bytes / away.chunkBytes).toFixed(2)} | ${local.ms.toFixed(0)} ms | ${beside.ms.toFixed(0)} ms | ` +
      `${away.ms.toFixed(0)} ms | +${(away.ms - local.ms).toFixed(0)} ms |`,
  );
  progress.say(rows.at(-1) ?? '');
}
for (const { handler } of places) await handler.close();
near.close();
far.close();
const text = `# A cold query over one block of 24 hours, ${metrics * seriesPerMetric} series

${new Date().toISOString()}, ${machineLine()}

\`node load-tests/cold-blocks.ts --series=${values.series}\`: the store-gateway in this process, its header of the block on local disk, its cache
empty. S3 is versitygw, asked directly and through a process that passes every answer on ${delayMs} ms late; all share the machine. Medians of
${runs} askings, the three places in turn. Over-fetch: bytes read, those of the index included, to bytes of the chunks that were wanted.

| question | series | chunks | requests | read | over-fetch | folder | S3 | S3 + ${delayMs} ms | that to the folder |
|---|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}
`;
console.log(text);
if (values.results !== '-') await writeFile(join(values.results, 'cold-blocks.md'), text);
await rm(folder, { recursive: true, force: true });
