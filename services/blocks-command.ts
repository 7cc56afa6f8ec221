/**
 * `maru blocks list|verify|dump`: what lies in a bucket, whether it is sound, and what is in it.
 * Owns the command line and its two forms, text and JSON. It reads only; a block that is damaged is named, and the rest goes on.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { damageOfFiles } from '../libs/blocks/block-files.ts';
import { openBucketBlock } from '../libs/blocks/bucket-block.ts';
import { fetchMeta, listTenant, listTenants } from '../libs/blocks/fetch-metas.ts';
import { ConfigError } from '../libs/config/config-error.ts';
import { readConfig } from '../libs/config/read-config.ts';
import { Failure } from '../libs/errors/failure.ts';
import type { ChunkEncoding } from '../libs/model/encoding/chunk.ts';
import { decodeChunk } from '../libs/model/encoding/decode-chunk.ts';
import { formatFloat } from '../libs/model/format-float.ts';
import { formatHistogram } from '../libs/model/histogram-format.ts';
import type { Labels } from '../libs/model/labels.ts';
import type { Matcher } from '../libs/model/matcher.ts';
import { compileMatcher } from '../libs/model/matcher-predicate.ts';
import { isTenantId, parseTenantId, type TenantId } from '../libs/model/tenant-id.ts';
import type { Bucket } from '../libs/object-store/bucket.ts';
import type { BucketConfig } from '../libs/object-store/config.ts';
import { openBucket } from '../libs/object-store/open-bucket.ts';
import { quoteText } from '../libs/promql/syntax/go-text.ts';
import { parseMetricSelector } from '../libs/promql/syntax/parser.ts';
import { makeColumns } from '../libs/series/merge.ts';
import type { SampleColumns } from '../libs/series/sample-columns.ts';
import { isoTime } from '../libs/std/iso-time.ts';
import { Metrics } from '../libs/telemetry/metrics.ts';
import { Progress } from '../libs/telemetry/progress.ts';
import { version } from '../libs/telemetry/version.ts';
import { type BlockSeries, readBlockSeries } from '../libs/tsdb/block/read-block.ts';
import { isUlid, parseUlid, type Ulid } from '../libs/tsdb/block/ulid.ts';
import { verifyBlock } from '../libs/tsdb/block/verify-block.ts';
import { configKeys } from './config.ts';

const usage = `maru blocks: blocks of a bucket

usage: maru blocks list   [options]              every block of every tenant, with its times and sizes
       maru blocks verify [options] [ULID ...]   reads blocks from their first byte to their last
       maru blocks dump   [options] [ULID ...]   every sample: labels, value, time

  --folder=DIR      a bucket in a folder, or a folder of blocks such as Prometheus' data; else the bucket of the
                    configuration (--bucket.*, --data-dir, --config.file, MARU_BUCKET_*, as with maru start)
  --tenant=NAME     only this tenant
  --match=SELECTOR  dump: only these series, such as '{job="api"}'
  --deep            verify: decode every chunk as well
  --json            a line of JSON a block (dump: a series)
`;

interface Options {
  readonly command: string;
  readonly ulids: readonly Ulid[];
  readonly tenant: TenantId | undefined;
  readonly folder: string | undefined;
  readonly matchers: readonly Matcher[];
  readonly deep: boolean;
  readonly json: boolean;
  /** What belongs to the configuration. */
  readonly rest: readonly string[];
}

interface FoundBlock {
  readonly tenant: TenantId;
  readonly ulid: Ulid;
  readonly files: ReadonlyMap<string, number>;
  readonly bytes: number;
  readonly isComplete: boolean;
  readonly isMarked: boolean;
}

const commands = ['list', 'verify', 'dump'];
const { signal } = new AbortController();
/** Output is handed on in pieces of this length. */
const outputCharacters = 1 << 16;

