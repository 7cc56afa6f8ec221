/**
 * The architecture in one table: every room, what it needs, how it is built. `all` is a row of it.
 * Rooms never import one another: what one offers another goes through the contracts here.
 */
import { hostname } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { ConfigError } from '../libs/config/config-error.ts';
import type {
  IngesterContract,
  IngesterStatusContract,
  ReadConsistency,
  RecentChangesContract,
  RecentRead,
} from '../libs/contracts/ingester.ts';
import type { QueryWorkContract } from '../libs/contracts/query-work.ts';
import type { StoreGatewayContract } from '../libs/contracts/store-gateway.ts';
import { Failure } from '../libs/errors/failure.ts';
import type { TenantOf } from '../libs/http/tenant-header.ts';
import type { ByteCache } from '../libs/kv/byte-cache.ts';
import type { Service } from '../libs/lifecycle/service.ts';
import type { ModuleRow } from '../libs/lifecycle/start-modules.ts';
import type { WatchedLimits } from '../libs/limits/tenant-limits.ts';
import type { TenantId } from '../libs/model/tenant-id.ts';
import type { Bucket } from '../libs/object-store/bucket.ts';
import { durableFloor } from '../libs/ring/durable-floor.ts';
import { type Owner, ordinalOf, type RingTable } from '../libs/ring/table.ts';
import type { ListMemory } from '../libs/series/list-memory.ts';
import { assert } from '../libs/std/assert.ts';
import { usableMemoryBytes } from '../libs/std/usable-memory.ts';
import type { Logger } from '../libs/telemetry/log.ts';
import type { Metrics } from '../libs/telemetry/metrics.ts';
import type { Cluster } from './cluster/service.ts';
import { type CompactorRoomDeps, createCompactor } from './compactor/service.ts';
import type { Config } from './config.ts';
import { LogWrite } from './distributor/log-write.ts';
import { ReplicatedWrite } from './distributor/replicate-write.ts';
import { createDistributor } from './distributor/service.ts';
import { drainRoute } from './ingester/drain-route.ts';
import type { IngesterHandler } from './ingester/ingester-handler.ts';
import { createIngester, type IngesterDeps } from './ingester/service.ts';
import type { KafkaLog } from './kafka-log.ts';
import { LogFreshness } from './querier/log-freshness.ts';
import { QuorumSource, type ReadPeer } from './querier/quorum-source.ts';
import { createQuerier, type Querier } from './querier/service.ts';
import { ShardedGateway } from './querier/sharded-gateway.ts';
import { createQueryFrontend } from './query-frontend/service.ts';
import { createStoreGateway, type StoreGatewayDeps } from './store-gateway/service.ts';

/** What a distributor may remember of series, of the memory: where they are, and, where a log wants them in every record, their labels. */
const placesShareOfMemory = 8;
const labelsShareOfMemory = 4;

/** What the process offers its rooms, and where rooms leave what they offer each other. */
export interface House {
  readonly config: Config;
  readonly app: FastifyInstance;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly bucket: Bucket;
  readonly limits: WatchedLimits;
  readonly tenantOf: TenantOf;
  readonly features: ReadonlySet<string>;
  readonly reservedTenant: TenantId | undefined;
  readonly nowMs: () => number;
  readonly onFatal: (error: unknown) => void;
  /** What lists of labels and series hold, in all rooms of the process. */
  readonly listMemory: ListMemory;
  /** The log that writes go through; absent where each ingester has its own. */
  kafka?: KafkaLog;
  /** This process among others; absent where it runs alone. */
  cluster?: Cluster;
  /** What the other rooms write to and read from: the ingester of this process alone, else those of the cluster. */
  ingester?: IngesterContract & IngesterStatusContract & Partial<RecentChangesContract>;
  storeGateway?: StoreGatewayContract;
  /** The work of the query-frontend in this process, and the querier that may take it. */
  queryWork?: QueryWorkContract;
  querier?: Querier;
}

