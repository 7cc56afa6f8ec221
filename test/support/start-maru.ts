/**
 * A real Maru process of a test, that can be killed, stopped and started again on the same folder and port.
 * Owns the process and its folder. Does not own requests (push-client.ts, query-client.ts).
 */
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import type { ProcessExit, RunningProcess } from './run-process.ts';
import { runProcess } from './run-process.ts';
import { tempFolder } from './temp-folder.ts';
import { GiveUp, waitFor } from './wait-until.ts';

const repositoryFolder = join(import.meta.dirname, '../..');

export interface MaruOptions {
  /** Further flags, after the folder and the port. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A folder that is kept when the handle is disposed; absent, a temporary one is made and removed. */
  readonly dataDir?: string;
}

export interface Maru extends AsyncDisposable {
  /** Where writes go and `/ready` stands. */
  readonly baseUrl: string;
  /** Where the Prometheus API stands: before `/api/v1`. */
  readonly queryUrl: string;
  readonly dataDir: string;
  /** The folder of the bucket, where nothing else is configured. */
  readonly bucket: string;
  readonly port: number;
  /** Where a room that has no door of its own is looked at: its metrics, its pages. */
  roomUrl(room: 'ingester' | 'store-gateway' | 'compactor'): string;
  pid(): number;
  /** Of every process that it is made of. */
  pids(): readonly number[];
  /** What the process said since its last start. */
  log(): string;
  isRunning(): boolean;
  exited(): Promise<ProcessExit>;
  signal(name: NodeJS.Signals): void;
  /** Starts the process again without waiting. It must have ended. */
  launch(): void;
  /** Resolves when `/ready` answers 200. */
  ready(deadlineMs?: number): Promise<void>;
  /** SIGKILL, and resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and resolves when the process is gone. */
  stop(): Promise<ProcessExit>;
}

/** Runs `main.ts` once with exactly these flags; for tests of the command line itself. */
export function runMaru(args: readonly string[], options: Pick<MaruOptions, 'env'> = {}): RunningProcess {
  return runProcess(process.execPath, [join(repositoryFolder, 'services/main.ts'), ...args], {
    env: { ...options.env },
  });
}

/** Starts Maru and waits until it is ready. Disposing kills it. */
export async function startMaru(options: MaruOptions = {}): Promise<Maru> {
  const folder = options.dataDir === undefined ? await tempFolder('maru') : undefined;
  const dataDir = options.dataDir ?? join(folder?.path ?? '', 'data');
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const start = () =>
    runMaru([`--data-dir=${dataDir}`, `--server.http-port=${port}`, ...(options.args ?? [])], options);
  let child = start();
  const maru: Maru = {
    baseUrl,
    queryUrl: `${baseUrl}/prometheus`,
    dataDir,
    bucket: join(dataDir, 'bucket'),
    port,
    roomUrl: () => baseUrl,
    pid: () => child.pid,
    pids: () => [child.pid],
    log: () => child.output(),
    isRunning: () => child.isRunning(),
    exited: () => child.exited,
    signal: (name) => child.signal(name),
    launch: () => {
      if (child.isRunning()) throw new Error('Maru is still running');
      child = start();
    },
    ready: async (deadlineMs = 120_000) => {
      const isReady = async () => {
        if (!child.isRunning()) throw new GiveUp(`Maru ended before it was ready:\n${lastLines(child.output())}`);
        return (await fetch(`${baseUrl}/ready`)).status === 200 ? true : undefined;
      };
      try {
        await waitFor(`Maru ready on ${baseUrl}`, isReady, { deadlineMs, everyMs: 20 });
      } catch (error) {
        throw new Error(`Maru is not ready; it said:\n${lastLines(child.output())}`, { cause: error });
      }
    },
    kill: async () => {
      child.signal('SIGKILL');
      await child.exited;
    },
    stop: () => {
      child.signal('SIGTERM');
      return child.exited;
    },
    [Symbol.asyncDispose]: async () => {
      await maru.kill();
      await folder?.[Symbol.asyncDispose]();
    },
  };
  try {
    await maru.ready();
  } catch (error) {
    await maru[Symbol.asyncDispose]();
    throw error;
  }
  return maru;
}

const lastLines = (text: string): string => text.split('\n').slice(-40).join('\n');
