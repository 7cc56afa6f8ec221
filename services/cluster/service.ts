/**
 * This process among others: its gRPC listener, the table of the ring, the links to ingesters and store-gateways.
 * Owns when the table is looked at again, when an ingester joins and when a partition becomes active. Does not own the rules
 * (libs/ring) nor what is asked of an ingester (distributor, querier). Not there in a process that runs alone.
 */
import { hostname } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { ConfigError } from '../../libs/config/config-error.ts';
import type { FoundData, JoinedPlace } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { Service } from '../../libs/lifecycle/service.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { countStart, type Incarnation } from '../../libs/ring/incarnation.ts';
import { partitionsSharing, ShardSizes } from '../../libs/ring/partition-share.ts';
import { rankInZones, rankMembers } from '../../libs/ring/rank-members.ts';
import {
  activated,
  type Candidate,
  checkSettings,
  encodeTable,
  type Gateway,
  joined,
  type Owner,
  ordinalOf,
  type RingSettings,
  type RingTable,
  readQuorum,
  waived,
  withGateway,
  withoutGateway,
  writeQuorum,
} from '../../libs/ring/table.ts';
import { TableStore } from '../../libs/ring/table-store.ts';
import type { AskHandler, CallHandlers, Channel, StreamHandler } from '../../libs/rpc/channel.ts';
import { FrontendLinks, type FrontendLinksOptions } from '../../libs/rpc/frontend-links.ts';
import { GatewayClient } from '../../libs/rpc/gateway-link.ts';
import type { Identity } from '../../libs/rpc/greeting.ts';
import { type GrpcListener, listenGrpc, type TlsFiles } from '../../libs/rpc/grpc-pipe.ts';
import { ringEpochCall, ringTableCall } from '../../libs/rpc/ingester-calls.ts';
import { IngesterClient } from '../../libs/rpc/ingester-client.ts';
import { Peers } from '../../libs/rpc/peers.ts';
import { serveLink } from '../../libs/rpc/serve-link.ts';
import { realDisk } from '../../libs/std/disk.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import { acceptLossRoute } from './accept-loss-route.ts';
import { checkNameIsFree } from './check-name.ts';
import type { ClusterConfig } from './config.ts';
import { DiskMarker, diskMarkKey, readDiskMark } from './disk-mark.ts';
import { type GatewayName, gatewayLeaveRoute } from './gateway-leave-route.ts';
import { ReplicaHealing } from './heal-replica.ts';
import type { Leases } from './leases.ts';
import { RingLeave, type RoomDrain } from './leave-ring.ts';
import { type ClusterView, registerClusterMetrics } from './metrics.ts';
import { partitionRingRoute } from './partition-ring-route.ts';
import { advertisedHost, checkListener, readTls } from './reach.ts';

/** Looks at the table after which everybody who can be reached has seen the newest one. */
const learnPeriods = 3;
/** A compactor waits so long for the leases of the others when it starts. */
const firstLeasesMs = 3_000;
/** Clocks of processes and of senders may differ by so much. */
const clockSkewMs = 60_000;
/**
 * A write into a log counts if its partition was seen active so many periods ago at most: this process may have been frozen. An owner
 * that leaves waits for longer before it looks where the log ends.
 */
const seenPeriodsMax = 5;

export interface ClusterDeps {
  readonly app: FastifyInstance;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly bucket: Bucket;
  readonly dataDir: string;
  /** '' for none. */
  readonly redisUrl: string;
  readonly grpc: { readonly address: string; readonly port: number };
  /** Which rooms this process runs. */
  readonly rooms: {
    readonly ingester: boolean;
    readonly distributor: boolean;
    readonly querier: boolean;
    readonly queryFrontend: boolean;
    readonly storeGateway: boolean;
    readonly compactor: boolean;
  };
  /** How far in the future a sample may be that is accepted, for any tenant. */
  readonly creationGraceMs: () => number;
  /** Ingesters follow a log: whoever comes back, on whatever disk, reads from there what it lacks. */
  readonly followsLog: boolean;
  readonly nowMs: () => number;
  /** This process has no place in the cluster any more. */
  readonly onFatal: (error: unknown) => void;
}

