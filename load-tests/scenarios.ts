/**
 * What is measured, a function a scenario: each runs one server from an empty folder and returns its figures.
 * Owns the order of warm-up, measurement and settling. Does not own sending (send-load.ts) nor the servers (servers.ts).
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../libs/telemetry/progress.ts';
import type { Protocol } from './encode-body.ts';
import { scrapeIntervalMs } from './label-recipe.ts';
import { type LoadPlan, planLoad, seriesPerBody } from './load-plan.ts';
import { cpuSeconds, diskBytes, residentBytes, watchOthers } from './measure-process.ts';
import { pidsOfRoom, residentByRoom, type SplitSnapshot, splitSnapshot } from './measure-split.ts';
import { ask, askUntil, heavyQuery, queryCases } from './query-load.ts';
import type { Figure, Measured } from './report.ts';
import { type LoadResult, sendClosed, sendOpen } from './send-load.ts';
import { RunningServer, type ServerKind } from './servers.ts';

export interface LoadOptions {
  /** Shrinks series and times: 1 is the real thing, less is for trying. */
  readonly scale: number;
  readonly connections: number;
  readonly progress: Progress;
}

export interface Scenario {
  readonly title: string;
  readonly protocol: Protocol;
  readonly figures: readonly Figure[];
  /** Names of those that it measures where none are asked for by name; absent: Maru in one process and its peers. */
  readonly servers?: readonly string[];
  /** Encodes the load once for all servers. */
  plan(options: LoadOptions): Promise<LoadPlan>;
  measure(server: RunningServer, plan: LoadPlan, options: LoadOptions): Promise<Outcome>;
}

interface Outcome {
  readonly values: readonly (readonly [figure: string, value: number])[];
  readonly remarks: readonly string[];
}

const figure = (name: string, unit: string, digits: number, lessIsBetter = true): Figure => ({
  name,
  unit,
  digits,
  lessIsBetter,
});

const samplesOf = (plan: LoadPlan, scrapes: number): number => plan.seriesCount * scrapes;
const scaled = (count: number, scale: number): number =>
  Math.max(seriesPerBody, Math.round((count * scale) / seriesPerBody) * seriesPerBody);

/** Until the process is quiet: what a server does after its answers belongs to them. At most 15 s. */
async function settle(server: RunningServer): Promise<void> {
  let before = cpuSeconds(server.pid);
  for (let i = 0; i < 15; i++) {
    await sleep(1000);
    const now = cpuSeconds(server.pid);
    if (i >= 2 && now - before < 0.03) return;
    before = now;
  }
}

function remarksOf(result: LoadResult): string[] {
  return result.failed === 0
    ? []
    : [`${result.failed} of ${result.pushes} pushes were not accepted: ${result.failures.join('; ')}`];
}

const splitFigures: readonly Figure[] = [
  figure('of it the distributor and querier', 'us', 2),
  figure('of it the ingesters', 'us', 2),
  figure('CPU per sample of the broker, not counted above', 'us', 2),
  figure('over the network per sample, the push included', 'bytes', 1),
  figure('in the log of Kafka per sample', 'bytes', 1),
  figure('memory per series, distributor and querier', 'bytes', 0),
  figure('memory per series, each ingester', 'bytes', 0),
];

