/**
 * A cluster of real processes around one bucket in a folder: ingesters in zones, a distributor, queriers, a query-frontend,
 * store-gateways, compactors.
 * Owns which process gets which flags. Does not own a process (start-maru.ts) nor what a test does to it.
 */
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type Maru, startMaru } from './start-maru.ts';
import type { S3Server } from './start-versitygw.ts';
import { tempFolder } from './temp-folder.ts';

export interface ClusterOptions {
  /** Zones, each with an ingester for every partition. */
  readonly zones: readonly string[];
  readonly partitions: number;
  readonly replicationFactor: number;
  /** One unless it is said, as of queriers; in the zones in turn, as all of the following. */
  readonly distributors?: number;
  /** Their own HTTP is asked where there is no query-frontend. */
  readonly queriers?: number;
  /** Query-frontends, which each querier takes work from; none unless said. */
  readonly frontends?: number;
  readonly storeGateways?: number;
  readonly compactors?: number;
  /** `together`: one process has all rooms but the ingesters, and what is said of their numbers does not count. */
  readonly rooms?: 'apart' | 'together';
  /** The bucket; a folder where there is none. */
  readonly s3?: S3Server;
  /** Further flags of every process. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Further environment of one process; called when it starts. */
  readonly envOf?: (process: Place) => Readonly<Record<string, string>>;
  /** Told of each gRPC listener that there will be, before any process starts. */
  readonly onListener?: (zone: string, port: number) => Promise<void>;
  /** Where a process keeps its data; a folder of the cluster's where undefined. */
  readonly dataDirOf?: (instance: string) => string | undefined;
}

const roomsTogether = 'distributor,querier,query-frontend,store-gateway,compactor';

/** A process of a cluster. */
export interface Place {
  readonly instance: string;
  readonly zone: string;
}

export interface Cluster extends AsyncDisposable {
  /** Named `<zone>-<partition>`. */
  readonly ingesters: ReadonlyMap<string, Maru>;
  readonly distributors: readonly Maru[];
  readonly queriers: readonly Maru[];
  readonly frontends: readonly Maru[];
  /** The first of each. */
  readonly distributor: Maru;
  readonly querier: Maru;
  readonly frontend: Maru | undefined;
  /** Where queriers take work. */
  readonly frontendAddresses: readonly string[];
  readonly storeGateways: readonly Maru[];
  readonly compactors: readonly Maru[];
  /** The folder of the bucket. */
  readonly bucket: string;
  /** Flags of one more process of this cluster. */
  flags(target: string, instance: string, zone: string): readonly string[];
  /** Starts one more ingester; it ends with the cluster. */
  join(zone: string, partition: number): Promise<Maru>;
}

