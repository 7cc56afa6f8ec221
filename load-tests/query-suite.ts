/**
 * The same questions to every server, on the same history, in one run: latency cold and warm, CPU, peak memory.
 * Owns the order: servers are filled one after the other, then each question goes to all of them in turn, again and again, so that a
 * machine that is slower for a while is so for all. The filled folders can be kept, so that a run can be cut into pieces.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '../libs/telemetry/progress.ts';
import { fillHistory, type History } from './fill-history.ts';
import { anonymousBytes, cpuSeconds } from './measure-process.ts';
import { type Ask, daysCases, type HistoryCase, hoursCases } from './query-cases.ts';
import { RunningServer, type ServerKind, serverKinds } from './servers.ts';

export interface SuiteOptions {
  readonly scale: number;
  readonly connections: number;
  readonly servers: readonly string[];
  /** Where filled folders are kept from run to run; undefined for a folder that goes with the run. */
  readonly keep: string | undefined;
  /** Words with | between them: only cases with one in their names are asked; what an earlier run on the same folder measured stays. */
  readonly only: string;
  /** How long a server may be written to in this run; the next run goes on where this one stopped. */
  readonly fillSeconds: number;
  readonly progress: Progress;
}

interface Suite {
  readonly title: string;
  readonly cases: readonly HistoryCase[];
  readonly seriesCount: number;
  readonly scrapes: number;
  readonly intervalMs: number;
}

export const suites: ReadonlyMap<string, Suite> = new Map([
  [
    'query-hours',
    { title: '100k series x 6 h at 15 s', cases: hoursCases, seriesCount: 100_000, scrapes: 1440, intervalMs: 15_000 },
  ],
  [
    'query-days',
    { title: '1,000 series x 30 d at 60 s', cases: daysCases, seriesCount: 1000, scrapes: 43_200, intervalMs: 60_000 },
  ],
]);

interface CaseFigures {
  readonly coldMs: number;
  readonly warmMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  /** Series (or values) of all answers, to see that all servers answer alike. */
  readonly series: number;
  readonly error: string | undefined;
}

const warmUpAsksMax = 1_000;
const warmUpSeconds = 2;
const warmAsksMax = 200;
const warmAsksMin = 3;
/** One server is asked so often, or so long, before the next one has its turn. */
const burstAsksMax = 20;
const burstMs = 50;
const warmSeconds = 1;
const memoryPollMs = 5;
const settleSecondsMax = 600;