/** What `splitFigures` are. */
function splitValues(
  server: RunningServer,
  before: SplitSnapshot,
  after: SplitSnapshot,
  plan: LoadPlan,
  samples: number,
): [string, number][] {
  const { pid } = server;
  const resident = residentByRoom(pid);
  const cpu = (room: string): number =>
    (((after.cpu.get(room) ?? Number.NaN) - (before.cpu.get(room) ?? 0)) / samples) * 1e6;
  const door = 'distributor,querier';
  const kafka = join(server.folder, 'kafka');
  const ofBroker = existsSync(kafka);
  return [
    ['of it the distributor and querier', cpu(door)],
    ['of it the ingesters', cpu('ingester')],
    [
      'CPU per sample of the broker, not counted above',
      ofBroker ? ((after.brokerCpu - before.brokerCpu) / samples) * 1e6 : Number.NaN,
    ],
    ['over the network per sample, the push included', (after.loopback - before.loopback) / samples],
    ['in the log of Kafka per sample', ofBroker ? diskBytes(kafka) / samplesOf(plan, plan.scrapes) : Number.NaN],
    ['memory per series, distributor and querier', (resident.get(door) ?? Number.NaN) / plan.seriesCount],
    [
      'memory per series, each ingester',
      (resident.get('ingester') ?? Number.NaN) / pidsOfRoom(pid, 'ingester').length / plan.seriesCount,
    ],
  ];
}

/** @param isSplit whether what is special to several processes is told as well */
function steady(protocol: Protocol, isSplit = false): Scenario {
  const warmScrapes = 20;
  const measuredScrapes = 40;
  return {
    title: `100k series, steady, ${protocol}`,
    protocol,
    figures: [
      figure('CPU per sample, first 20 scrapes', 'us', 2),
      figure('CPU per sample, steady', 'us', 2),
      figure('samples per second', '1/s', 0, false),
      figure('push p50', 'ms', 1),
      figure('push p99', 'ms', 1),
      figure('resident memory per series', 'bytes', 0),
      figure('on disk per sample', 'bytes', 2),
      ...(isSplit ? splitFigures : []),
    ],
    plan: ({ scale, progress }) => planLoad(protocol, scaled(100_000, scale), warmScrapes + measuredScrapes, progress),
    async measure(server, plan, { connections, progress }) {
      const cpuBegin = cpuSeconds(server.pid);
      const warm = await sendClosed(server, plan, 0, warmScrapes, connections, progress);
      await settle(server);
      const cpuWarm = cpuSeconds(server.pid);
      const before = splitSnapshot(server.pid);
      const result = await sendClosed(server, plan, warmScrapes, plan.scrapes, connections, progress);
      await settle(server);
      const cpuEnd = cpuSeconds(server.pid);
      const samples = samplesOf(plan, measuredScrapes);
      return {
        values: [
          ['CPU per sample, first 20 scrapes', ((cpuWarm - cpuBegin) / samplesOf(plan, warmScrapes)) * 1e6],
          ['CPU per sample, steady', ((cpuEnd - cpuWarm) / samples) * 1e6],
          ['samples per second', samples / result.seconds],
          ['push p50', result.quantile(0.5)],
          ['push p99', result.quantile(0.99)],
          ['resident memory per series', residentBytes(server.pid) / plan.seriesCount],
          ['on disk per sample', diskBytes(server.folder) / samplesOf(plan, plan.scrapes)],
          ...(isSplit ? splitValues(server, before, splitSnapshot(server.pid), plan, samples) : []),
        ],
        remarks: [...remarksOf(warm), ...remarksOf(result)],
      };
    },
  };
}

const manySeries: Scenario = {
  title: '1M new series, then 4 samples each, v1',
  protocol: 'v1',
  figures: [
    figure('CPU per new series', 'us', 2),
    figure('new series per second', '1/s', 0, false),
    figure('CPU per further sample', 'us', 2),
    figure('resident memory with 4 samples each', 'GB', 2),
    figure('push p99', 'ms', 1),
    figure('on disk', 'GB', 2),
  ],
  plan: ({ scale, progress }) => planLoad('v1', scaled(1_000_000, scale), 4, progress),
  async measure(server, plan, { connections, progress }) {
    const cpuBegin = cpuSeconds(server.pid);
    const created = await sendClosed(server, plan, 0, 1, connections, progress);
    await settle(server);
    const cpuCreated = cpuSeconds(server.pid);
    const result = await sendClosed(server, plan, 1, plan.scrapes, connections, progress);
    await settle(server);
    const cpuEnd = cpuSeconds(server.pid);
    return {
      values: [
        ['CPU per new series', ((cpuCreated - cpuBegin) / plan.seriesCount) * 1e6],
        ['new series per second', plan.seriesCount / created.seconds],
        ['CPU per further sample', ((cpuEnd - cpuCreated) / samplesOf(plan, plan.scrapes - 1)) * 1e6],
        ['resident memory with 4 samples each', residentBytes(server.pid) / 1e9],
        ['push p99', created.quantile(0.99)],
        ['on disk', diskBytes(server.folder) / 1e9],
      ],
      remarks: [...remarksOf(created), ...remarksOf(result)],
    };
  },
};

