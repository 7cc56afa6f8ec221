/**
 * How long a start takes where there are years of blocks already: `node load-tests/restart-blocks.ts [--blocks=1000] [--rounds=5]
 * [--results=folder|-]`. Blocks of a day each, which nobody merges further, in the bucket of Maru (a folder, and a real S3 server where
 * `.ci/run` has built one) and in the data folder of a Prometheus; `kill -9` and start, in turn. Beside it what a query of all of them
 * costs after such a start. Linux only.
 */
import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { canonicalizeLabels } from '../libs/model/canonical-labels.ts';
import { compareLabels, Labels } from '../libs/model/labels.ts';
import { makeColumns } from '../libs/series/merge.ts';
import { ByteSink } from '../libs/std/byte-sink.ts';
import { realDisk } from '../libs/std/disk.ts';
import { Prng } from '../libs/std/testing/prng.ts';
import { Progress } from '../libs/telemetry/progress.ts';
import { ChunkColumns, encodeChunks } from '../libs/tsdb/block/encode-chunks.ts';
import { makeUlid } from '../libs/tsdb/block/ulid.ts';
import { createBlock } from '../libs/tsdb/block/write-block.ts';
import { skipWithout } from '../test/support/find-server.ts';
import { startVersitygw } from '../test/support/start-versitygw.ts';
import { tempFolder } from '../test/support/temp-folder.ts';
import { labelsOf, sampleValue } from './label-recipe.ts';
import { cpuSeconds, residentBytes } from './measure-process.ts';
import { type Figure, type Measured, machineLine, markdownTable } from './report.ts';
import { RunningServer, type ServerKind, serverKinds } from './servers.ts';

const { values } = parseArgs({
  options: {
    blocks: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    results: { type: 'string', default: join(import.meta.dirname, 'results') },
  },
});

const dayMs = 86_400_000;
const blocks = Number(values.blocks);
const rounds = Number(values.rounds);
const seriesCount = 100;
const scrapes = 24;
const endMs = Math.floor(Date.now() / dayMs) * dayMs - dayMs;
const beginMs = endMs - blocks * dayMs;
const progress = new Progress(process.stderr);

async function writeBlocks(directory: string): Promise<void> {
  const prng = new Prng(1);
  const order = Array.from({ length: seriesCount }, (_, series) => ({ series, labels: Labels.from(labelsOf(series)) }));
  order.sort((a, b) => compareLabels(a.labels, b.labels));
  const columns = makeColumns(scrapes);
  columns.length = scrapes;
  const chunks = new ChunkColumns();
  const canonical = new ByteSink();
  progress.begin(`writing ${blocks} blocks`, blocks);
  for (let block = 0; block < blocks; block++) {
    const from = beginMs + block * dayMs;
    const random = Uint8Array.from({ length: 10 }, () => prng.below(256));
    await using writer = await createBlock({ disk: realDisk, directory, ulid: makeUlid(from + dayMs, random) });
    for (const { series, labels } of order) {
      for (let scrape = 0; scrape < scrapes; scrape++) {
        columns.t[scrape] = from + (scrape * dayMs) / scrapes;
        columns.v[scrape] = sampleValue(series, block * scrapes + scrape);
      }
      chunks.reset();
      encodeChunks(columns, 0, scrapes, 120, chunks);
      canonical.reset();
      canonicalizeLabels(labels, canonical);
      await writer.addSeries(canonical.written(), chunks, 0, chunks.count);
    }
    await writer.seal({ minTime: from, maxTime: from + dayMs });
    progress.step(block + 1);
  }
  progress.end();
}

/** A server of the table with a name of its own and other flags. */
function changed(name: string, as: string, flags: (flags: readonly string[]) => readonly string[]): ServerKind {
  const kind = serverKinds.find((one) => one.name === name);
  if (kind === undefined) throw new Error(`there is no ${name}`);
  return {
    ...kind,
    name: as,
    command: (folder, port) => {
      const command = kind.command(folder, port);
      return command === undefined ? undefined : [command[0], flags(command[1])];
    },
  };
}

const figures: readonly Figure[] = [
  ['first start, with what it makes of the blocks once', 's', 2],
  ['restart, best', 's', 2],
  ['restart, median', 's', 2],
  ['restart, worst', 's', 2],
  ['CPU until ready, median', 's', 2],
  ['resident memory when ready, median', 'MB', 0],
  ['a query of all blocks, first after the start, median', 'ms', 0],
  ['the same once more, median', 'ms', 0],
].map(([name, unit, digits]) => ({
  name: String(name),
  unit: String(unit),
  digits: Number(digits),
  lessIsBetter: true,
}));

const everyBlock = `sum(count_over_time(container_cpu_usage_seconds_total[${blocks}d]))`;
const samplesAsked = (blocks * scrapes * seriesCount) / 10;

