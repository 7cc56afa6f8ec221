/**
 * A cluster of real processes around one bucket in a folder: ingesters in zones, a distributor, queriers, a query-frontend,
 * store-gateways, compactors.
 * Owns which process gets which flags. Does not own a process (start-maru.ts) nor what a test does to it.
 */
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type Maru, startMaru } from './start-maru.ts';
import { tempFolder } from './temp-folder.ts';

export interface ClusterOptions {
  /** Zones, each with an ingester for every partition. */
  readonly zones: readonly string[];
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Queriers, of which the first one's HTTP is asked where there is no query-frontend; one unless it is said. */
  readonly queriers?: number;
  /** Whether a query-frontend stands in front of them. */
  readonly frontend?: boolean;
  /** How many there are, in the zones in turn; none unless said. */
  readonly storeGateways?: number;
  readonly compactors?: number;
  /** Further flags of every process. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Cluster extends AsyncDisposable {
  /** Named `<zone>-<partition>`. */
  readonly ingesters: ReadonlyMap<string, Maru>;
  readonly distributor: Maru;
  readonly querier: Maru;
  readonly queriers: readonly Maru[];
  /** Where it was asked for. */
  readonly frontend: Maru | undefined;
  /** Where queriers take its work. */
  readonly frontendAddress: string;
  readonly storeGateways: readonly Maru[];
  readonly compactors: readonly Maru[];
  /** The folder of the bucket. */
  readonly bucket: string;
  /** Flags of one more process of this cluster. */
  flags(target: string, instance: string, zone: string): readonly string[];
}

/** Starts all processes and waits until each is ready. Disposing kills them. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const folder = await tempFolder('cluster');
  const bucketFolder = join(folder.path, 'bucket');
  const started: Maru[] = [];
  const flags = (target: string, instance: string, zone: string): string[] => [
    `--target=${target}`,
    `--cluster.instance=${instance}`,
    `--cluster.zone=${zone}`,
    `--cluster.replication-factor=${options.replicationFactor}`,
    `--bucket.filesystem.directory=${bucketFolder}`,
    '--tenancy.missing-header=anonymous',
    '--cluster.table-period=200ms',
    ...(options.args ?? []),
  ];
  const start = async (target: string, instance: string, zone: string, more: readonly string[]): Promise<Maru> => {
    const maru = await startMaru({
      args: [...flags(target, instance, zone), ...more],
      dataDir: join(folder.path, instance),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    started.push(maru);
    return maru;
  };
  const dispose = async (): Promise<void> => {
    await Promise.all(started.map((maru) => maru[Symbol.asyncDispose]()));
    await folder[Symbol.asyncDispose]();
  };
  try {
    const wanted = options.zones.flatMap((zone) =>
      Array.from({ length: options.partitions }, (_, partition) => ({ zone, partition })),
    );
    const ports = await Promise.all(wanted.map(() => freePort()));
    const marus = await Promise.all(
      wanted.map(({ zone, partition }, i) =>
        start('ingester', `ingester-${zone}-${partition}`, zone, [`--server.grpc-port=${ports[i]}`]),
      ),
    );
    const zoneOf = (i: number): string => options.zones[i % options.zones.length] ?? '';
    const startAll = (target: string, count: number): Promise<Maru[]> =>
      Promise.all(
        Array.from({ length: count }, async (_, i) =>
          start(target, `${target}-${i}`, zoneOf(i), [`--server.grpc-port=${await freePort()}`]),
        ),
      );
    const zone = zoneOf(0);
    const frontendPort = await freePort();
    const takes = options.frontend === true ? [`--query.frontend-addresses=127.0.0.1:${frontendPort}`] : [];
    const [distributor, frontend, storeGateways, compactors, ...queriers] = await Promise.all([
      start('distributor', 'distributor', zone, []),
      options.frontend === true
        ? start('query-frontend', 'frontend', zone, [`--server.grpc-port=${frontendPort}`])
        : undefined,
      startAll('store-gateway', options.storeGateways ?? 0),
      startAll('compactor', options.compactors ?? 0),
      ...Array.from({ length: options.queriers ?? 1 }, (_, i) =>
        start('querier', i === 0 ? 'querier' : `querier-${i}`, zone, takes),
      ),
    ]);
    return {
      ingesters: new Map(wanted.map((one, i) => [`${one.zone}-${one.partition}`, marus[i] as Maru])),
      distributor,
      querier: queriers[0] as Maru,
      queriers,
      frontend,
      frontendAddress: `127.0.0.1:${frontendPort}`,
      storeGateways,
      compactors,
      bucket: bucketFolder,
      flags,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