const restart: Scenario = {
  title: 'restart after kill -9: 100k series, 6M samples',
  protocol: 'v1',
  figures: [
    figure('start on an empty folder', 's', 2),
    figure('restart, best of 3', 's', 2),
    figure('restart, worst of 3', 's', 2),
    figure('resident memory after restart', 'GB', 2),
    figure('samples kept, of those acknowledged', 'share', 4, false),
    figure('on disk', 'GB', 2),
  ],
  plan: ({ scale, progress }) => planLoad('v1', scaled(100_000, scale), 60, progress),
  async measure(server, plan, { connections, progress }) {
    await server.kill();
    const emptySeconds = (await server.launch()) / 1000;
    const result = await sendClosed(server, plan, 0, plan.scrapes, connections, progress);
    const seconds: number[] = [];
    for (let i = 0; i < 3; i++) {
      await server.kill();
      seconds.push((await server.launch()) / 1000);
    }
    const memory = residentBytes(server.pid);
    // A tenth of all samples: those of one of the ten metrics.
    const kept = await askNumber(server, 'sum(count_over_time(container_cpu_usage_seconds_total[1h]))');
    return {
      values: [
        ['start on an empty folder', emptySeconds],
        ['restart, best of 3', Math.min(...seconds)],
        ['restart, worst of 3', Math.max(...seconds)],
        ['resident memory after restart', memory / 1e9],
        ['samples kept, of those acknowledged', kept / (samplesOf(plan, plan.scrapes) / 10)],
        ['on disk', diskBytes(server.folder) / 1e9],
      ],
      remarks: remarksOf(result),
    };
  },
};

/** The one number that a query answers now: 0 where the answer is empty, NaN where there is none. */
async function askNumber(server: RunningServer, query: string): Promise<number> {
  const form = new URLSearchParams({ query, time: String(Date.now() / 1000) });
  const response = await fetch(`${server.baseUrl}${server.kind.queryPath}/api/v1/query`, {
    method: 'POST',
    body: form,
  });
  if (response.status !== 200) return Number.NaN;
  const answer = (await response.json()) as { data?: { result?: readonly { value?: readonly [number, string] }[] } };
  return Number(answer.data?.result?.[0]?.value?.[1] ?? 0);
}

/** Undisturbed and disturbed in turn, so that what else happens on the machine meets both. */
const rounds = 5;
const scrapesBefore = 40;
const scrapesInTurn = 100;

interface InTurn {
  readonly calm: readonly LoadResult[];
  readonly disturbed: readonly LoadResult[];
  readonly remarks: readonly string[];
}

/** Warms and finds the most pushes a second that the server takes in a closed loop. */
async function findMaximum(
  server: RunningServer,
  plan: LoadPlan,
  { connections, progress }: LoadOptions,
): Promise<{ readonly maximum: number; readonly remarks: readonly string[] }> {
  const warmed = await sendClosed(server, plan, 0, scrapesBefore / 2, connections, progress);
  const closed = await sendClosed(server, plan, scrapesBefore / 2, scrapesBefore, connections, progress);
  await settle(server);
  return { maximum: closed.pushes / closed.seconds, remarks: [...remarksOf(warmed), ...remarksOf(closed)] };
}

