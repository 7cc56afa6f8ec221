/**
 * What a case of failure acts upon: one cluster in one mode with everything around it, all of them real processes.
 * Owns how the servers and the cluster are put together. Does not own what is done to them (failure-cases.ts).
 */
import { randomBytes } from 'node:crypto';
import { access, cp } from 'node:fs/promises';
import { join } from 'node:path';
import { uploadBlock } from '../../../libs/blocks/upload-block.ts';
import { Labels } from '../../../libs/model/labels.ts';
import { parseTenantId } from '../../../libs/model/tenant-id.ts';
import { FilesystemBucket } from '../../../libs/object-store/filesystem.ts';
import { realDisk } from '../../../libs/std/disk.ts';
import { writeTestBlock } from '../../../libs/tsdb/block/block.testing.ts';
import { makeUlid } from '../../../libs/tsdb/block/ulid.ts';
import { ShiftedClocks } from '../../support/shifted-clocks.ts';
import { mountSmallDisk, type SmallDisk } from '../../support/small-disk.ts';
import { type Cluster, startCluster } from '../../support/start-cluster.ts';
import { type KafkaBroker, startKafka } from '../../support/start-kafka.ts';
import type { Maru } from '../../support/start-maru.ts';
import { type RedisServer, startRedis } from '../../support/start-redis.ts';
import { type S3Server, startVersitygw } from '../../support/start-versitygw.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { waitFor } from '../../support/wait-until.ts';
import { ZoneNetwork } from '../../support/zone-network.ts';
import { ancientTimes, KnownSeries } from './known-series.ts';

/** What makes a write durable: W of RF ingesters, or the log. */
export type Mode = 'replicas' | 'kafka';

/** A cluster's zones, of which each has one of every partition's owners. One that grows is not what it was before. */
export type Shape = 'three zones' | 'two zones' | 'one zone' | 'three zones, growing';

export const zonesOf: Readonly<Record<Shape, readonly string[]>> = {
  'three zones': ['a', 'b', 'c'],
  'two zones': ['a', 'b'],
  'one zone': ['a'],
  'three zones, growing': ['a', 'b', 'c'],
};

const kinds = ['ingester', 'distributor', 'querier', 'query-frontend', 'store-gateway', 'compactor'] as const;
export type Kind = (typeof kinds)[number];

export interface Scene extends AsyncDisposable {
  readonly mode: Mode;
  readonly cluster: Cluster;
  readonly redis: RedisServer;
  readonly s3: S3Server;
  /** @throws Error where writes do not go through Kafka */
  readonly broker: KafkaBroker;
  /** Between zones a and b. */
  readonly network: ZoneNetwork;
  readonly clocks: ShiftedClocks;
  /** The disk of the ingester in the last zone; why there is none. */
  readonly smallDisk: SmallDisk | string;
  /** What lies in a block of the bucket from the beginning. */
  readonly ancient: { readonly series: KnownSeries; readonly writes: number };
  all(kind: Kind): readonly Maru[];
  /** The processes of a zone. */
  zone(zone: string): readonly Maru[];
}

const ancientWrites = 120;
const smallDiskMebibytes = 192;

/** Leases of a second, and everything that goes by a period in haste. */
const hasty = [
  '--cluster.lease-duration=1s',
  '--query.bucket-index-max-age=10s',
  '--query.bucket-index-refresh=500ms',
  '--query.timeout=15s',
  '--head.idle-delay=2s',
  '--ingester.ship-interval=1s',
  '--compactor.cleanup-interval=1s',
  '--compactor.compaction-interval=2s',
  '--compactor.first-level-compaction-wait-period=0s',
  '--store-gateway.sync-interval=1s',
  '--bucket.s3.max-attempts=2',
  '--bucket.s3.timeout=5s',
  '--self-metrics.tenant=none',
];