/** The rooms of a process that runs alone, where the ingester is the only one there is. */
const alone: Readonly<Record<string, ModuleRow<House>>> = {
  ingester: {
    needs: [],
    build: (house) => {
      const deps = { ...ingesterDeps(house), hasReadersElsewhere: false, sharersOf: () => 1 };
      const { service, handler, drain } = createIngester(house.config.ingester, house.config.head, deps);
      house.ingester = house.kafka === undefined ? handler : onlyIngesterOf(handler, house);
      const begin = async (): Promise<void> => {
        checkDrainsAlone(house);
        void drain.run();
      };
      drainRoute(house.app, { begin, state: () => drain.state });
      return service;
    },
  },
  ingesters: { needs: ['ingester'] },
  'store-gateway': {
    needs: [],
    build: (house) => {
      const { service, handler } = createStoreGateway(house.config.storeGateway, storeGatewayDeps(house));
      house.storeGateway = handler;
      return service;
    },
  },
  'store-gateways': { needs: ['store-gateway'] },
  compactor: {
    needs: [],
    build: (house) => createCompactor(house.config.compactor, compactorDeps(house)),
  },
};

/** The rooms of one process among others: its ingester and its store-gateway are two of many, reached like all of them. */
const among: Readonly<Record<string, ModuleRow<House>>> = {
  cluster: {
    needs: [],
    build: async (house) => {
      // gRPC takes longer to load than a process that runs alone takes to start.
      const { Cluster, clusterService } = await import('./cluster/service.ts');
      const { config } = house;
      house.cluster = new Cluster(config.cluster, {
        ...house,
        followsLog: config.ingest.log === 'kafka',
        redisUrl: config.redis.url,
        dataDir: config.dataDir,
        log: house.log.child({ component: 'cluster' }),
        grpc: { address: config.server.grpcAddress, port: config.server.grpcPort },
        rooms: {
          ingester: config.target.includes('ingester'),
          distributor: config.target.includes('distributor'),
          querier: config.target.includes('querier'),
          queryFrontend: hasFrontend(house),
          storeGateway: config.target.includes('store-gateway'),
          compactor: config.target.includes('compactor'),
        },
        creationGraceMs: () => house.limits.creationGraceMsMax(),
      });
      return clusterService(house.cluster);
    },
  },
  ingester: {
    needs: ['cluster'],
    build: async (house) => {
      const cluster = clusterOf(house);
      const { service, handler, drain, flush } = createIngester(house.config.ingester, house.config.head, {
        ...ingesterDeps(house),
        beforeOpen: (found) => cluster.join(found, () => handler.tsdb?.durableSeq),
        hasReadersElsewhere: true,
        sharersOf: (tenant) =>
          cluster.partitionsSharing(tenant, house.limits.of(tenant).ingestionPartitionsTenantShardSize),
      });
      const leave = cluster.leavesWith(drain, flush);
      drainRoute(house.app, { begin: () => leave.begin(), state: () => leave.state() });
      const { ingesterHandlers } = await import('../libs/rpc/ingester-server.ts');
      cluster.serve(ingesterHandlers(handler, house.listMemory));
      return service;
    },
  },
  'query-frontend': {
    needs: ['cluster'],
    build: async (house) => {
      const { service, work } = createQueryFrontend(
        { ...house.config.query, ...house.config.queryFrontend },
        {
          ...house,
          sharedCache: await sharedCacheOf(house),
          bodyArrivalMs: house.config.server.readTimeout,
          log: house.log.child({ component: 'query-frontend' }),
        },
      );
      const { queryWorkHandlers } = await import('../libs/rpc/query-work-server.ts');
      clusterOf(house).serve(queryWorkHandlers(work));
      house.queryWork = work;
      takeAtHome(house);
      return service;
    },
  },
  ingesters: {
    needs: ['cluster'],
    build: async (house) => {
      const { payloadBytesMax } = await import('../libs/rpc/serve-link.ts');
      house.ingester = ingestersOf(clusterOf(house), house, payloadBytesMax);
      return nothingToRun;
    },
  },
  'store-gateway': {
    needs: ['cluster'],
    build: async (house) => {
      const cluster = clusterOf(house);
      const { service, handler } = createStoreGateway(house.config.storeGateway, {
        ...storeGatewayDeps(house),
        isOwn: (_tenant, block) => cluster.isOwnBlock(block, house.config.storeGateway.replicationFactor),
      });
      const { gatewayHandlers } = await import('../libs/rpc/gateway-link.ts');
      cluster.serve(gatewayHandlers(handler, house.listMemory));
      return {
        ...service,
        start: async () => {
          await service.start();
          cluster.joinAsGateway().catch(house.onFatal);
        },
      };
    },
  },
  'store-gateways': {
    needs: ['cluster'],
    build: (house) => {
      house.storeGateway = storeGatewaysOf(clusterOf(house), house);
      return nothingToRun;
    },
  },
  compactor: {
    needs: ['cluster'],
    build: (house) => {
      const cluster = clusterOf(house);
      return createCompactor(house.config.compactor, {
        ...compactorDeps(house),
        isOwn: (key) => cluster.isOwnWork(key),
      });
    },
  },
};