function parseOptions(args: readonly string[]): Options {
  const [command = '', ...more] = args;
  if (!commands.includes(command)) throw new ConfigError(`maru blocks wants one of ${commands.join(', ')}`);
  const rest: string[] = [];
  const ulids: Ulid[] = [];
  const own = new Map<string, string>();
  for (const arg of more) {
    const [, name = '', value = ''] = /^--(folder|tenant|match)=(.*)$/s.exec(arg) ?? [];
    if (arg === '--deep' || arg === '--json') own.set(arg.slice(2), 'yes');
    else if (name !== '') own.set(name, value);
    else if (arg.startsWith('-')) rest.push(arg);
    else ulids.push(parseUlid(arg));
  }
  const tenant = own.get('tenant');
  const match = own.get('match');
  return {
    command,
    ulids,
    tenant: tenant === undefined ? undefined : parseTenantId(tenant),
    folder: own.get('folder'),
    matchers: match === undefined ? [] : parseMetricSelector(match),
    deep: own.has('deep'),
    json: own.has('json'),
    rest,
  };
}

/** For looking at it: nothing of it is remembered. */
async function bucketOf(config: BucketConfig, dataDir: string): Promise<Bucket> {
  return (await openBucket(config, dataDir, new Metrics(version), undefined)).bucket;
}