export type IngesterPeers = Peers<Owner, IngesterClient>;
export type GatewayPeers = Peers<Gateway, GatewayClient>;

export class Cluster {
  readonly #config: ClusterConfig;
  readonly #deps: ClusterDeps;
  readonly #tls: TlsFiles | undefined;
  readonly identity: Identity;
  #store: TableStore | undefined;
  #peers: IngesterPeers | undefined;
  #gateways: GatewayPeers | undefined;
  #listener: GrpcListener | undefined;
  #incarnation: Incarnation | undefined;
  /** The same maps for every link, also one that is there before the rooms are. */
  readonly #asks: Map<string, AskHandler> = new Map([
    [ringEpochCall, async () => new Uint8Array(0)],
    [ringTableCall, async () => this.#ownTable()],
  ]);
  readonly #streams: Map<string, StreamHandler> = new Map();
  #frontends: FrontendLinks | undefined;
  #heardEpoch = 0;
  /** When each partition was last known to be active, by the bucket or by an owner of it. */
  readonly #seenActiveMs = new Map<number, number>();
  readonly #shardSizes = new ShardSizes();
  #leases: Leases | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #lookingAtPeers: Promise<void> | undefined;
  #joined = false;
  #joinedAsGateway = false;
  #leave: RingLeave | undefined;
  #healing: ReplicaHealing | undefined;
  #marker: DiskMarker | undefined;
  /** Enough ingesters of every partition have answered once. */
  #hasReached = false;
  #stopping = false;

  /** @throws ConfigError */
  constructor(config: ClusterConfig, deps: ClusterDeps) {
    this.#config = config;
    this.#deps = deps;
    const instance = config.instance === '' ? hostname() : config.instance;
    this.identity = { clusterId: config.id, instance, zone: config.zone, secret: config.secret };
    this.#tls = readTls(config.tls);
    checkListener(deps.grpc.address, config.secret, this.#tls !== undefined);
    if (deps.rooms.ingester && ordinalOf(instance) === undefined) {
      throw new ConfigError(
        `key cluster.instance: ${JSON.stringify(instance)} does not end in a number, which is the partition of an ingester`,
      );
    }
  }

  /** A query-frontend knows queriers, not ingesters; a compactor alone needs the bucket, and nobody. */
  get #needsTable(): boolean {
    const { ingester, distributor, querier, storeGateway } = this.#deps.rooms;
    return ingester || distributor || querier || storeGateway;
  }

  get table(): RingTable | undefined {
    return this.#store?.current;
  }

  /** The newest epoch that anybody was heard to know. */
  get heardEpoch(): number {
    return Math.max(this.#heardEpoch, this.table?.epoch ?? 0);
  }

  /** The ingesters of the table. */
  get peers(): IngesterPeers | undefined {
    return this.#peers;
  }

  /** Its store-gateways. */
  get gateways(): GatewayPeers | undefined {
    return this.#gateways;
  }

  /** Whether a process may be expected to answer: it did when it was last asked, and its lease has not run out. */
  isThere(peer: { readonly answers: boolean; readonly member: { readonly instance: string } }): boolean {
    return peer.answers && this.#leases?.holds(peer.member.instance) !== false;
  }

  /** Fetches newer tables: one that was heard of from who has it, also while the bucket is away. @throws Failure when nobody can be asked */
  async refresh(): Promise<void> {
    const isBehind = (): boolean => (this.table?.epoch ?? 0) < this.heardEpoch;
    if (isBehind()) {
      await this.#takeFromPeers();
      if (!isBehind()) return;
    }
    await this.#store?.refresh(this.heardEpoch);
    this.#seeActive();
  }

  #ownTable(): Uint8Array {
    if (this.table === undefined) throw new Failure('not_found', 'no table of the ring is known here');
    return encodeTable(this.table);
  }

  async #takeFromPeers(): Promise<void> {
    const epoch = this.table?.epoch ?? 0;
    const bytes = (await this.#peers?.tableBeyond(epoch)) ?? (await this.#gateways?.tableBeyond(epoch));
    if (bytes !== undefined) await this.#store?.takeFromPeer(bytes);
  }

  /**
   * Whether what was written into the log of a partition until now will be read from there: it was active a moment ago, and whoever
   * leaves waits longer. That may be known from the bucket, or, while that is away, from an owner of the partition that knows of nothing newer.
   */
  async isRead(partition: number): Promise<boolean> {
    const seenMsMax = seenPeriodsMax * this.#config.tablePeriod;
    const isSeen = (): boolean => {
      this.#seeActive();
      return performance.now() - (this.#seenActiveMs.get(partition) ?? Number.NEGATIVE_INFINITY) <= seenMsMax;
    };
    if (isSeen()) return true;
    const owners = this.table?.partitions.find(({ id }) => id === partition)?.owners ?? [];
    const refreshed = this.refresh().catch(() => undefined);
    await Promise.all(owners.map((owner) => this.#peers?.of(owner)?.look()));
    // A bucket that does not answer is not waited for where an owner has.
    if (!isSeen()) await refreshed;
    return isSeen();
  }

  #seeActive(): void {
    const { table } = this;
    const newestAtMs = this.#store?.newestAtMs ?? Number.NEGATIVE_INFINITY;
    for (const { id, state, owners } of table?.partitions ?? []) {
      if (state !== 'active') continue;
      let seenMs = Math.max(newestAtMs, this.#seenActiveMs.get(id) ?? Number.NEGATIVE_INFINITY);
      for (const owner of owners) {
        const peer = this.#peers?.of(owner);
        if (peer !== undefined && peer.knownEpoch <= (table?.epoch ?? 0)) seenMs = Math.max(seenMs, peer.heardAtMs);
      }
      this.#seenActiveMs.set(id, seenMs);
    }
  }

  /** What a room of this process answers to others. */
  serve({ asks, streams }: CallHandlers): void {
    for (const [method, handler] of asks) this.#asks.set(method, handler);
    for (const [method, handler] of streams) this.#streams.set(method, handler);
  }

  /** Looks for query-frontends, from now on until the end. */
  findFrontends(addresses: readonly string[], onFrontend: FrontendLinksOptions['onFrontend']): void {
    if (addresses.length === 0) return;
    const { log } = this.#deps;
    this.#frontends = new FrontendLinks({ addresses, identity: this.identity, tls: this.#tls, log, onFrontend });
  }

  /**
   * Takes this ingester's place in the table, now that its data is restored; again and again while the bucket is away.
   * @param found what its data folder holds
   * @param logPosition how far its log is on stable storage
   */
  async join(found: FoundData, logPosition: () => number | undefined): Promise<JoinedPlace> {
    const { log, nowMs, creationGraceMs, bucket, followsLog } = this.#deps;
    const { instance, zone } = this.identity;
    const incarnation = this.#incarnation;
    if (incarnation === undefined) throw new Error('join before start');
    const markKey = diskMarkKey(this.identity);
    const mark = await this.#atLast(() => readDiskMark(bucket, markKey));
    const isSetBack = mark?.incarnation === incarnation.id && mark.position > found.logPosition;
    if (isSetBack) {
      const fields = { logPosition: found.logPosition, marked: mark.position };
      log.error(fields, 'the data folder is an older copy of what it was: what came after it is missing on it');
    }
    const candidate: Candidate = {
      instance,
      zone,
      address: this.#ownAddress(),
      incarnation: incarnation.id,
      starts: incarnation.starts,
      hasHole: found.hasHole || isSetBack,
      hasSamples: found.hasSamples,
      completeFromMs: followsLog ? 0 : nowMs() + creationGraceMs() + clockSkewMs,
    };
    await checkNameIsFree(candidate, this.table, this.identity, this.#tls);
    const table = await this.#atLast(() =>
      this.#publish((current) => joined(current, candidate, this.#settings, nowMs())),
    );
    if (table === undefined) return { isUnwritten: false };
    this.#joined = true;
    log.info({ epoch: table.epoch, instance, zone, address: candidate.address }, 'joined the ring');
    this.#marker = new DiskMarker(bucket, markKey, incarnation.id, logPosition);
    this.#leave?.joined();
    return { isUnwritten: table.partitions.some(({ id, state }) => id === ordinalOf(instance) && state === 'pending') };
  }

  /** How the ingester of this process leaves, which `drain` empties, and helps others that have lost their disk, by `flush`. */
  leavesWith(drain: RoomDrain, flush: () => Promise<boolean>): RingLeave {
    const { log, nowMs } = this.#deps;
    const shared = {
      own: this.identity,
      table: () => this.table,
      publish: (change: (table: RingTable) => RingTable) => this.#publishKnown(change),
      log,
    };
    this.#healing = new ReplicaHealing({ ...shared, flush });
    const leave = new RingLeave({
      ...shared,
      drain,
      learnMs: (this.#deps.followsLog ? seenPeriodsMax + 1 : learnPeriods) * this.#config.tablePeriod,
      nowMs,
    });
    this.#leave = leave;
    this.#store?.onChange(() => leave.look());
    return leave;
  }

  /** Takes this store-gateway's place in the table; again and again while the bucket is away. */
  async joinAsGateway(): Promise<void> {
    const { instance, zone } = this.identity;
    const gateway: Gateway = { instance, zone, address: this.#ownAddress() };
    const table = await this.#atLast(() => this.#publish((current) => withGateway(current, gateway, this.#settings)));
    if (table === undefined) return;
    this.#joinedAsGateway = true;
    this.#deps.log.info({ epoch: table.epoch, ...gateway }, 'joined the ring as a store-gateway');
  }

  /** Takes a store-gateway out of the table. @throws Failure `not_found`; `unavailable` while the bucket is away */
  async #gatewayLeaves({ instance, zone }: GatewayName): Promise<RingTable> {
    const table = await this.#publish((current) => {
      const next = current === undefined ? undefined : withoutGateway(current, { instance, zone });
      if (next !== undefined && next !== current) return next;
      throw new Failure(
        'not_found',
        `the ring has no store-gateway ${JSON.stringify(instance)} in zone ${JSON.stringify(zone)}`,
      );
    });
    if (instance === this.identity.instance && zone === this.identity.zone) this.#joinedAsGateway = false;
    this.#deps.log.info({ epoch: table.epoch, instance, zone }, 'a store-gateway left the ring');
    return table;
  }

  async #acceptLoss(partition: number): Promise<RingTable> {
    const table = await this.#publishKnown((current) => waived(current, partition));
    this.#deps.log.warn(
      { epoch: table.epoch, partition },
      'an operator accepts what the owners of a partition have lost',
    );
    return table;
  }

  /** Whether this process is one of the `count` store-gateways that keep a block at hand. */
  isOwnBlock(block: string, count: number): boolean {
    const { instance, zone } = this.identity;
    const owners = rankInZones(block, this.table?.gateways ?? [], count).slice(0, count);
    return owners.some((owner) => owner.instance === instance && owner.zone === zone);
  }

  /** Whether some work that any compactor could do is for this one: each of them would say the same, or two of them do it twice. */
  isOwnWork(key: string): boolean {
    const members = this.#leases?.membersOf('compactor');
    return members === undefined || rankMembers(key, members, (name) => name)[0] === this.identity.instance;
  }

  /** Partitions that share what a tenant may have in memory. @param shardSize partitions that it is spread over; 0 is all */
  partitionsSharing(tenant: TenantId, shardSize: number): number {
    const nowMs = this.#deps.nowMs();
    return partitionsSharing(this.table, this.#shardSizes.settled(tenant, shardSize, nowMs), nowMs);
  }

  /** Distributors that share what a tenant may send, as far as leases tell; without Redis each has it for itself. */
  distributorCount(): number {
    return this.#leases?.membersOf('distributor').length ?? 1;
  }

  get #settings(): RingSettings {
    const { rooms, followsLog } = this.#deps;
    const log = rooms.ingester || rooms.distributor || rooms.querier ? (followsLog ? 'kafka' : 'local') : undefined;
    return { clusterId: this.identity.clusterId, replicationFactor: this.#config.replicationFactor, log };
  }

  /** @throws Failure of `change`; `unavailable` while the bucket is away */
  async #publish(change: (table: RingTable | undefined) => RingTable): Promise<RingTable> {
    const table = await this.#store?.publish(change);
    if (table === undefined) throw new Failure('unavailable', 'the process is starting');
    return table;
  }

  /** The same where there is a table. @throws Failure as #publish */
  #publishKnown(change: (table: RingTable) => RingTable): Promise<RingTable> {
    return this.#publish((table) => {
      if (table === undefined) throw new Failure('unavailable', 'the table of the ring is not known yet');
      return change(table);
    });
  }

  /** Does it as soon as the bucket can be asked; undefined where the process stops before. @throws Failure `bad_data` */
  async #atLast<T>(act: () => Promise<T>): Promise<T | undefined> {
    for (let pauseMs = 100; !this.#stopping; pauseMs = Math.min(5_000, pauseMs * 2)) {
      try {
        return await act();
      } catch (error) {
        if (isMistake(error)) throw error;
        this.#deps.log.warn({ error: String(error) }, 'cannot join the ring yet');
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
    return undefined;
  }

  /** Ends this process when its place was given to another disk or a later start of its own. */
  #checkOwnPlace(table: RingTable): void {
    const { instance, zone } = this.identity;
    const owners = table.partitions.flatMap((partition) => partition.owners);
    const own = owners.find((owner) => owner.instance === instance && owner.zone === zone);
    const incarnation = this.#incarnation;
    if (!this.#joined || own === undefined || incarnation === undefined) return;
    if (own.incarnation === incarnation.id && own.starts <= incarnation.starts) return;
    this.#deps.onFatal(new Error(`the place of ${instance} in the ring was taken by a process at ${own.address}`));
  }

  async start(): Promise<void> {
    const { bucket, dataDir, log, rooms, grpc, app, metrics, nowMs } = this.#deps;
    if (this.#needsTable) {
      this.#store = await TableStore.open({
        bucket,
        disk: realDisk,
        dataDir,
        clusterId: this.identity.clusterId,
        onWrong: (reason) => log.error({}, reason),
        nowMs: () => performance.now(),
      });
    }
    if (this.table !== undefined) checkSettings(this.table, this.#settings);
    const links = {
      identity: this.identity,
      tls: this.#tls,
      tableEpoch: () => this.table?.epoch ?? 0,
      onTableEpoch: (epoch: number) => this.#heard(epoch),
      log,
    };
    if (rooms.distributor || rooms.querier) {
      this.#peers = new Peers({
        ...links,
        what: 'an ingester',
        purposes: [...(rooms.distributor ? ['writes'] : []), ...(rooms.querier ? ['reads'] : [])],
        clientOf: ([first, last = first]) => new IngesterClient(first as Channel, last as Channel),
        keyOf: ({ instance, zone, address, incarnation, starts }: Owner) =>
          JSON.stringify([instance, zone, address, incarnation, starts]),
      });
    }
    if (rooms.querier) {
      this.#gateways = new Peers({
        ...links,
        what: 'a store-gateway',
        purposes: ['reads'],
        clientOf: ([reads]) => new GatewayClient(reads as Channel),
        keyOf: ({ instance, zone, address }: Gateway) => JSON.stringify([instance, zone, address]),
      });
    }
    const follow = (table: RingTable): void => {
      this.#peers?.follow(table.partitions.flatMap(({ owners }) => owners));
      this.#gateways?.follow(table.gateways);
    };
    if (this.table !== undefined) follow(this.table);
    this.#store?.onChange(follow);
    this.#store?.onChange((table) => {
      try {
        checkSettings(table, this.#settings);
      } catch (error) {
        // There was none when it began.
        this.#deps.onFatal(error);
      }
    });
    if (rooms.ingester) {
      this.#incarnation = await countStart(realDisk, dataDir);
      this.#store?.onChange((table) => this.#checkOwnPlace(table));
    }
    if (rooms.ingester || rooms.storeGateway || rooms.queryFrontend) {
      this.#listener = await listenGrpc(grpc.address, grpc.port, this.#tls, (pipe) =>
        serveLink(pipe, {
          identity: this.identity,
          handlers: { asks: this.#asks, streams: this.#streams },
          tableEpoch: () => this.table?.epoch ?? 0,
          onTableEpoch: (epoch) => this.#heard(epoch),
          onRefused: (reason) => log.error({ reason }, 'a link was refused'),
          onMistake: (method, error) =>
            log.error({ method, error: String(error) }, 'a call failed by a mistake of ours'),
          // What is no more than its own mistake or that it is not ready the caller tells.
          onAnswered: (method, ms, failure) => {
            const level = failure?.kind === 'internal' ? 'error' : 'debug';
            const reason = failure === undefined ? {} : { kind: failure.kind, error: failure.message };
            log[level]({ method, ms, ...reason }, failure === undefined ? 'a call was answered' : 'a call failed');
          },
        }),
      );
      log.info({ address: grpc.address, port: this.#listener.port }, 'listening for other processes');
    }
    if (this.#deps.redisUrl !== '') {
      const { openLeases } = await import('./open-leases.ts');
      this.#leases = openLeases({
        url: this.#deps.redisUrl,
        identity: this.identity,
        rooms: Object.entries(rooms).flatMap(([room, isRunning]) => (isRunning ? [room] : [])),
        tableEpoch: () => this.table?.epoch ?? 0,
        leaseMs: this.#config.leaseDuration,
        log,
      });
      // Without knowing of the others a compactor would begin with the work of all.
      if (rooms.compactor) await this.#leases.known(Math.min(firstLeasesMs, this.#config.leaseDuration));
    }
    const view: ClusterView = { table: () => this.table, peers: () => this.#peers, gateways: () => this.#gateways };
    partitionRingRoute(app, {
      ...view,
      hasTable: this.#needsTable,
      holdsLease: (instance) => this.#leases?.holds(instance),
      nowMs,
    });
    if (rooms.storeGateway || rooms.querier) {
      gatewayLeaveRoute(app, this.identity, (gateway) => this.#gatewayLeaves(gateway));
    }
    if (this.#needsTable) acceptLossRoute(app, (partition) => this.#acceptLoss(partition));
    registerClusterMetrics(metrics, view);
    const look = (): void => {
      this.#look();
      this.#lookAtPeers();
    };
    this.#timer = setInterval(look, this.#config.tablePeriod);
    this.#timer.unref();
    look();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    this.#leave?.stop();
    await this.#marker?.stop();
    await this.#leases?.stop();
    this.#peers?.stop();
    this.#frontends?.stop();
    this.#gateways?.stop();
    await this.#listener?.stop();
  }

  notReadyReason(): string | undefined {
    const { rooms } = this.#deps;
    if (this.#stopping) return 'stopping';
    if (rooms.ingester && !this.#joined) return 'this ingester has not joined the ring yet';
    if (this.#leave?.isOver === true) return 'this ingester has left the ring and may be stopped';
    if (rooms.storeGateway && !this.#joinedAsGateway)
      return 'this store-gateway has not joined the ring yet, or has left it';
    const { table } = this;
    if (!this.#needsTable) return undefined;
    if (table === undefined)
      return 'the table of the ring is not known yet: no ingester has joined, or the bucket is away';
    if (rooms.distributor && !table.partitions.some(({ state }) => state === 'active')) {
      return `no partition is active: each waits for its ${table.replicationFactor} ingesters`;
    }
    return this.#notReachedReason(table);
  }

  /** After a start: why not every partition can be asked yet. Losing an ingester later is not this process' unreadiness. */
  #notReachedReason({ replicationFactor, partitions }: RingTable): string | undefined {
    const { rooms } = this.#deps;
    const peers = this.#peers;
    if (this.#hasReached || peers === undefined) return undefined;
    const needed = Math.max(
      rooms.distributor && !this.#deps.followsLog ? writeQuorum(replicationFactor) : 0,
      rooms.querier ? this.#asked : 0,
    );
    for (const { id, state, owners } of partitions) {
      const there = owners.filter((owner) => peers.of(owner)?.answers === true).length;
      if (state !== 'pending' && there < needed) {
        return `partition ${id}: ${there} of the ${needed} ingesters that are needed answer`;
      }
    }
    this.#hasReached = true;
    return undefined;
  }

  /** Owners of each partition that a read asks. */
  get #asked(): number {
    return this.#deps.followsLog ? 1 : readQuorum(this.#config.replicationFactor);
  }

  /** `host:port` by which others reach this process. */
  #ownAddress(): string {
    if (this.#listener === undefined) throw new Error('a process that does not listen has no address');
    return `${advertisedHost(this.#config.advertiseHost, this.#deps.grpc.address)}:${this.#listener.port}`;
  }

  #heard(epoch: number): void {
    if (epoch <= this.heardEpoch) return;
    this.#heardEpoch = epoch;
    this.#look();
  }

  /** Looks at the ingesters and store-gateways, also while the bucket keeps the look at the table waiting. One look at a time. */
  #lookAtPeers(): void {
    this.#lookingAtPeers ??= Promise.all([this.#peers?.lookAtAll(), this.#gateways?.lookAtAll()])
      .then(() => undefined)
      .finally(() => {
        this.#lookingAtPeers = undefined;
      });
  }

  /** Looks for a newer table, and makes a partition active whose time has come. One look at a time. */
  #look(): void {
    this.#looking ??= this.#lookNow()
      .catch((error: unknown) => this.#deps.log.warn({ error: String(error) }, 'the table of the ring cannot be read'))
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #lookNow(): Promise<void> {
    if (this.#stopping) return;
    const peers = this.#peers;
    if (this.#joined) this.#healing?.look();
    await this.refresh();
    if (!this.#deps.rooms.distributor || peers === undefined) return;
    const activate = (table: RingTable | undefined): RingTable | undefined =>
      table === undefined
        ? undefined
        : activated(table, (owner) => peers.of(owner)?.knownEpoch ?? 0, this.#asked, this.#deps.nowMs());
    if (activate(this.table) === this.table) return;
    const table = await this.#store?.publish(activate);
    this.#deps.log.info({ epoch: table?.epoch }, 'partitions became active');
  }
}

/** The cluster as a room of the process. */
export function clusterService(cluster: Cluster): Service {
  return {
    start: () => cluster.start(),
    stop: () => cluster.stop(),
    notReadyReason: () => cluster.notReadyReason(),
  };
}

const isMistake = (error: unknown): boolean => error instanceof Failure && error.kind === 'bad_data';