/** Rooms that are the same wherever the ingesters are. */
const everywhere: Readonly<Record<string, ModuleRow<House>>> = {
  distributor: {
    needs: ['ingesters'],
    build: (house) =>
      createDistributor(house.config.distributor, {
        ...house,
        log: house.log.child({ component: 'distributor' }),
        ingester: ingesterOf(house),
        distributorCount: () => house.cluster?.distributorCount() ?? 1,
        bodyLimits: { bytesMax: house.config.server.maxBodyBytes, arrivalMs: house.config.server.readTimeout },
      }),
  },
  querier: {
    needs: ['ingesters', 'store-gateways'],
    build: (house) => {
      const querier = createQuerier(house.config.query, {
        ...house,
        ingester: ingesterOf(house),
        storeGateway: storeGatewayOf(house),
        log: house.log.child({ component: 'querier' }),
        hasRoutes: !hasFrontend(house),
        bodyArrivalMs: house.config.server.readTimeout,
        instance: house.cluster?.identity.instance ?? 'all',
      });
      house.querier = querier;
      house.cluster?.findFrontends(house.config.query.frontendAddresses, querier.takeFrom);
      takeAtHome(house);
      return querier;
    },
  },
  all: { needs: ['distributor', 'ingester', 'store-gateway', 'querier', 'compactor'] },
};

/** What comes before every room that writes to Kafka or reads from it. */
const kafka: ModuleRow<House> = {
  needs: [],
  build: async (house) => {
    const { KafkaLog, kafkaLogService } = await import('./kafka-log.ts');
    const { config } = house;
    house.kafka = new KafkaLog(config.kafka, {
      clusterId: config.cluster.id,
      instance: config.cluster.instance || hostname(),
      bucket: house.bucket,
      log: house.log.child({ component: 'kafka' }),
      metrics: house.metrics,
    });
    return kafkaLogService(house.kafka, config.target.includes('all') || config.target.includes('distributor'));
  },
};

/** The rooms of a process that runs alone and follows the one partition that it writes to. */
const aloneByLog: Readonly<Record<string, ModuleRow<House>>> = {
  ...alone,
  kafka,
  ingester: { ...(alone['ingester'] as ModuleRow<House>), needs: ['kafka'] },
};

/** The rooms among others of which the log is read or written; the others neither need it nor know of it. */
const amongByLog: Readonly<Record<string, ModuleRow<House>>> = {
  ...among,
  kafka,
  ingester: { ...(among['ingester'] as ModuleRow<House>), needs: ['kafka', 'cluster'] },
  ingesters: { ...(among['ingesters'] as ModuleRow<House>), needs: ['kafka', 'cluster'] },
};

