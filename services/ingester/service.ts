/**
 * The ingester: holds the newest hours of every tenant, on disk before it is acknowledged.
 * Owns the start of the Tsdb (in the background: the process listens meanwhile and says how far it is), its upkeep and its end.
 */
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { emptyBucketIndex, readBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { tenantDeletionMarkKey } from '../../libs/blocks/paths.ts';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { type FoundData, type JoinedPlace, recentBlocksMs } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { Connection } from '../../libs/kafka/connect.ts';
import type { LogOffsets } from '../../libs/kafka/end-offsets.ts';
import type { KafkaTopic } from '../../libs/kafka/topic.ts';
import type { Service } from '../../libs/lifecycle/service.ts';
import { type Limits, seriesLimitText } from '../../libs/limits/limits.ts';
import type { TenantLimits } from '../../libs/limits/tenant-limits.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { realDisk } from '../../libs/std/disk.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import { CutThread } from '../../libs/tsdb/cut-thread.ts';
import { MetadataShare } from '../../libs/tsdb/head/metric-metadata.ts';
import { LocalBlocks } from '../../libs/tsdb/local-blocks.ts';
import type { AcceptedAges } from '../../libs/tsdb/lost-records.ts';
import { OutsideLog } from '../../libs/tsdb/outside-log.ts';
import { type RestoreProgress, Tsdb } from '../../libs/tsdb/tsdb.ts';
import type { HeadConfig, IngesterConfig } from './config.ts';
import { DamagedRecords } from './damaged-records.ts';
import { Drain, drainOfNow } from './drain.ts';
import { DrainLog } from './drain-log.ts';
import { FollowedMark } from './followed-mark.ts';
import { IngesterHandler, reportFields } from './ingester-handler.ts';
import { registerBlockMetrics, registerIngesterMetrics, registerLogMetrics } from './metrics.ts';
import { BlockShipper } from './ship-blocks.ts';

export interface IngesterDeps {
  readonly dataDir: string;
  readonly limits: TenantLimits;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly features: ReadonlySet<string>;
  readonly bucket: Bucket;
  readonly nowMs: () => number;
  /** How long a reader may hold a bucket index that is not the newest, and how long a query may take. */
  readonly indexAgeMsMax: number;
  readonly queryMsMax: number;
  /** Durability can no longer be promised, or the data cannot be opened: the process must end with an error. */
  readonly onFatal: (error: unknown) => void;
  /** Awaited when the data is restored and nothing was answered from it yet. */
  readonly beforeOpen?: (found: FoundData) => Promise<JoinedPlace>;
  /** Whether readers elsewhere go by bucket indexes of their own: a block is safe when they must have heard of it. */
  readonly hasReadersElsewhere: boolean;
  /** Ingesters, replicas not counted, that share what a tenant may have in memory. */
  readonly sharersOf: (tenant: TenantId) => number;
  /** The log that brings the writes; undefined: they come from a distributor, and into a log on this disk. */
  readonly follow?: FollowedLog | undefined;
}

interface FollowedLog {
  readonly connection: Connection;
  readonly topic: KafkaTopic;
  readonly offsets: LogOffsets;
  readonly clusterId: string;
  readonly zone: string;
  readonly partition: number;
}

export interface IngesterRoom {
  readonly service: Service;
  readonly handler: IngesterHandler;
  readonly drain: Drain;
  /** Brings all that was received before the call to the bucket, one call at a time. @returns false where the process stops before */
  readonly flush: () => Promise<boolean>;
}

const fullRetryMs = 1_000;
/** Characters of metadata for each so many bytes that the heap may have: one takes a byte or two, and its objects as much again. */
const metadataShareOfHeap = 16;
const progressEveryMs = 2_000;
/** How often it is looked for ranges whose time has come. */
const cutEveryMs = 10_000;
/** Beyond the end of a query, until files that it read are deleted. */
const queryMarginMs = 60_000;

/** How long it is waited until it is looked again whether the topic is known. */
const topicRetryMs = 50;

class StoppedRestore extends Error {}

interface Outside {
  readonly topicId: string;
  readonly log: OutsideLog;
}

export function createIngester(config: IngesterConfig, headConfig: HeadConfig, deps: IngesterDeps): IngesterRoom {
  const { log } = deps;
  const shareOf = (tenant: TenantId, limit: number): number => Math.ceil(limit / deps.sharersOf(tenant));
  const thread = new CutThread();
  const blocks = new LocalBlocks({
    disk: realDisk,
    directory: join(deps.dataDir, 'blocks'),
    damagedDirectory: join(deps.dataDir, 'damaged'),
    log,
    nowMs: deps.nowMs,
    withStartTimes: deps.features.has('st-storage'),
    write: (feed, options, signal) => thread.write(feed, options, signal),
    // What the bucket has of it answers as soon as it may.
    onDamage: () => void shipper.shipDue(),
  });
  const shipper = new BlockShipper({
    blocks,
    readIndex: async (tenant) =>
      (await readBucketIndex(deps.bucket, tenant, new AbortController().signal))?.index ?? emptyBucketIndex,
    isTenantDeleted: async (tenant) =>
      (await deps.bucket.stat(tenantDeletionMarkKey(tenant), new AbortController().signal)) !== undefined,
    upload: ({ tenant, meta, path }, signal) => uploadBlock(deps.bucket, tenant, meta.ulid, path, signal),
    onDeleted: ({ tenant, meta }) => handler.tsdb?.writeMarks.noteRange(tenant, meta.minTime, meta.maxTime),
    nowMs: deps.nowMs,
    steadyMs: () => performance.now(),
    settleMs: deps.indexAgeMsMax + deps.queryMsMax,
    recentMs: recentBlocksMs,
    log,
  });
  const handler = new IngesterHandler(blocks, () => shipper.heldFromMs(), deps.follow !== undefined);
  const toBucket = {
    cutAll: async () => {
      const reason = handler.notReadyReason();
      if (handler.tsdb === undefined) throw new Failure('unavailable', reason ?? 'the ingester is not ready');
      return handler.tsdb.cutAll();
    },
    ship: async () => {
      shipper.hasten();
      await shipper.shipDue();
    },
    unsafe: () => shipper.unsafe(deps.hasReadersElsewhere),
    log,
  };
  const raiseFloor = async (): Promise<void> => handler.follow?.raiseFloor(() => shipper.loggedFrom());
  const drainLog = new DrainLog(() => handler.follow);
  const drain = new Drain(
    deps.follow === undefined
      ? { ...toBucket, closeWrites: () => handler.closeWrites() }
      : {
          ...toBucket,
          behind: () => drainLog.behind(),
          ship: async () => {
            await toBucket.ship();
            await raiseFloor();
          },
          unsafe: () => toBucket.unsafe() ?? drainLog.unsafe(),
        },
  );
  let flushing: Drain | undefined;
  const flush = async (): Promise<boolean> => {
    const one = drainOfNow({
      ...toBucket,
      held: () => [...blocks.all()].map(({ meta }) => meta.ulid),
      unsafe: (only) => shipper.unsafe(deps.hasReadersElsewhere, only),
    });
    flushing = one;
    await one.run();
    return one.state.state === 'drained';
  };
  let opening: Promise<void> | undefined;
  let isStopping = false;
  registerIngesterMetrics(deps.metrics, handler);
  const onDelay = deps.follow === undefined ? () => undefined : registerLogMetrics(deps.metrics, handler);
  registerBlockMetrics(deps.metrics, handler, blocks, shipper);

  const metadataShare = new MetadataShare(Math.floor(getHeapStatistics().heap_size_limit / metadataShareOfHeap));
  const open = async (): Promise<void> => {
    let toldAtMs = performance.now();
    const progress = (state: RestoreProgress): void => {
      // Nothing was written yet, so a restore may end anywhere.
      if (isStopping) throw new StoppedRestore('the process stops while its head is restored');
      handler.progress(state);
      if (performance.now() - toldAtMs < progressEveryMs) return;
      toldAtMs = performance.now();
      log.info({ ...state }, 'restoring the head');
    };
    const outside = deps.follow === undefined ? undefined : await outsideLog(deps.follow);
    if (isStopping) return;
    const { tsdb, report } = await Tsdb.open(
      {
        disk: realDisk,
        directory: deps.dataDir,
        segmentBytes: config.walSegmentBytes,
        snapshotBytes: config.snapshotBytes,
        fullRetryMs,
        log,
        onFatal: deps.onFatal,
        tenantsMax: config.instanceLimits.maxTenants,
        // What is in a log was accepted.
        seriesMax: (tenant) =>
          outside === undefined ? shareOf(tenant, deps.limits.of(tenant).maxGlobalSeriesPerUser) : 0,
        seriesRefusal: (tenant) => seriesLimitText(deps.limits.of(tenant).maxGlobalSeriesPerUser),
        // In a cluster the table of the ring says from when on this owner is complete.
        ...(deps.beforeOpen === undefined && {
          lossWarning: { nowMs: deps.nowMs, acceptedAges: (tenant) => acceptedAges(deps.limits.of(tenant)) },
        }),
        headOptions: (tenant) => ({
          get exemplarsMax() {
            return shareOf(tenant, deps.limits.of(tenant).maxGlobalExemplarsPerUser);
          },
          metadataShare,
        }),
        ...(outside === undefined ? {} : { outside: outside.log }),
        cut: { blocks, nowMs: deps.nowMs, cutDelayMs: headConfig.cutDelay, idleMs: headConfig.idleDelay },
      },
      progress,
    );
    const { torn } = report.replay;
    if (torn !== undefined) {
      log.warn(
        { file: torn.path, offset: torn.offset, bytes: torn.bytes },
        'cut off the end of the log behind the last whole record: a write that was under way when the process ended, and was not acknowledged, unless the file was damaged',
      );
    }
    for (const damage of report.damages) {
      log.error(
        { file: damage.path, offset: damage.offset, bytes: damage.bytes, reason: damage.reason },
        'a damaged part of a file was passed over',
      );
    }
    if (report.orphanRows > 0)
      log.error({ rows: report.orphanRows }, 'rows of the log were dropped: their series was lost with a damaged file');
    log.info({ dataDir: join(deps.dataDir), ...reportFields(report) }, 'the head is restored');
    const place = await deps.beforeOpen?.({
      hasHole: report.damages.length > 0 || report.orphanRows > 0,
      // What came from a log every owner reads from it.
      hasSamples:
        outside === undefined &&
        [...tsdb.heads.values()].some(({ openRanges, frozenRanges }) => openRanges.size + frozenRanges.size > 0),
      logPosition: report.lastSeq,
    });
    handler.restored(tsdb, report);
    if (deps.follow !== undefined && outside !== undefined) {
      await startFollowing(deps.follow, outside, tsdb, place?.isUnwritten === true);
    }
    timers.push(
      every(cutEveryMs, () => tsdb.cutDue()),
      every(config.shipInterval, async () => {
        await shipper.shipDue();
        await raiseFloor();
        await blocks.sweep(deps.queryMsMax + queryMarginMs);
      }),
    );
  };
  const startFollowing = async (
    followed: FollowedLog,
    { topicId, log: outside }: Outside,
    tsdb: Tsdb,
    isUnwritten: boolean,
  ): Promise<void> => {
    // The client of Kafka takes long to load, and most processes do not need it.
    const { FollowLog } = await import('./follow-log.ts');
    const damaged = new DamagedRecords(realDisk, join(deps.dataDir, 'damaged'), topicId);
    const mark = new FollowedMark(realDisk, outside.directory);
    const { bucket, nowMs, onFatal } = deps;
    handler.damagedRecords = damaged;
    handler.follow = new FollowLog({
      ...{
        ...followed,
        topicId,
        bucket,
        tsdb,
        log: outside,
        damaged,
        mark,
        logger: log,
        isUnwritten,
        nowMs,
        onFatal,
        onDelay,
      },
    });
    handler.follow.start();
  };
  /** The log by the id of its topic: snapshots of another one are not looked at. Waits until it is known. */
  const outsideLog = async ({ topic, partition }: FollowedLog): Promise<Outside> => {
    if ((await realDisk.list(join(deps.dataDir, 'wal'))).length > 0) {
      throw new Failure(
        'bad_data',
        `${deps.dataDir} holds the log of an ingester with ingest.log=local: what is in no block yet would be lost from sight. Start with an empty folder`,
      );
    }
    while (topic.id === undefined && !isStopping) await new Promise((resolve) => setTimeout(resolve, topicRetryMs));
    const topicId = topic.id ?? '';
    return { topicId, log: new OutsideLog(join(deps.dataDir, 'log', topicId, String(partition))) };
  };
  const timers: NodeJS.Timeout[] = [];
  /** Failures are told where they happen; what gets here is our mistake and is told as well. */
  const every = (ms: number, act: () => Promise<void>): NodeJS.Timeout => {
    const run = () => {
      act().catch((error: unknown) => log.error({ error: String(error) }, 'the upkeep of blocks failed'));
    };
    run();
    return setInterval(run, ms).unref();
  };

  const service: Service = {
    start: async () => {
      opening = open().catch((error: unknown) => {
        if (!(error instanceof StoppedRestore)) deps.onFatal(error);
      });
    },
    stop: async () => {
      isStopping = true;
      handler.stopping();
      await opening;
      await drain.stop();
      await flushing?.stop();
      for (const timer of timers) clearInterval(timer);
      await handler.follow?.stop();
      await shipper.stop();
      await handler.tsdb?.close();
      await thread.close();
      await blocks.close();
    },
    notReadyReason: () => handler.notReadyReason(),
    amissReason: () => handler.amissReason(),
  };
  return { service, handler, drain, flush };
}

function acceptedAges({ pastGracePeriod, creationGracePeriod }: Limits): AcceptedAges {
  return { pastMs: pastGracePeriod === 0 ? Number.POSITIVE_INFINITY : pastGracePeriod, aheadMs: creationGracePeriod };
}