async function open(
  options: Options,
): Promise<{ bucket: Bucket; tenants: readonly TenantId[]; foreign: readonly string[] }> {
  const config = readConfig(configKeys, { args: options.rest, env: process.env }, '--config.file');
  if (options.folder === undefined) return withTenants(await bucketOf(config.bucket, config.dataDir), options);
  const folder = resolve(options.folder);
  if (!(await isFolder(folder))) throw new ConfigError(`--folder: ${folder} is no folder`);
  const inFolder = (directory: string): Promise<Bucket> => {
    const filesystem = { ...config.bucket.filesystem, directory };
    return bucketOf({ ...config.bucket, backend: 'filesystem', filesystem }, config.dataDir);
  };
  const bucket = await inFolder(folder);
  for await (const entry of bucket.list('', { delimiter: true, signal })) {
    if (entry.kind !== 'prefix' || !isUlid(entry.prefix.slice(0, -1))) continue;
    // Blocks lie right in it, as in Prometheus' data folder: it stands for a tenant of its own name.
    const name = basename(folder);
    if (!isTenantId(name)) throw new ConfigError(`a folder of blocks needs a plain name, not ${JSON.stringify(name)}`);
    return { bucket: await inFolder(dirname(folder)), tenants: [name], foreign: [] };
  }
  return withTenants(bucket, options);
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

async function withTenants(
  bucket: Bucket,
  { tenant }: Options,
): Promise<{ bucket: Bucket; tenants: readonly TenantId[]; foreign: readonly string[] }> {
  if (tenant !== undefined) return { bucket, tenants: [tenant], foreign: [] };
  return { bucket, ...(await listTenants(bucket, signal)) };
}

async function findBlocks(
  bucket: Bucket,
  tenant: TenantId,
  options: Options,
  warn: (text: string) => void,
): Promise<FoundBlock[]> {
  const listing = await listTenant(bucket, tenant, signal);
  if (listing.foreignCount > 0) {
    warn(
      `${tenant}: ${listing.foreignCount} objects are no part of a block: ${namesText(listing.foreign.slice(0, 5))}`,
    );
  }
  const blocks: FoundBlock[] = [];
  for (const [ulid, { files, uploadedAtMs }] of listing.blocks) {
    if (options.ulids.length > 0 && !options.ulids.includes(ulid)) continue;
    const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
    const isMarked = listing.deletionMarks.has(ulid);
    blocks.push({ tenant, ulid, files, bytes, isComplete: uploadedAtMs !== undefined, isMarked });
  }
  return blocks;
}

/** Names that anybody may have chosen: nothing that a terminal takes for more than a text. */
function namesText(names: readonly string[]): string {
  return names.map((name) => quoteText(name).slice(1, -1)).join(', ');
}

class Output {
  #text = '';

  async line(text: string): Promise<void> {
    this.#text += `${text}\n`;
    if (this.#text.length >= outputCharacters) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '' && !process.stdout.write(text)) {
      await new Promise((done) => process.stdout.once('drain', done));
    }
  }
}

/** @returns whether everything was sound */
async function run(options: Options): Promise<boolean> {
  const progress = new Progress(process.stderr);
  const out = new Output();
  const { bucket, tenants, foreign } = await open(options);
  const warn = (text: string): void => progress.say(`maru: ${text}`);
  if (foreign.length > 0) warn(`no tenants: ${namesText(foreign.slice(0, 10))}`);
  let found = 0;
  let bad = 0;
  for (const tenant of tenants) {
    const blocks = await findBlocks(bucket, tenant, options, warn);
    found += blocks.length;
    progress.begin(`${options.command} ${bucket.name}/${tenant}`, blocks.length);
    for (const [i, block] of blocks.entries()) {
      try {
        if (options.command === 'list') await list(bucket, block, options, out);
        else if (options.command === 'verify') await verify(bucket, block, options, out, () => progress.step(i));
        else await dump(bucket, block, options, out);
      } catch (error) {
        bad++;
        const reason = error instanceof Failure ? error.message : String(error instanceof Error ? error.stack : error);
        if (options.json) await out.line(JSON.stringify({ tenant, ulid: block.ulid, error: reason }));
        else await out.line(`${tenant}/${block.ulid} BAD ${reason}`);
      }
      progress.step(i + 1);
    }
    progress.end();
  }
  await out.flush();
  const missing = options.ulids.length > 0 && found < options.ulids.length;
  if (missing) warn(`${options.ulids.length - found} of the named blocks are not in the bucket`);
  progress.say(`maru: ${found} blocks, ${bad} bad`);
  return bad === 0 && !missing;
}

async function list(bucket: Bucket, block: FoundBlock, { json }: Options, out: Output): Promise<void> {
  const { tenant, ulid, files, bytes, isComplete, isMarked } = block;
  const state = isComplete ? (isMarked ? 'marked for deletion' : 'complete') : 'partial';
  if (!isComplete) {
    await out.line(json ? JSON.stringify({ tenant, ulid, state, bytes }) : `${tenant}/${ulid} ${state} ${bytes} bytes`);
    return;
  }
  const meta = await fetchMeta(bucket, tenant, ulid, signal);
  const damage = damageOfFiles(meta, files);
  if (damage !== undefined) throw new Failure('bad_data', `it ${damage}`);
  const { minTime, maxTime, stats, compaction, thanos } = meta;
  if (json) {
    const labels = Object.fromEntries(thanos.labels);
    const { numSeries, numSamples, numChunks } = stats;
    const { level } = compaction;
    const source = thanos.source;
    await out.line(
      JSON.stringify({
        tenant,
        ulid,
        state,
        bytes,
        minTime,
        maxTime,
        level,
        source,
        labels,
        numSeries,
        numSamples,
        numChunks,
      }),
    );
    return;
  }
  const hours = Math.round((maxTime - minTime) / 36_000) / 100;
  const perSample = stats.numSamples > 0 ? ` ${(bytes / stats.numSamples).toFixed(2)} B/sample` : '';
  await out.line(
    `${tenant}/${ulid} ${state} ${isoTime(minTime)} ${hours} h level ${compaction.level} ` +
      `${stats.numSeries} series ${stats.numSamples} samples ${bytes} bytes${perSample}`,
  );
}

async function verify(
  bucket: Bucket,
  block: FoundBlock,
  options: Options,
  out: Output,
  step: () => void,
): Promise<void> {
  const { tenant, ulid, isComplete } = block;
  if (!isComplete) {
    const state = 'partial';
    await out.line(options.json ? JSON.stringify({ tenant, ulid, state }) : `${tenant}/${ulid} partial: no meta.json`);
    return;
  }
  const files = await openBucketBlock(bucket, tenant, ulid, signal);
  const stats = await verifyBlock(files, { deep: options.deep, onProgress: step }, signal);
  if (options.json) await out.line(JSON.stringify({ tenant, ulid, state: 'sound', ...stats }));
  else
    await out.line(
      `${tenant}/${ulid} sound ${stats.numSeries} series ${stats.numChunks} chunks ${stats.numSamples} samples`,
    );
}

async function dump(bucket: Bucket, block: FoundBlock, options: Options, out: Output): Promise<void> {
  if (!block.isComplete) return;
  const predicates = options.matchers.map((matcher) => ({ name: matcher.name, predicate: compileMatcher(matcher) }));
  const files = await openBucketBlock(bucket, block.tenant, block.ulid, signal);
  const columns = makeColumns(0);
  for await (const series of readBlockSeries(files, signal)) {
    if (!predicates.every(({ name, predicate }) => predicate.matches(series.labels.get(name)))) continue;
    decodeSeries(series, columns);
    const rows = keptRows(columns, files.tombstones.get(series.place));
    if (options.json) {
      const labels = labelsRecord(series.labels);
      const values = rows.map((row) => [columns.t[row], valueText(columns, row)]);
      await out.line(JSON.stringify({ tenant: block.tenant, ulid: block.ulid, labels, values }));
      continue;
    }
    const labels = labelsText(series.labels);
    for (const row of rows) await out.line(`${labels} ${valueText(columns, row)} ${columns.t[row]}`);
  }
}

function decodeSeries(series: BlockSeries, columns: SampleColumns): void {
  columns.length = 0;
  columns.h = null;
  columns.st = null;
  for (let c = 0; c < series.chunkCount; c++) {
    const { encoding, bytes, byteBegin, byteEnd } = series;
    const end = decodeChunk(encoding[c] as ChunkEncoding, bytes, byteBegin[c], byteEnd[c], columns, columns.length);
    columns.length = end;
    padHistograms(columns);
  }
}

/** A chunk of floats leaves the column of histograms as it was. */
function padHistograms({ h, length }: SampleColumns): void {
  if (h !== null) while (h.length < length) h.push(null);
}

function keptRows({ length, t }: SampleColumns, deleted: Float64Array | undefined): number[] {
  const rows = Array.from({ length }, (_, row) => row);
  if (deleted === undefined) return rows;
  const isDeleted = (time: number): boolean => {
    for (let i = 0; i < deleted.length; i += 2) if (time >= deleted[i] && time <= deleted[i + 1]) return true;
    return false;
  };
  return rows.filter((row) => !isDeleted(t[row]));
}

function valueText({ v, h }: SampleColumns, row: number): string {
  const histogram = h?.[row] ?? null;
  return histogram === null ? formatFloat(v[row]) : formatHistogram(histogram);
}

function labelsRecord({ pairs }: Labels): Record<string, string> {
  const record: Record<string, string> = Object.create(null);
  for (let i = 0; i < pairs.length; i += 2) record[pairs[i]] = pairs[i + 1];
  return record;
}

/** As promtool's dump has them. */
function labelsText({ pairs }: Labels): string {
  const parts: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) {
    const name = /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(pairs[i]) ? pairs[i] : quoteText(pairs[i]);
    parts.push(`${name}=${quoteText(pairs[i + 1])}`);
  }
  return `{${parts.join(', ')}}`;
}

/** Whoever reads the output may leave: `maru blocks dump | head` is no error. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(usage);
} else {
  try {
    process.exitCode = (await run(parseOptions(args))) ? 0 : 1;
  } catch (error) {
    const isTold = error instanceof ConfigError || error instanceof Failure;
    process.stderr.write(`maru: ${isTold ? error.message : error instanceof Error ? error.stack : error}\n`);
    process.exitCode = error instanceof ConfigError || (error instanceof Failure && error.kind === 'bad_data') ? 2 : 1;
  }
}