/** What `--target` may name. */
export const targets: readonly string[] = [
  ...['all', 'distributor', 'ingester', 'store-gateway', 'querier', 'query-frontend', 'compactor'],
];

/** The table for a process that runs alone (`all`), or as one among others, by what makes writes durable. */
export function modulesOf(isAll: boolean, log: 'local' | 'kafka'): Readonly<Record<string, ModuleRow<House>>> {
  if (log === 'local') return { ...everywhere, ...(isAll ? alone : among) };
  return { ...everywhere, ...(isAll ? aloneByLog : amongByLog) };
}

/** @throws Failure `bad_data` where writes come from a log, and there is no other partition that they could go to */
function checkDrainsAlone({ kafka }: House): void {
  if (kafka === undefined) return;
  throw new Failure(
    'bad_data',
    'a process that runs alone with ingest.log=kafka has one partition, which takes writes as long as it runs: stop it; what is in no ' +
      'block yet is in the topic and is read from there by whoever comes next',
  );
}

function ingesterDeps(house: House): Omit<IngesterDeps, 'hasReadersElsewhere' | 'sharersOf'> {
  return {
    ...house,
    dataDir: house.config.dataDir,
    indexAgeMsMax: house.config.query.bucketIndexMaxAge,
    queryMsMax: house.config.query.timeout,
    log: house.log.child({ component: 'ingester' }),
    ...(house.kafka === undefined ? {} : { follow: followDeps(house, house.kafka) }),
  };
}

function storeGatewayDeps(house: House): StoreGatewayDeps {
  return {
    ...house,
    dataDir: house.config.dataDir,
    log: house.log.child({ component: 'store-gateway' }),
  };
}

function compactorDeps(house: House): CompactorRoomDeps {
  const { config } = house;
  return {
    ...house,
    dataDir: config.dataDir,
    log: house.log.child({ component: 'compactor' }),
    readers: { indexAgeMaxMs: config.query.bucketIndexMaxAge, longestQueryMs: config.query.timeout },
  };
}

const nothingToRun: Service = {
  start: async () => undefined,
  stop: async () => undefined,
  notReadyReason: () => undefined,
};

/** All store-gateways of the cluster as one. */
function storeGatewaysOf(cluster: Cluster, house: House): StoreGatewayContract {
  const log = house.log.child({ component: 'querier' });
  const retries = house.metrics.counter(
    'maru_querier_store_gateway_retries_total',
    'Reads of blocks that were put to another store-gateway.',
    [],
  );
  return new ShardedGateway({
    gateways: () => cluster.table?.gateways ?? [],
    peerOf: (gateway) => {
      const peer = cluster.gateways?.of(gateway);
      return peer === undefined ? undefined : { answers: cluster.isThere(peer), gateway: peer.client };
    },
    replicationFactor: house.config.storeGateway.replicationFactor,
    zone: cluster.identity.zone,
    onRetry: ({ instance, zone }, reason) => {
      retries.inc({});
      log.warn({ peer: instance, zone, reason }, 'a store-gateway failed: another one is asked');
    },
  });
}

/** @throws ConfigError where the log has no such partition */
function followDeps({ config, cluster }: House, { connection, topic, offsets }: KafkaLog): IngesterDeps['follow'] {
  const { id: clusterId, zone, instance: configured } = config.cluster;
  // Among others it may be called as its host is.
  const instance = cluster?.identity.instance ?? configured;
  const partition = ordinalOf(instance) ?? 0;
  if (partition >= config.kafka.partitions) {
    throw new ConfigError(
      `key cluster.instance: ${JSON.stringify(instance)} would own partition ${partition}, and the log has kafka.partitions=${config.kafka.partitions}, from 0 on`,
    );
  }
  return { connection, topic, offsets, clusterId, zone, partition };
}

