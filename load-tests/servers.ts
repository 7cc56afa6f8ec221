/**
 * The servers that are measured: Maru and the peers that are on this machine, each started on an empty folder and ended by
 * its own pid. Owns where they are found and their flags. All run with their defaults except what is named here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Protocol } from './encode-body.ts';

export interface ServerKind {
  readonly name: string;
  /** Several processes of Maru; measured where it is asked for by name. */
  readonly isSplit?: boolean;
  readonly protocols: readonly Protocol[];
  readonly pushPath: string;
  readonly readyPath: string;
  /** Besides this process' own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Before `/api/v1`. */
  readonly queryPath: string;
  /** What brings a history that was just written into the shape that one of its age has: undefined where the server does so as it is written. */
  readonly settling?: {
    readonly flags: readonly string[];
    /** Whether all is merged that will be. */
    isDone(server: RunningServer): Promise<boolean>;
  };
  /** The program and its flags, undefined where the program is absent. */
  command(folder: string, port: number): readonly [string, readonly string[]] | undefined;
}

const repository = join(import.meta.dirname, '..');

/** Programs are looked for where `.ci/run` keeps them, then on the PATH. */
function findProgram(cached: string, name: string): string | undefined {
  const candidates: string[] = [];
  const tools = process.env.MARU_TOOLS_DIR ?? join(homedir(), '.cache/maru-tools');
  try {
    for (const pinned of readdirSync(tools)) candidates.push(join(tools, pinned, cached));
  } catch {
    // No such folder.
  }
  for (const folder of (process.env.PATH ?? '').split(delimiter)) candidates.push(join(folder, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Maru as one process a room, with so many ingesters that each hold everything. */
function splitMaru(name: string, replicas: number, log: 'local' | 'kafka' | 'kafka-zstd' = 'local'): ServerKind {
  return {
    name,
    isSplit: true,
    protocols: ['v1', 'v2'],
    pushPath: '/api/v1/push',
    readyPath: '/ready',
    queryPath: '/prometheus',
    command: (folder, port) => [
      process.execPath,
      [join(repository, 'load-tests/split-maru.ts'), folder, String(port), String(replicas), log],
    ],
  };
}

export const serverKinds: readonly ServerKind[] = [
  {
    name: 'maru',
    protocols: ['v1', 'v2'],
    pushPath: '/api/v1/push',
    readyPath: '/ready',
    queryPath: '/prometheus',
    // As bin/maru.js has it.
    environment: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '65536' },
    command: (folder, port) => [
      process.execPath,
      [
        '--single-threaded-gc', // as bin/maru.js does
        '--max-semi-space-size=16',
        ...(process.env.MARU_TEST_NODE_FLAGS ?? '').split(' ').filter((flag) => flag !== ''),
        join(repository, 'services/main.ts'),
        `--data-dir=${folder}`,
        `--server.http-port=${port}`,
        // A query of ten seconds holds more points than the default maximum of 50 million lets pass.
        '--query.max-samples=1000000000',
        '--query.max-memory-bytes=4GiB',
        // A history is written that began long ago.
        '--limits.past-grace-period=0',
        // What is asked is what was written: all servers hold the same.
        '--self-metrics.tenant=maru',
        ...(process.env.MARU_TEST_FLAGS ?? '').split(' ').filter((flag) => flag !== ''),
      ],
    ],
    // Blocks of hours become blocks of days, and leave the ingester, within a day; here within minutes.
    settling: {
      flags: [
        '--compactor.compaction-interval=5s',
        '--compactor.cleanup-interval=20s',
        '--compactor.first-level-compaction-wait-period=0s',
        '--ingester.ship-interval=5s',
        '--query.bucket-index-max-age=30s',
        '--query.bucket-index-refresh=5s',
        '--store-gateway.sync-interval=5s',
        '--query.timeout=10s',
      ],
      isDone: async ({ baseUrl, folder }) => {
        const response = await fetch(`${baseUrl}/compactor/tenant/anonymous/planned_jobs`);
        const { planned_jobs } = (await response.json()) as { readonly planned_jobs: readonly unknown[] };
        const blocks = join(folder, 'blocks/anonymous');
        // Those of the last two hours stay.
        return planned_jobs.length === 0 && (!existsSync(blocks) || readdirSync(blocks).length <= 2);
      },
    },
  },
  splitMaru('maru-rf1', 1),
  splitMaru('maru-rf3', 3),
  // The broker is not counted.
  splitMaru('maru-kafka', 1, 'kafka'),
  splitMaru('maru-kafka-zstd', 1, 'kafka-zstd'),
  {
    name: 'prometheus',
    protocols: ['v1', 'v2'],
    pushPath: '/api/v1/write',
    readyPath: '/-/ready',
    queryPath: '',
    command: (folder, port) => {
      const program = findProgram('bin/prometheus', 'prometheus');
      if (program === undefined) return undefined;
      const configuration = join(folder, 'prometheus.yml');
      writeFileSync(configuration, '');
      return [
        program,
        [
          `--config.file=${configuration}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          `--web.listen-address=127.0.0.1:${port}`,
          '--log.level=error',
          '--query.timeout=5m',
          '--query.max-samples=1000000000',
          '--storage.tsdb.retention.time=1y',
          '--web.enable-remote-write-receiver',
          '--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest',
          '--web.remote-write-receiver.accepted-protobuf-messages=io.prometheus.write.v2.Request',
        ],
      ];
    },
  },
  {
    name: 'victoriametrics',
    protocols: ['v1'],
    pushPath: '/api/v1/write',
    readyPath: '/health',
    queryPath: '/prometheus',
    command: (folder, port) => {
      const program = findProgram('debian/victoria-metrics/usr/bin/victoria-metrics', 'victoria-metrics');
      if (program === undefined) return undefined;
      return [
        program,
        [
          `-storageDataPath=${join(folder, 'data')}`,
          `-httpListenAddr=127.0.0.1:${port}`,
          '-loggerLevel=ERROR',
          '-search.maxQueryDuration=5m',
          '-retentionPeriod=1y',
        ],
      ];
    },
  },
];

/** A server under load. */
export class RunningServer {
  readonly kind: ServerKind;
  readonly folder: string;
  readonly port: number;
  readonly #afterwards: 'delete' | 'keep';
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(
    kind: ServerKind,
    folder: string,
    port: number,
    afterwards: 'delete' | 'keep',
    flags: readonly string[],
  ) {
    this.kind = kind;
    this.folder = folder;
    this.port = port;
    this.#afterwards = afterwards;
    this.#flags = flags;
  }

  /** Starts a server on an empty folder; undefined where its program is absent. */
  static async start(kind: ServerKind): Promise<RunningServer | undefined> {
    const folder = mkdtempSync(join(process.env.MARU_TEST_DATA_DIR ?? tmpdir(), `load-${kind.name}-`));
    const server = await RunningServer.startIn(kind, folder, 'delete');
    if (server === undefined) rmSync(folder, { recursive: true });
    return server;
  }

  /** Starts a server on a folder that may hold data, with further flags; undefined where its program is absent. */
  static async startIn(
    kind: ServerKind,
    folder: string,
    afterwards: 'delete' | 'keep',
    flags: readonly string[] = [],
  ): Promise<RunningServer | undefined> {
    const server = new RunningServer(kind, folder, await freePort(), afterwards, flags);
    if (kind.command(folder, server.port) === undefined) return undefined;
    await server.launch();
    return server;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.kind.name} is not running`);
    return this.#child.pid;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts the process and waits for the first 200 of its readiness. @returns milliseconds between the two */
  async launch(): Promise<number> {
    const command = this.kind.command(this.folder, this.port);
    if (command === undefined) throw new Error(`${this.kind.name} is absent`);
    const begin = performance.now();
    const child = spawn(command[0], [...command[1], ...this.#flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: this.folder,
      env: { ...this.kind.environment, ...process.env },
      detached: true,
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-20_000);
      });
    }
    process.once('exit', this.#killWithParent);
    let ended = false;
    child.once('error', () => {
      ended = true;
    });
    child.once('exit', () => {
      ended = true;
    });
    while (!(await this.#isReady())) {
      if (ended) throw new Error(`${this.kind.name} ended before it was ready:\n${this.#output}`);
      if (performance.now() - begin > 120_000) throw new Error(`${this.kind.name} is not ready:\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return performance.now() - begin;
  }

  /** What the process said last. */
  output(): string {
    return this.#output;
  }

  /** SIGKILL, and the folder stays. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    process.off('exit', this.#killWithParent);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    killGroup(child);
    await gone;
  }

  /** Asks it to end and waits until it has, a minute at most. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 60_000).unref())]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#afterwards === 'keep') await this.stop();
    await this.kill();
    if (this.#afterwards === 'delete') rmSync(this.folder, { recursive: true, force: true });
  }

  readonly #killWithParent = (): void => {
    if (this.#child !== undefined) killGroup(this.#child);
  };

  async #isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.baseUrl}${this.kind.readyPath}`, { signal: AbortSignal.timeout(1000) });
      await response.arrayBuffer();
      return response.status === 200;
    } catch {
      return false;
    }
  }
}

/** A server may be several processes: it leads a group of its own. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a numbered address');
  return address.port;
}