/** An open loop of `rate` pushes a second; `disturb` begins what disturbs it, and returns how that ends. */
async function sendInTurn(
  server: RunningServer,
  plan: LoadPlan,
  rate: number,
  progress: Progress,
  disturb: () => Promise<() => Promise<void>>,
): Promise<InTurn> {
  const openConnections = 32;
  const scrapesEach = Math.floor((plan.scrapes - scrapesBefore) / rounds / 2);
  let scrape = scrapesBefore;
  const others: number[] = [];
  const pushes = async (): Promise<LoadResult> => {
    const begin = scrape;
    scrape += scrapesEach;
    const shareOfOthers = watchOthers();
    const result = await sendOpen(server, plan, begin, scrape, rate, 60, openConnections, progress);
    others.push(shareOfOthers() * 100);
    return result;
  };
  const calm: LoadResult[] = [];
  const disturbed: LoadResult[] = [];
  for (let round = 0; round < rounds; round++) {
    calm.push(await pushes());
    const end = await disturb();
    disturbed.push(await pushes());
    await end();
  }
  const all = [...calm, ...disturbed];
  const counted = all.reduce((sum, result) => sum + result.pushes, 0);
  return {
    calm,
    disturbed,
    remarks: [
      ...all.flatMap(remarksOf),
      `other processes took ${shown(others)} % of the cores in the rounds, undisturbed and disturbed in turn`,
      `${counted} pushes; p99 of each round undisturbed ${shown(calm.map(p99))} ms, disturbed ${shown(disturbed.map(p99))} ms`,
      ...(all.every(({ hadCoreFirst }) => hadCoreFirst)
        ? []
        : ['the sender was not allowed a priority above the servers: its own waiting for a core is in the figures']),
    ],
  };
}

const p99 = (result: LoadResult): number => result.quantile(0.99);
const medianOver = (results: readonly LoadResult[], read: (result: LoadResult) => number): number =>
  medianOf(results.map(read));

const latency: Scenario = {
  title: 'push latency, open loop at 25 % of the own maximum, 100k series, v1, median of 5 rounds',
  protocol: 'v1',
  figures: [
    figure('own maximum', 'pushes/s', 0, false),
    figure('rate of the open loop', 'pushes/s', 0, false),
    figure('p50, idle otherwise', 'ms', 2),
    figure('p99, idle otherwise', 'ms', 2),
    figure('p50, long queries running', 'ms', 2),
    figure('p99, long queries running', 'ms', 2),
    figure('p99 with queries / idle', 'ratio', 2),
    figure("p99 of the sender's own lateness in it, idle", 'ms', 2),
    figure("p99 of the sender's own lateness in it, queries", 'ms', 2),
    figure('duration of those queries', 's', 1),
  ],
  plan: ({ scale, progress }) => planLoad('v1', scaled(100_000, scale), scrapesInTurn, progress),
  async measure(server, plan, options) {
    const { progress, scale } = options;
    const found = await findMaximum(server, plan, options);
    const endMs = Date.now();
    const beginMs = endMs - plan.scrapes * scrapeIntervalMs;
    const heavy = heavyQuery(await stepForSeconds(server, beginMs, endMs, 10 * Math.min(1, scale * 2), progress));
    await settle(server);
    const durationsMs: number[] = [];
    const errors: string[] = [];
    const rate = found.maximum * 0.25;
    const { calm, disturbed, remarks } = await sendInTurn(server, plan, rate, progress, async () => {
      const stop = new AbortController();
      const queries = askUntil(server, heavy, beginMs, endMs, stop.signal);
      await sleep(1000);
      return async () => {
        stop.abort();
        const asked = await queries;
        durationsMs.push(...asked.milliseconds);
        errors.push(...asked.errors);
        await sleep(1000);
      };
    });
    return {
      values: [
        ['own maximum', found.maximum],
        ['rate of the open loop', rate],
        ['p50, idle otherwise', medianOver(calm, (result) => result.quantile(0.5))],
        ['p99, idle otherwise', medianOver(calm, p99)],
        ['p50, long queries running', medianOver(disturbed, (result) => result.quantile(0.5))],
        ['p99, long queries running', medianOver(disturbed, p99)],
        ['p99 with queries / idle', medianOver(disturbed, p99) / medianOver(calm, p99)],
        ["p99 of the sender's own lateness in it, idle", medianOver(calm, (result) => result.latenessQuantile(0.99))],
        [
          "p99 of the sender's own lateness in it, queries",
          medianOver(disturbed, (result) => result.latenessQuantile(0.99)),
        ],
        ['duration of those queries', durationsMs.reduce((a, b) => a + b, 0) / durationsMs.length / 1000],
      ],
      remarks: [
        ...found.remarks,
        ...(errors.length === 0 ? [] : [`${errors.length} queries failed: ${errors[0]}`]),
        ...(durationsMs.length === 0 && errors.length === 0
          ? ['no query ended in the time: each ran for all of a round']
          : []),
        ...remarks,
      ],
    };
  },
};