/** The time of the query that reads every block, once it is answered with all samples. */
async function askAll({ kind, baseUrl }: RunningServer): Promise<number> {
  const form = new URLSearchParams({ query: everyBlock, time: String((endMs - 1) / 1000) });
  const deadline = performance.now() + 120_000;
  for (;;) {
    const begin = performance.now();
    const response = await fetch(`${baseUrl}${kind.queryPath}/api/v1/query`, { method: 'POST', body: form });
    const text = await response.text();
    const milliseconds = performance.now() - begin;
    const answer = JSON.parse(text) as { data?: { result?: readonly { value?: readonly [number, string] }[] } };
    if (Number(answer.data?.result?.[0]?.value?.[1]) === samplesAsked) return milliseconds;
    if (performance.now() > deadline) throw new Error(`${kind.name} does not have all blocks: ${text.slice(0, 300)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN;

class Rounds {
  firstSeconds = Number.NaN;
  readonly seconds: number[] = [];
  readonly cpu: number[] = [];
  readonly megabytes: number[] = [];
  readonly coldMs: number[] = [];
  readonly warmMs: number[] = [];

  measured(server: string): Measured {
    const all = [
      this.firstSeconds,
      Math.min(...this.seconds),
      median(this.seconds),
      Math.max(...this.seconds),
      median(this.cpu),
      median(this.megabytes),
      median(this.coldMs),
      median(this.warmMs),
    ];
    return { server, values: new Map(figures.map(({ name }, i) => [name, all[i] ?? Number.NaN])), remarks: [] };
  }
}

await using work = await tempFolder('restart-blocks');
const written = join(work.path, 'blocks');
await writeBlocks(written);

await using stack = new AsyncDisposableStack();
const servers: { readonly server: RunningServer; readonly rounds: Rounds }[] = [];

/** Starts one on a folder that holds the blocks already; ends it when it has answered once. */
async function add(kind: ServerKind, place: (folder: string) => string): Promise<void> {
  const folder = await mkdtemp(join(process.env.MARU_TEST_DATA_DIR ?? tmpdir(), 'load-restart-blocks-'));
  await cp(written, place(folder), { recursive: true });
  const began = performance.now();
  const server = await RunningServer.startIn(kind, folder, 'delete');
  if (server === undefined) {
    progress.say(`${kind.name}: not on this machine`);
    return;
  }
  stack.use(server);
  const own = new Rounds();
  own.firstSeconds = (performance.now() - began) / 1000;
  await askAll(server);
  await server.kill();
  servers.push({ server, rounds: own });
}

await add(
  changed('maru', 'maru', (flags) => flags),
  (folder) => join(folder, 'bucket/anonymous'),
);
if (skipWithout('versitygw') === false) {
  const s3 = stack.use(await startVersitygw());
  const flags = [
    '--bucket.backend=s3',
    `--bucket.s3.bucket-name=${s3.bucket}`,
    `--bucket.s3.endpoint=${s3.endpoint}`,
    `--bucket.s3.access-key-id=${s3.credentials.accessKeyId}`,
    `--bucket.s3.secret-access-key=${s3.credentials.secretAccessKey}`,
  ];
  await add(
    changed('maru', 'maru, S3', (own) => [...own, ...flags]),
    () => join(s3.folder, 'anonymous'),
  );
}
// Nobody merges or deletes these blocks anywhere.
await add(
  changed('prometheus', 'prometheus', (flags) => [
    ...flags.filter((flag) => !flag.startsWith('--storage.tsdb.retention.time')),
    '--storage.tsdb.retention.time=100y',
    '--storage.tsdb.max-block-duration=2h',
    '--storage.tsdb.min-block-duration=2h',
  ]),
  (folder) => join(folder, 'data'),
);

progress.begin('restarts', rounds * servers.length);
for (let round = 0; round < rounds; round++) {
  for (const [i, { server, rounds: own }] of servers.entries()) {
    own.seconds.push((await server.launch()) / 1000);
    own.cpu.push(cpuSeconds(server.pid));
    own.megabytes.push(residentBytes(server.pid) / 1e6);
    own.coldMs.push(await askAll(server));
    own.warmMs.push(await askAll(server));
    await server.kill();
    progress.step(round * servers.length + i + 1);
  }
}
progress.end();

const table = markdownTable(
  figures,
  servers.map(({ server, rounds: own }) => own.measured(server.kind.name)),
);
const text = `# Restart with ${blocks} blocks in the bucket

${new Date().toISOString()}, ${machineLine()}

\`node load-tests/restart-blocks.ts${blocks === 1000 ? '' : ` --blocks=${blocks}`}\`

From exec to the first 200 of readiness, after \`kill -9\`, ${rounds} times in turn. ${blocks} blocks of a day, ${seriesCount} series with ${scrapes}
samples each, of one tenant; the query reads a tenth of the series of every block (\`${everyBlock}\`) and has to count all samples.

${table}
`;
console.log(text);
if (values.results !== '-') await writeFile(join(values.results, 'restart-blocks.md'), text);