/** Starts everything; ready when the first block of the bucket is known. */
export async function openScene(mode: Mode, shape: Shape): Promise<Scene> {
  await using opened = new AsyncDisposableStack();
  const zones = zonesOf[shape];
  const folder = opened.use(await tempFolder('scene'));
  const network = opened.use(new ZoneNetwork(['a', 'b']));
  const disk = mountSmallDisk(smallDiskMebibytes);
  if (typeof disk !== 'string') opened.use(disk);
  const [redis, s3, broker] = await Promise.all([
    startRedis(),
    startVersitygw(),
    mode === 'kafka' ? startKafka() : undefined,
  ]);
  for (const server of [redis, s3, broker]) opened.use(server);
  const clocks = new ShiftedClocks(folder.path);
  // Where cases are about owners alone one process is enough for the other rooms.
  const rooms = zones.length === 3 ? 'apart' : 'together';
  const onSmallDisk = `ingester-${zones.at(-1)}-0`;
  const cluster = await startCluster({
    zones,
    partitions: 1,
    replicationFactor: zones.length,
    rooms,
    distributors: 2,
    queriers: 2,
    frontends: 2,
    storeGateways: 2,
    compactors: 1,
    s3,
    onListener: network.add,
    dataDirOf: (instance) =>
      typeof disk !== 'string' && instance === onSmallDisk ? join(disk.path, 'data') : undefined,
    envOf: ({ instance, zone }) => {
      const loaded = [clocks.of(instance), network.of(zone)].filter((one) => one !== undefined);
      return {
        ...Object.assign({}, ...loaded.map(({ env }) => env)),
        NODE_OPTIONS: loaded.map(({ preload }) => `--import=${preload}`).join(' '),
      };
    },
    args: [
      ...hasty,
      `--redis.url=${redis.url}`,
      ...(broker === undefined
        ? []
        : ['--ingest.log=kafka', `--kafka.brokers=${broker.address}`, '--kafka.partitions=2', '--kafka.timeout=5s']),
    ],
  });
  opened.use(cluster);
  const ancient = { series: new KnownSeries('ancient', ancientTimes(Date.now())), writes: ancientWrites };
  await uploadAncient(ancient.series, s3, folder.path);
  const all = (kind: Kind): readonly Maru[] =>
    ({
      ingester: [...cluster.ingesters.values()],
      distributor: cluster.distributors,
      querier: cluster.queriers,
      'query-frontend': cluster.frontends,
      'store-gateway': cluster.storeGateways,
      compactor: cluster.compactors,
    })[kind];
  const rest = opened.move();
  return {
    mode,
    cluster,
    redis,
    s3,
    get broker() {
      if (broker === undefined) throw new Error('writes do not go through Kafka');
      return broker;
    },
    network,
    clocks,
    smallDisk: disk,
    ancient,
    all,
    // Each kind has one in each zone in turn.
    zone: (zone) => kinds.flatMap((kind) => all(kind).filter((_, i) => zones[i % zones.length] === zone)),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** All samples of the first writes, as a block. */
async function uploadAncient(known: KnownSeries, s3: S3Server, folder: string): Promise<void> {
  const bySeries = new Map<string, { labels: Labels; samples: { t: number; v: number }[] }>();
  for (let write = 0; write < ancientWrites; write++) {
    for (const { labels, samples } of known.series(write)) {
      const key = JSON.stringify(labels);
      const one = bySeries.get(key) ?? { labels: Labels.from(labels), samples: [] };
      one.samples.push(...samples);
      bySeries.set(key, one);
    }
  }
  const series = [...bySeries.values()];
  const minTime = Math.min(...series.map(({ samples }) => samples[0]?.t ?? Number.POSITIVE_INFINITY));
  const ulid = makeUlid(minTime, randomBytes(10));
  const extras = { minTime, maxTime: minTime + 2 * 3_600_000 };
  await writeTestBlock({ disk: realDisk, directory: folder, ulid, series, extras });
  const bucket = join(folder, 'bucket');
  const tenant = parseTenantId('anonymous');
  await uploadBlock(new FilesystemBucket(bucket), tenant, ulid, join(folder, ulid), AbortSignal.timeout(10_000));
  await cp(join(bucket, tenant), join(s3.folder, tenant), { recursive: true });
  await waitFor('the index has the block', () => indexed(s3.folder, tenant));
}

async function indexed(folder: string, tenant: string): Promise<true> {
  await access(join(folder, tenant, 'bucket-index.json.gz'));
  return true;
}