/** Of a house with three replicas: one stands still from just before the pushes of a round until they are over. */
const frozenReplica: Scenario = {
  title: 'push latency while one of three replicas is frozen, open loop at 25 % of the own maximum, median of 5 rounds',
  protocol: 'v1',
  servers: ['maru-rf3'],
  figures: [
    figure('own maximum', 'pushes/s', 0, false),
    figure('rate of the open loop', 'pushes/s', 0, false),
    figure('p50, all awake', 'ms', 2),
    figure('p99, all awake', 'ms', 2),
    figure('p50, one frozen', 'ms', 2),
    figure('p99, one frozen', 'ms', 2),
    figure('p99 with one frozen / all awake', 'ratio', 2),
  ],
  plan: ({ scale, progress }) => planLoad('v1', scaled(100_000, scale), scrapesInTurn, progress),
  async measure(server, plan, options) {
    const { progress } = options;
    const ingesters = pidsOfRoom(server.pid, 'ingester');
    if (ingesters.length !== 3) throw new Error('it takes a server of three replicas');
    const found = await findMaximum(server, plan, options);
    const rate = found.maximum * 0.25;
    let turn = 0;
    const { calm, disturbed, remarks } = await sendInTurn(server, plan, rate, progress, async () => {
      const pid = ingesters[turn++ % ingesters.length] ?? Number.NaN;
      process.kill(pid, 'SIGSTOP');
      return async () => {
        process.kill(pid, 'SIGCONT');
        await settle(server);
      };
    });
    return {
      values: [
        ['own maximum', found.maximum],
        ['rate of the open loop', rate],
        ['p50, all awake', medianOver(calm, (result) => result.quantile(0.5))],
        ['p99, all awake', medianOver(calm, p99)],
        ['p50, one frozen', medianOver(disturbed, (result) => result.quantile(0.5))],
        ['p99, one frozen', medianOver(disturbed, p99)],
        ['p99 with one frozen / all awake', medianOver(disturbed, p99) / medianOver(calm, p99)],
      ],
      remarks: [...found.remarks, ...remarks],
    };
  },
};

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const shown = (values: readonly number[]): string => values.map((value) => value.toFixed(1)).join(', ');

/** Prometheus answers at most 11,000 points a series. */
const stepsMax = 10_900;