/** The one ingester of a process that runs alone, behind the log: as a ring of one partition with one owner. */
function onlyIngesterOf(
  handler: IngesterHandler,
  house: House,
): IngesterContract & IngesterStatusContract & RecentChangesContract {
  const { id: clusterId, zone, instance } = house.config.cluster;
  const id = ordinalOf(instance) ?? 0;
  const owner = { instance, zone, address: '', incarnation: '', starts: 1, completeFromMs: 0 };
  const table: RingTable = {
    version: 1,
    clusterId,
    epoch: 1,
    replicationFactor: 1,
    partitions: [{ id, state: 'active', stateSinceMs: 0, owners: [owner] }],
    gateways: [],
  };
  const peer = (tenant: TenantId): ReadPeer => ({
    answers: true,
    durableBeforeMs: 0,
    source: () => handler.source(tenant),
    headStatus: (countMax, signal) => handler.headStatus(tenant, countMax, signal),
    applied: (offset, timeoutMs, signal) => handler.applied(offset, timeoutMs, signal),
    writeMarks: async (spans) => handler.writeMarks(tenant, spans),
  });
  return {
    ...ingestersBehind(house, {
      table: () => table,
      isRead: async () => true,
      heardEpoch: () => table.epoch,
      refresh: async () => undefined,
      readPeerOf: (_owner, tenant) => peer(tenant),
    }),
    restoreProgress: () => handler.restoreProgress(),
  };
}

/** How rooms reach ingesters: who they are, and each as a reader wants it. */
interface Ring {
  readonly table: () => RingTable | undefined;
  readonly isRead: (partition: number) => Promise<boolean>;
  readonly heardEpoch: () => number;
  readonly refresh: () => Promise<void>;
  readonly readPeerOf: (owner: Owner, tenant: TenantId) => ReadPeer | undefined;
}

/** All ingesters of the cluster as one. */
function ingestersOf(
  cluster: Cluster,
  house: House,
  requestBytesMax: number,
): IngesterContract & IngesterStatusContract & RecentChangesContract {
  const ring: Ring = {
    table: () => cluster.table,
    isRead: (partition) => cluster.isRead(partition),
    heardEpoch: () => cluster.heardEpoch,
    refresh: () => cluster.refresh(),
    readPeerOf: (owner, tenant) => {
      const peer = cluster.peers?.of(owner);
      if (peer === undefined) return undefined;
      const { client } = peer;
      return {
        answers: cluster.isThere(peer),
        durableBeforeMs: durableFloor(
          peer.heldFromMs,
          house.nowMs() - (performance.now() - peer.heardAtMs),
          house.limits.of(tenant).pastGracePeriod,
        ),
        source: () => client.source(tenant),
        headStatus: (countMax, signal) => client.headStatus(tenant, countMax, signal),
        applied: (offset, timeoutMs, signal) => client.applied(offset, timeoutMs, signal),
        writeMarks: (spans, signal) => client.writeMarks(tenant, spans, signal),
      };
    },
  };
  if (house.kafka !== undefined) return ingestersBehind(house, ring);
  const writes = new ReplicatedWrite({
    table: ring.table,
    heardEpoch: ring.heardEpoch,
    refresh: ring.refresh,
    peerOf: (owner) => cluster.peers?.of(owner),
    shardSizeOf: (tenant) => house.limits.of(tenant).ingestionPartitionsTenantShardSize,
    timeoutMs: house.config.cluster.writeTimeout,
    requestBytesMax,
    seriesBytesMax: usableMemoryBytes() / placesShareOfMemory,
    nowMs: () => performance.now(),
  });
  return { ...readsOf(house, ring), refEpoch: () => writes.refEpoch(), push: (batch) => writes.push(batch) };
}

