/**
 * A cluster of real processes around one bucket in a folder: ingesters in zones, a distributor, a querier.
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
  /** Further flags of every process. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Cluster extends AsyncDisposable {
  /** Named `<zone>-<partition>`. */
  readonly ingesters: ReadonlyMap<string, Maru>;
  readonly distributor: Maru;
  readonly querier: Maru;
  /** Flags of one more process of this cluster. */
  flags(target: string, instance: string, zone: string): readonly string[];
}

/** Starts all processes and waits until each is ready. Disposing kills them. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const folder = await tempFolder('cluster');
  const started: Maru[] = [];
  const flags = (target: string, instance: string, zone: string): string[] => [
    `--target=${target}`,
    `--cluster.instance=${instance}`,
    `--cluster.zone=${zone}`,
    `--cluster.replication-factor=${options.replicationFactor}`,
    `--bucket.filesystem.directory=${join(folder.path, 'bucket')}`,
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
    const zone = options.zones[0] ?? '';
    const [distributor, querier] = await Promise.all([
      start('distributor', 'distributor', zone, []),
      start('querier', 'querier', zone, []),
    ]);
    return {
      ingesters: new Map(wanted.map((one, i) => [`${one.zone}-${one.partition}`, marus[i] as Maru])),
      distributor: distributor as Maru,
      querier: querier as Maru,
      flags,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