/** A step at which the heavy query takes about `seconds`: found by asking with large steps and scaling. */
async function stepForSeconds(
  server: RunningServer,
  beginMs: number,
  endMs: number,
  seconds: number,
  progress: Progress,
): Promise<number> {
  const rangeSeconds = (endMs - beginMs) / 1000;
  // Two points on a line: what a step costs beyond what the selection costs. The first asking only warms.
  const [fewSteps, moreSteps] = [60, 600];
  await ask(server, heavyQuery(rangeSeconds / fewSteps), beginMs, endMs);
  const few = await ask(server, heavyQuery(rangeSeconds / fewSteps), beginMs, endMs);
  const more = await ask(server, heavyQuery(rangeSeconds / moreSteps), beginMs, endMs);
  if (few.error !== undefined || more.error !== undefined) {
    progress.say(`${server.kind.name}: ${few.error ?? more.error}`);
    return 15;
  }
  const perStepMs = Math.max((more.milliseconds - few.milliseconds) / (moreSteps - fewSteps), 0.1);
  const steps = (seconds * 1000 - few.milliseconds) / perStepMs + fewSteps;
  const step = rangeSeconds / Math.max(2, Math.min(stepsMax, Math.round(steps)));
  progress.say(
    `${server.kind.name}: ${few.milliseconds.toFixed(0)} ms for ${fewSteps} steps, ` +
      `${more.milliseconds.toFixed(0)} for ${moreSteps}: asks ${Math.round(rangeSeconds / step)} steps for ${seconds} s`,
  );
  return Math.ceil(step * 1000) / 1000;
}

const queries: Scenario = {
  title: 'queries over 15 minutes of 100k series, median of 7',
  protocol: 'v1',
  figures: [...queryCases.map(({ name }) => figure(name, 'ms', 1)), figure('geometric mean', 'ms', 1)],
  plan: ({ scale, progress }) => planLoad('v1', scaled(100_000, scale), 60, progress),
  async measure(server, plan, { connections, progress }) {
    const result = await sendClosed(server, plan, 0, plan.scrapes, connections, progress);
    await settle(server);
    const endMs = Math.floor(Date.now() / 1000 - 20) * 1000;
    const beginMs = endMs - (plan.scrapes - 4) * scrapeIntervalMs;
    const values: [string, number][] = [];
    const remarks = remarksOf(result);
    for (const one of queryCases) {
      const times: number[] = [];
      let series = 0;
      for (let i = 0; i < 8; i++) {
        const answer = await ask(server, one, beginMs, endMs);
        if (answer.error !== undefined) {
          remarks.push(`${one.name}: ${answer.error}`);
          break;
        }
        series = answer.series;
        if (i > 0) times.push(answer.milliseconds);
      }
      progress.say(`${server.kind.name}: ${one.name}: ${series} series`);
      values.push([one.name, times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN]);
    }
    const mean = Math.exp(values.reduce((sum, [, value]) => sum + Math.log(value), 0) / values.length);
    return { values: [...values, ['geometric mean', mean]], remarks };
  },
};

/** All in one process beside a process a room: for both protocols one after the other, in one table of results. */
export const splitScenarios: readonly Scenario[] = [steady('v1', true), steady('v2', true)];

export const scenarios: ReadonlyMap<string, Scenario> = new Map([
  ['steady-v1', steady('v1')],
  ['steady-v2', steady('v2')],
  ['many-series', manySeries],
  ['restart', restart],
  ['latency', latency],
  ['frozen-replica', frozenReplica],
  ['queries', queries],
]);

/** One server through one scenario; undefined where its program is absent or does not speak the protocol. */
export async function measureServer(
  kind: ServerKind,
  scenario: Scenario,
  plan: LoadPlan,
  options: LoadOptions,
): Promise<Measured | undefined> {
  if (!kind.protocols.includes(scenario.protocol)) {
    options.progress.say(`${kind.name}: does not speak ${scenario.protocol}`);
    return undefined;
  }
  const started = await RunningServer.start(kind);
  if (started === undefined) {
    options.progress.say(`${kind.name}: not on this machine`);
    return undefined;
  }
  await using server = started;
  try {
    const { values, remarks } = await scenario.measure(server, plan, options);
    return { server: kind.name, values: new Map(values), remarks };
  } catch (error) {
    throw new Error(`${kind.name} in "${scenario.title}"; it said:\n${server.output().slice(-2000)}`, { cause: error });
  }
}
