/**
 * Compaction beside Prometheus': the same blocks merged by our thread and by its LeveledCompactor, in turn, each in a process of its own.
 * Owns the blocks that are merged (write-blocks.ts, kept with --keep), the building of the Go program, and the table. CPU is the least
 * of the rounds: everything else that a machine does only adds to it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '../../libs/telemetry/progress.ts';
import { blockChunkSamples } from '../../libs/tsdb/block/encode-chunks.ts';
import { isUlid } from '../../libs/tsdb/block/ulid.ts';
import { type Figure, type Measured, markdownTable } from '../report.ts';

export interface CompactionOptions {
  readonly scale: number;
  /** Where blocks are kept from run to run; undefined for a folder that goes with the run. */
  readonly keep: string | undefined;
  /** Only the case of this name; empty is all. */
  readonly only: string;
  readonly progress: Progress;
}

interface Case {
  /** For --cases. */
  readonly name: string;
  readonly title: string;
  readonly series: number;
  readonly blocks: number;
  /** Of a series and block. */
  readonly samples: number;
  /** Of a chunk in the sources, where the two do not merge the same blocks. */
  readonly chunkSamples?: { readonly maru: number; readonly prometheus: number };
}

const cases: readonly Case[] = [
  { name: 'same', title: '12 x 2 h to 24 h, 20k series at 15 s', series: 20_000, blocks: 12, samples: 480 },
  {
    name: 'own',
    title: 'the same, each from blocks as it cuts them itself',
    series: 20_000,
    blocks: 12,
    samples: 480,
    chunkSamples: { maru: blockChunkSamples, prometheus: 120 },
  },
  { name: 'many', title: '3 blocks of 1M series with 8 samples each', series: 1_000_000, blocks: 3, samples: 8 },
];

const figures: readonly Figure[] = [
  { name: 'CPU', unit: 's', digits: 2, lessIsBetter: true },
  { name: 'peak memory', unit: 'MB', digits: 0, lessIsBetter: true },
  { name: 'peak memory above idle', unit: 'MB', digits: 0, lessIsBetter: true },
  { name: 'bytes a sample, index included', unit: 'B', digits: 4, lessIsBetter: true },
  { name: 'index', unit: 'MB', digits: 2, lessIsBetter: true },
];
const rounds = 3;
const bytesPerMb = 1e6;
const root = join(import.meta.dirname, '../..');

/** Measures every case; Markdown. */
export function measureCompaction({ scale, keep, only, progress }: CompactionOptions): string {
  const folder = keep ?? mkdtempSync(join(tmpdir(), 'maru-compaction-'));
  const peer = buildPeer(folder, progress);
  const parts: string[] = [];
  try {
    for (const one of cases) {
      if (only !== '' && one.name !== only) continue;
      const series = Math.max(1, Math.round(one.series * scale));
      const sourcesOf = (chunkSamples: number) => writeBlocks(folder, { ...one, series }, chunkSamples, progress);
      const { maru, prometheus } = one.chunkSamples ?? { maru: 120, prometheus: 120 };
      const sources = { maru: sourcesOf(maru), prometheus: sourcesOf(prometheus) };
      parts.push(
        `## ${one.title}${scale === 1 ? '' : `, ${series} series`}\n`,
        measureCase(folder, sources, peer, progress),
        '',
      );
    }
  } finally {
    if (keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
  parts.push(
    'maru: the thread of the compactor, cold; it also verifies its output (every checksum, every count), which the peer does not. ' +
      'prometheus: `tsdb.LeveledCompactor` in a program of its own (load-tests/compaction/leveled-compactor.go).',
  );
  return parts.join('\n');
}

function writeBlocks(
  folder: string,
  { series, blocks, samples }: Case,
  chunkSamples: number,
  progress: Progress,
): string[] {
  const path = join(folder, `blocks-${series}-${blocks}-${samples}-${chunkSamples}`);
  const found = () => (existsSync(path) ? readdirSync(path).filter(isUlid) : []);
  if (found().length !== blocks) {
    progress.say(`writing ${blocks} blocks of ${series} series`);
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { recursive: true });
    run(process.execPath, [
      '--max-old-space-size=8000',
      join(import.meta.dirname, 'write-blocks.ts'),
      path,
      `${series}`,
      `${blocks}`,
      `${samples}`,
      `${chunkSamples}`,
    ]);
  }
  return found()
    .map((name) => join(path, name))
    .sort();
}

/** The Go program; undefined where there is no Go. */
function buildPeer(folder: string, progress: Progress): string | undefined {
  const path = join(folder, 'leveled-compactor');
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  progress.say('building leveled-compactor.go');
  const source = join(import.meta.dirname, 'leveled-compactor.go');
  const built = spawnSync(
    'go',
    ['build', '-C', join(root, '.ci/tools'), '-tags', 'remove_all_sd', '-o', path, source],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, CGO_ENABLED: '0' },
    },
  );
  return built.status === 0 ? path : undefined;
}

function measureCase(
  folder: string,
  sources: Readonly<Record<'maru' | 'prometheus', readonly string[]>>,
  peer: string | undefined,
  progress: Progress,
): string {
  const best = new Map<string, Map<string, number>>();
  for (let round = 1; round <= rounds; round++) {
    progress.say(`round ${round} of ${rounds}`);
    const output = join(folder, 'out');
    const once: ['maru' | 'prometheus', string, string[]][] = [
      ['maru', process.execPath, [join(import.meta.dirname, 'merge-once.ts')]],
    ];
    if (peer !== undefined) once.push(['prometheus', peer, []]);
    for (const [server, command, args] of once) {
      rmSync(output, { recursive: true, force: true });
      mkdirSync(output);
      const values = figuresOf(JSON.parse(run(command, [...args, output, ...sources[server]])) as Line);
      const known = best.get(server) ?? new Map<string, number>();
      best.set(server, known);
      for (const [name, value] of values) known.set(name, Math.min(known.get(name) ?? value, value));
      rmSync(output, { recursive: true, force: true });
    }
  }
  const measured: Measured[] = [...best].map(([server, values]) => ({ server, values, remarks: [] }));
  return markdownTable(figures, measured);
}

/** What either program prints. */
interface Line {
  readonly block: string;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  readonly idleBytes?: number;
}

function figuresOf({ block, cpuSeconds, peakBytes, idleBytes = Number.NaN }: Line): Map<string, number> {
  const { stats } = JSON.parse(readFileSync(join(block, 'meta.json'), 'utf8')) as { stats: { numSamples: number } };
  const index = statSync(join(block, 'index')).size;
  let bytes = index;
  for (const name of readdirSync(join(block, 'chunks'))) bytes += statSync(join(block, 'chunks', name)).size;
  return new Map([
    ['CPU', cpuSeconds],
    ['peak memory', peakBytes / bytesPerMb],
    ['peak memory above idle', (peakBytes - idleBytes) / bytesPerMb],
    ['bytes a sample, index included', bytes / stats.numSamples],
    ['index', index / bytesPerMb],
  ]);
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
  return stdout;
}