/** Runs a suite; @returns the text of its table */
export async function runSuite(name: string, suite: Suite, options: SuiteOptions): Promise<string> {
  const { keep, progress, scale } = options;
  const folder =
    keep === undefined
      ? mkdtempSync(join(process.env.MARU_TEST_DATA_DIR ?? tmpdir(), 'load-suite-'))
      : join(keep, `${name}-${scale}`);
  mkdirSync(folder, { recursive: true });
  const history = historyOf(folder, suite, scale);
  const running: RunningServer[] = [];
  try {
    for (const kind of serverKinds) {
      if (!options.servers.includes(kind.name)) continue;
      const server = await startFilled(kind, folder, history, options);
      if (server !== undefined) running.push(server);
    }
    const words = options.only.split('|');
    const figures = new StoredFigures(join(folder, 'figures.json'));
    for (const one of suite.cases) {
      if (!words.some((word) => one.name.includes(word))) continue;
      for (const [server, measured] of await measureCase(running, one, history)) {
        figures.set(server, one.name, measured);
        progress.say(
          `${server}: ${one.name}: ${measured.coldMs.toFixed(1)} ms cold, ${measured.warmMs.toFixed(1)} warm, ` +
            `${measured.cpuMs.toFixed(1)} CPU, ${(measured.peakBytes / 1e6).toFixed(0)} MB, ${measured.series} series${measured.error === undefined ? '' : `, ${measured.error}`}`,
        );
      }
    }
    const servers = options.servers.filter((server) => suite.cases.some((one) => figures.get(server, one.name)));
    const measured = suite.cases.filter((one) => servers.every((server) => figures.get(server, one.name)));
    const columns = servers.map((server): [string, CaseFigures[]] => [
      server,
      measured.map((one) => figures.get(server, one.name) as CaseFigures),
    ]);
    return suiteTable(measured, new Map(columns), history, suite.title);
  } finally {
    for (const server of running) await server[Symbol.asyncDispose]();
    if (keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

type Figures = Record<string, Record<string, CaseFigures>>;

/** What has been measured on a history, by server and case: a run in pieces makes one table. */
class StoredFigures {
  readonly #file: string;
  readonly #figures: Figures;

  constructor(file: string) {
    this.#file = file;
    this.#figures = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Figures) : {};
  }

  get(server: string, name: string): CaseFigures | undefined {
    return this.#figures[server]?.[name];
  }

  set(server: string, name: string, figures: CaseFigures): void {
    this.#figures[server] ??= {};
    this.#figures[server][name] = figures;
    writeFileSync(this.#file, JSON.stringify(this.#figures));
  }
}

function historyOf(folder: string, suite: Suite, scale: number): History {
  const file = join(folder, 'history.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as History;
  const { scrapes, intervalMs } = suite;
  const endMs = Math.floor(Date.now() / 60_000) * 60_000;
  const history = { seriesCount: Math.round(suite.seriesCount * scale), scrapes, intervalMs, endMs };
  writeFileSync(file, JSON.stringify(history));
  return history;
}

/** Undefined where the program is absent, or the history is not written to its end yet. */
async function startFilled(
  kind: ServerKind,
  parent: string,
  history: History,
  { connections, progress, fillSeconds }: SuiteOptions,
): Promise<RunningServer | undefined> {
  const folder = join(parent, kind.name);
  const mark = join(parent, `${kind.name}.filled`);
  const filled = existsSync(mark) ? Number(readFileSync(mark, 'utf8')) : 0;
  if (filled === 0) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const server = await RunningServer.startIn(kind, folder, 'keep');
  if (server === undefined) {
    progress.say(`${kind.name}: not on this machine`);
    return undefined;
  }
  if (filled >= history.scrapes) return server;
  const protocol = kind.protocols.includes('v2') ? 'v2' : 'v1';
  const reached = await fillHistory(server, protocol, history, connections, progress, filled, fillSeconds);
  await server.stop();
  if (reached >= history.scrapes) await settle(kind, folder, progress);
  writeFileSync(mark, String(reached));
  if (reached >= history.scrapes) return RunningServer.startIn(kind, folder, 'keep');
  progress.say(`${kind.name}: ${reached} of ${history.scrapes} scrapes are written`);
  return undefined;
}

/** Waits until a history that is written is as one that was written long ago. */
async function settle(kind: ServerKind, folder: string, progress: Progress): Promise<void> {
  if (kind.settling === undefined) return;
  await using server = await RunningServer.startIn(kind, folder, 'keep', kind.settling.flags);
  if (server === undefined) return;
  progress.say(`${kind.name}: settles`);
  const stopAt = performance.now() + settleSecondsMax * 1000;
  while (!(await kind.settling.isDone(server))) {
    if (performance.now() > stopAt) throw new Error(`${kind.name} has not settled after ${settleSecondsMax} s`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** A server that is asked one case. */
class CaseRun {
  readonly server: RunningServer;
  readonly #one: HistoryCase;
  readonly #history: History;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  readonly #times: number[] = [];
  #cold: Asked = { milliseconds: Number.NaN, series: 0, error: undefined };
  #idleBytes = 0;
  #peakBytes = 0;
  #cpuMs = 0;

  constructor(server: RunningServer, one: HistoryCase, history: History) {
    this.server = server;
    this.#one = one;
    this.#history = history;
  }

  async askCold(): Promise<void> {
    this.#cold = await askAll(this.server, this.#agent, this.#one, this.#history);
    this.#idleBytes = anonymousBytes(this.server.pid);
  }

  /** Asks without measuring: what is called warm is a server that has been asked such things all day, its code compiled. */
  async warmUp(): Promise<void> {
    if (this.#cold.error !== undefined) return;
    const stopAt = performance.now() + warmUpSeconds * 1000;
    for (let asks = 0; asks < warmUpAsksMax && performance.now() < stopAt; asks++) {
      await askAll(this.server, this.#agent, this.#one, this.#history);
    }
  }

  /** Nobody waits for it: it was refused, or has been asked often or long enough. */
  get isDone(): boolean {
    if (this.#cold.error !== undefined || this.#times.length >= warmAsksMax) return true;
    const milliseconds = this.#times.reduce((a, b) => a + b, 0);
    return this.#times.length >= warmAsksMin && milliseconds > warmSeconds * 1000;
  }

  /** A burst: what is between two askings of it is the time that the client takes, not another server's answer. */
  async askWarm(): Promise<void> {
    const poll = setInterval(() => {
      this.#peakBytes = Math.max(this.#peakBytes, anonymousBytes(this.server.pid));
    }, memoryPollMs);
    const begin = cpuSeconds(this.server.pid);
    let burst = 0;
    for (let asks = 0; asks < burstAsksMax && burst < burstMs; asks++) {
      const { milliseconds } = await askAll(this.server, this.#agent, this.#one, this.#history);
      this.#times.push(milliseconds);
      burst += milliseconds;
    }
    clearInterval(poll);
    this.#cpuMs += (cpuSeconds(this.server.pid) - begin) * 1000;
  }

  end(): CaseFigures {
    this.#agent.destroy();
    const times = this.#times.sort((a, b) => a - b);
    const { milliseconds, series, error } = this.#cold;
    return {
      coldMs: error === undefined ? milliseconds : Number.NaN,
      warmMs: times[times.length >> 1] ?? Number.NaN,
      cpuMs: this.#cpuMs / times.length,
      peakBytes: Math.max(0, this.#peakBytes - this.#idleBytes),
      series,
      error,
    };
  }
}

/** Asks all servers in turn, a burst each, so that whatever else the machine does meets all of them. */
async function measureCase(
  servers: readonly RunningServer[],
  one: HistoryCase,
  history: History,
): Promise<ReadonlyMap<string, CaseFigures>> {
  const runs = servers.map((server) => new CaseRun(server, one, history));
  for (const run of runs) await run.askCold();
  for (const run of runs) await run.warmUp();
  while (runs.some((run) => !run.isDone)) for (const run of runs) if (!run.isDone) await run.askWarm();
  return new Map(runs.map((run) => [run.server.kind.name, run.end()]));
}

interface Asked {
  readonly milliseconds: number;
  readonly series: number;
  readonly error: string | undefined;
}

/** All requests of a case at once, until the last has been answered. */
async function askAll(server: RunningServer, agent: Agent, one: HistoryCase, history: History): Promise<Asked> {
  const begin = performance.now();
  const answers = await Promise.all(one.asks.map((ask) => send(server, agent, ask, history)));
  const milliseconds = performance.now() - begin;
  let series = 0;
  let error: string | undefined;
  for (const { status, body } of answers) {
    if (status !== 200) error = `${status}: ${body.toString('utf8', 0, 300)}`;
    else series += resultCount(body);
  }
  return { milliseconds, series, error };
}

function send(
  server: RunningServer,
  agent: Agent,
  { path, parameters, range }: Ask,
  { endMs, intervalMs }: History,
): Promise<{ status: number; body: Buffer }> {
  const form = new URLSearchParams(Object.fromEntries(parameters));
  // The last interval is not whole for all series.
  const end = endMs / 1000 - (2 * intervalMs) / 1000;
  if (range !== undefined) {
    form.set('start', String(end - range.seconds));
    form.set('end', String(end));
    form.set('step', String(range.stepSeconds));
  } else if (path === 'query') {
    form.set('time', String(end));
  } else {
    form.set('start', String(end - 3600));
    form.set('end', String(end));
  }
  // It would answer what was asked before from its cache of results, which says nothing of how it evaluates.
  if (server.kind.name === 'victoriametrics') form.set('nocache', '1');
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        agent,
        host: '127.0.0.1',
        port: server.port,
        path: `${server.kind.queryPath}/api/v1/${path}?${form}`,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
        response.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

function resultCount(body: Buffer): number {
  const { data } = JSON.parse(body.toString('utf8')) as { data: { result?: readonly unknown[] } | readonly unknown[] };
  if (Array.isArray(data)) return data.length;
  return (data as { result?: readonly unknown[] }).result?.length ?? 0;
}

function geomean(values: readonly number[]): number {
  const known = values.filter((value) => Number.isFinite(value));
  return Math.exp(known.reduce((sum, value) => sum + Math.log(value), 0) / known.length);
}

function suiteTable(
  cases: readonly HistoryCase[],
  figures: ReadonlyMap<string, readonly CaseFigures[]>,
  { seriesCount, scrapes, intervalMs }: History,
  title: string,
): string {
  const servers = [...figures.keys()];
  const of = (server: string, i: number): CaseFigures => figures.get(server)?.[i] as CaseFigures;
  const peers = servers[0] === 'maru' ? servers.slice(1) : [];
  const header = [
    'case',
    ...servers.map((server) => `${server} (ms)`),
    ...peers.map((peer) => `maru / ${peer}`),
    ...peers.map((peer) => `cold / ${peer}`),
    ...servers.map((server) => `${server} CPU (ms)`),
    ...servers.map((server) => `${server} peak (MB)`),
  ];
  const lines = [`| ${header.join(' | ')} |`, `|${header.map(() => '---').join('|')}|`];
  const remarks: string[] = [];
  cases.forEach((one, i) => {
    const ratio = (peer: string, of_: 'warmMs' | 'coldMs') => (of('maru', i)[of_] / of(peer, i)[of_]).toFixed(2);
    lines.push(
      `| ${[
        one.name,
        ...servers.map((server) => of(server, i).warmMs.toFixed(1)),
        ...peers.map((peer) => ratio(peer, 'warmMs')),
        ...peers.map((peer) => ratio(peer, 'coldMs')),
        ...servers.map((server) => of(server, i).cpuMs.toFixed(1)),
        ...servers.map((server) => (of(server, i).peakBytes / 1e6).toFixed(0)),
      ].join(' | ')} |`,
    );
    for (const server of servers) {
      const { error, series } = of(server, i);
      if (error !== undefined) remarks.push(`${server}: ${one.name}: ${error}`);
      else if (series !== of(servers[0] as string, i).series) {
        remarks.push(
          `${one.name}: ${server} answers ${series}, ${servers[0]} ${of(servers[0] as string, i).series} series`,
        );
      }
    }
  });
  for (const peer of peers) {
    for (const which of ['warmMs', 'coldMs', 'cpuMs'] as const) {
      // Who finds nothing where there is something does not know the question (VictoriaMetrics: native histograms).
      const isAnswered = (i: number): boolean => of(peer, i).series > 0 || of('maru', i).series === 0;
      const ratios = cases.map((_, i) =>
        isAnswered(i) ? Math.max(of('maru', i)[which], 0.05) / Math.max(of(peer, i)[which], 0.05) : Number.NaN,
      );
      const known = ratios.filter((value) => Number.isFinite(value));
      const worst = ratios.indexOf(Math.max(...known));
      const word = { warmMs: 'latency, warm', coldMs: 'latency, cold', cpuMs: 'CPU' }[which];
      remarks.push(
        `**maru / ${peer}, ${word}: geometric mean ${geomean(ratios).toFixed(2)}, worst ${(ratios[worst] ?? Number.NaN).toFixed(2)} (${cases[worst]?.name}), ${known.length} cases**`,
      );
    }
  }
  return (
    `${title}; here ${seriesCount} series, ${scrapes} scrapes every ${intervalMs / 1000} s. Latency until the last byte; warm is the median after up to two seconds of the same, of up to ` +
    `${warmAsksMax} in bursts of up to ${burstAsksMax} or ${burstMs} ms, the servers in turn, cold the first asking after a start. CPU and peak (anonymous memory above idle) are of the warm askings.\n\n${lines.join('\n')}\n\n${remarks.join('\n\n')}\n`
  );
}
