/**
 * The ways in which the rooms of Maru are put together: the table that every integration case runs through.
 * Owns a cluster's face as one Maru: writes go to the distributor, reads to the query-frontend, its end is the end of all.
 */
import { describe, type TestOptions } from 'node:test';
import { startCluster } from './start-cluster.ts';
import { type Maru, type MaruOptions, startMaru } from './start-maru.ts';

type Start = (options?: MaruOptions) => Promise<Maru>;

const carriers: readonly { readonly name: string; readonly start: Start }[] = [
  { name: 'in one process', start: startMaru },
  { name: 'each room in a process of its own', start: startSplit },
];

/** A `describe` for each carrier; `body` gets what starts a Maru that way. */
export function describeEachCarrier(name: string, options: TestOptions, body: (start: Start) => void): void {
  for (const carrier of carriers) describe(`${name} (${carrier.name})`, options, () => body(carrier.start));
}

async function startSplit(options: Omit<MaruOptions, 'dataDir'> = {}): Promise<Maru> {
  const cluster = await startCluster({
    zones: ['a'],
    partitions: 1,
    replicationFactor: 1,
    frontends: 1,
    storeGateways: 1,
    compactors: 1,
    ...options,
  });
  const { distributor, querier, frontend = querier, storeGateways, compactors } = cluster;
  const others = [frontend, querier, ...storeGateways, ...compactors, ...cluster.ingesters.values()];
  const all = [distributor, ...others];
  const maru: Maru = {
    baseUrl: distributor.baseUrl,
    queryUrl: frontend.queryUrl,
    dataDir: distributor.dataDir,
    bucket: cluster.bucket,
    port: distributor.port,
    roomUrl: (room) => {
      const [ingester] = cluster.ingesters.values();
      const found = { ingester, 'store-gateway': storeGateways[0], compactor: compactors[0] }[room];
      if (found === undefined) throw new Error(`there is no ${room}`);
      return found.baseUrl;
    },
    pid: () => distributor.pid(),
    pids: () => all.map((one) => one.pid()),
    log: () => all.map((one) => one.log()).join('\n'),
    isRunning: () => all.every((one) => one.isRunning()),
    exited: () => distributor.exited(),
    signal: (name) => {
      for (const one of all) one.signal(name);
    },
    launch: () => {
      for (const one of all) one.launch();
    },
    ready: async (deadlineMs) => {
      await Promise.all(all.map((one) => one.ready(deadlineMs)));
    },
    kill: async () => {
      await Promise.all(all.map((one) => one.kill()));
    },
    stop: async () => {
      const [first] = await Promise.all(all.map((one) => one.stop()));
      return first ?? distributor.exited();
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
  return maru;
}