/** Starts all processes and waits until each is ready. Disposing kills them. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const folder = await tempFolder('cluster');
  const bucketFolder = join(folder.path, 'bucket');
  const started: Maru[] = [];
  const starting = new Set<Promise<Maru>>();
  const bucket = options.s3 === undefined ? [`--bucket.filesystem.directory=${bucketFolder}`] : flagsOfS3(options.s3);
  const flags = (target: string, instance: string, zone: string): string[] => [
    `--target=${target}`,
    `--cluster.instance=${instance}`,
    `--cluster.zone=${zone}`,
    `--cluster.replication-factor=${options.replicationFactor}`,
    ...bucket,
    '--tenancy.missing-header=anonymous',
    '--cluster.table-period=200ms',
    ...(options.args ?? []),
  ];
  const start = async (target: string, { instance, zone }: Place, more: readonly string[]): Promise<Maru> => {
    const coming = startMaru({
      args: [...flags(target, instance, zone), ...more],
      dataDir: options.dataDirOf?.(instance) ?? join(folder.path, instance),
      env: { ...options.env, ...options.envOf?.({ instance, zone }) },
    });
    starting.add(coming);
    try {
      const maru = await coming;
      started.push(maru);
      return maru;
    } finally {
      starting.delete(coming);
    }
  };
  const dispose = async (): Promise<void> => {
    // Where one could not be started others are still on their way.
    await Promise.allSettled(starting);
    await Promise.all(started.map((maru) => maru[Symbol.asyncDispose]()));
    await folder[Symbol.asyncDispose]();
  };
  const listening = async (target: string, place: Place): Promise<{ target: string; place: Place; port: number }> => {
    const port = await freePort();
    await options.onListener?.(place.zone, port);
    return { target, place, port };
  };
  const zoneOf = (i: number): string => options.zones[i % options.zones.length] ?? '';
  const placesOf = (target: string, count: number): Place[] =>
    Array.from({ length: count }, (_, i) => ({ instance: i === 0 ? target : `${target}-${i}`, zone: zoneOf(i) }));
  const ingesterOf = (zone: string, partition: number): Place => ({ instance: `ingester-${zone}-${partition}`, zone });
  const listeningAll = (target: string, count = 0) =>
    Promise.all(
      Array.from({ length: count }, (_, i) => listening(target, { instance: `${target}-${i}`, zone: zoneOf(i) })),
    );
  try {
    const names = options.zones.flatMap((zone) =>
      Array.from({ length: options.partitions }, (_, partition) => ({ zone, partition })),
    );
    const ingesterPlaces = await Promise.all(
      names.map(({ zone, partition }) => listening('ingester', ingesterOf(zone, partition))),
    );
    const startAll = (places: typeof ingesterPlaces): Promise<Maru[]> =>
      Promise.all(places.map(({ target, place, port }) => start(target, place, [`--server.grpc-port=${port}`])));
    const startApart = async () => {
      const [frontendPlaces, gatewayPlaces, compactorPlaces] = await Promise.all([
        listeningAll('query-frontend', options.frontends),
        listeningAll('store-gateway', options.storeGateways),
        listeningAll('compactor', options.compactors),
      ]);
      const frontendAddresses = frontendPlaces.map(({ port }) => `127.0.0.1:${port}`);
      const takes = frontendAddresses.length === 0 ? [] : [`--query.frontend-addresses=${frontendAddresses.join(',')}`];
      const ingesters = await startAll(ingesterPlaces);
      const [frontends, storeGateways, compactors, distributors, queriers] = await Promise.all([
        startAll(frontendPlaces),
        startAll(gatewayPlaces),
        startAll(compactorPlaces),
        Promise.all(placesOf('distributor', options.distributors ?? 1).map((place) => start('distributor', place, []))),
        Promise.all(placesOf('querier', options.queriers ?? 1).map((place) => start('querier', place, takes))),
      ]);
      return { ingesters, frontendAddresses, frontends, storeGateways, compactors, distributors, queriers };
    };
    const startTogether = async (): Promise<Awaited<ReturnType<typeof startApart>>> => {
      const places = [await listening(roomsTogether, { instance: 'rooms', zone: zoneOf(0) })];
      const ingesters = await startAll(ingesterPlaces);
      const one = await startAll(places);
      const frontendAddresses = places.map(({ port }) => `127.0.0.1:${port}`);
      return {
        ingesters,
        frontendAddresses,
        frontends: one,
        storeGateways: one,
        compactors: one,
        distributors: one,
        queriers: one,
      };
    };
    const { ingesters, frontendAddresses, frontends, storeGateways, compactors, distributors, queriers } =
      await (options.rooms === 'together' ? startTogether() : startApart());
    return {
      ingesters: new Map(names.map(({ zone, partition }, i) => [`${zone}-${partition}`, ingesters[i] as Maru])),
      distributors,
      queriers,
      frontends,
      distributor: distributors[0] as Maru,
      querier: queriers[0] as Maru,
      frontend: frontends[0],
      frontendAddresses,
      storeGateways,
      compactors,
      bucket: options.s3?.folder ?? bucketFolder,
      flags,
      join: async (zone, partition) => {
        const { place, port } = await listening('ingester', ingesterOf(zone, partition));
        return start('ingester', place, [`--server.grpc-port=${port}`]);
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

const flagsOfS3 = ({ endpoint, bucket, credentials }: S3Server): string[] => [
  '--bucket.backend=s3',
  `--bucket.s3.endpoint=${endpoint}`,
  `--bucket.s3.bucket-name=${bucket}`,
  `--bucket.s3.access-key-id=${credentials.accessKeyId}`,
  `--bucket.s3.secret-access-key=${credentials.secretAccessKey}`,
];