/** Ingesters that follow a log: writes go there. */
function ingestersBehind(house: House, ring: Ring): IngesterContract & IngesterStatusContract & RecentChangesContract {
  const { kafka } = house;
  assert(kafka !== undefined, 'the log is built before the rooms that need it');
  const writes = new LogWrite({
    clusterId: house.config.cluster.id,
    table: ring.table,
    isRead: ring.isRead,
    append: (tenant, records) => kafka.producer.append(tenant, records),
    appendBytesMax: kafka.producer.appendBytesMax,
    batchBytesMax: () => kafka.topic.check().batchBytesMax,
    shardSizeOf: (tenant) => house.limits.of(tenant).ingestionPartitionsTenantShardSize,
    seriesMaxOf: (tenant) => house.limits.of(tenant).maxGlobalSeriesPerUser,
    tenantsMax: house.config.ingester.instanceLimits.maxTenants,
    seriesBytesMax: usableMemoryBytes() / labelsShareOfMemory,
    nowMs: () => performance.now(),
  });
  return { ...readsOf(house, ring), refEpoch: () => writes.refEpoch(), push: (batch) => writes.push(batch) };
}

/** What is read from all ingesters. */
function readsOf(
  house: House,
  { table, heardEpoch, refresh, readPeerOf }: Ring,
): Omit<IngesterContract & IngesterStatusContract & RecentChangesContract, 'push' | 'refEpoch'> {
  const { kafka, config } = house;
  const sourceOf = (
    tenant: TenantId,
    consistency: ReadConsistency,
    onRead?: (read: RecentRead) => void,
  ): QuorumSource => {
    const freshness =
      kafka === undefined ? undefined : new LogFreshness({ consistency, ends: () => kafka.offsets.ends() });
    freshness?.begin();
    const peerOf = (owner: Owner): ReadPeer | undefined => readPeerOf(owner, tenant);
    const { zone } = config.cluster;
    return new QuorumSource({ table, heardEpoch, refresh, peerOf, zone, freshness, onRead });
  };
  return {
    // An ingester says with its reply that it has dropped some, and all are forgotten.
    clearDropped: () => 0,
    source: (tenant, consistency) => sourceOf(tenant, consistency),
    witnessedSource: (tenant, onRead) => sourceOf(tenant, 'default', onRead),
    isUnchanged: (tenant, reads, signal) => sourceOf(tenant, 'default').isUnchanged(reads, signal),
    headStatus: (tenant, countMax, signal) => sourceOf(tenant, 'eventual').headStatus(countMax, signal),
    // Each ingester restores itself; who reads from all of them has nothing to restore.
    restoreProgress: () => ({ bytesDone: 0, bytesTotal: 0 }),
  };
}

/** Answers that all query-frontends keep together. */
async function sharedCacheOf({ config, log }: House): Promise<ByteCache | undefined> {
  if (config.redis.url === '') return undefined;
  const { openRedisCache } = await import('../libs/kv/redis-cache.ts');
  return openRedisCache(config.redis.url, `maru:${config.cluster.id}:results:`, (isReachable, reason) => {
    if (!isReachable) log.warn({ reason }, 'Redis is away: the results cache is passed by');
  });
}

const hasFrontend = ({ config }: House): boolean => config.target.includes('query-frontend');

/** Where both are in one process the querier takes the frontend's work without a wire. */
function takeAtHome({ queryWork, querier }: House): void {
  if (queryWork !== undefined) querier?.takeFrom(queryWork, new AbortController().signal);
}

function clusterOf(house: House): Cluster {
  assert(house.cluster !== undefined, 'the cluster is built before the rooms that need it');
  return house.cluster;
}

function ingesterOf(house: House): IngesterContract & IngesterStatusContract & Partial<RecentChangesContract> {
  assert(house.ingester !== undefined, 'the ingesters are built before the rooms that need them');
  return house.ingester;
}

function storeGatewayOf(house: House): StoreGatewayContract {
  assert(house.storeGateway !== undefined, 'the store-gateway is built before the rooms that need it');
  return house.storeGateway;
}
