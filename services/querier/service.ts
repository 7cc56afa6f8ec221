/**
 * The querier as a room of the process: routes, workers, metrics, put together.
 * Owns nothing but the putting together. A worker is started a moment after the room, so that the first query finds one and
 * the process is not late to be ready.
 */
import { availableParallelism } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import type {
  IngesterContract,
  IngesterStatusContract,
  ReadConsistency,
  RecentChangesContract,
} from '../../libs/contracts/ingester.ts';
import type { QueryWorkContract } from '../../libs/contracts/query-work.ts';
import type { StoreGatewayContract } from '../../libs/contracts/store-gateway.ts';
import type { TenantOf } from '../../libs/http/tenant-header.ts';
import type { Service } from '../../libs/lifecycle/service.ts';
import { compileMatcher } from '../../libs/model/matcher-predicate.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { createEngine } from '../../libs/promql/engine.ts';
import { subqueryStepMs, syntaxOf } from '../../libs/promql/settings.ts';
import { parseMetricSelector } from '../../libs/promql/syntax/parser.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import type { ApiPath } from '../../libs/query-api/api-paths.ts';
import { apiRoutes, type CallReport } from '../../libs/query-api/api-routes.ts';
import { logFailure } from '../../libs/query-api/log-failures.ts';
import type { HeldList, ListMemory } from '../../libs/series/list-memory.ts';
import { usableMemoryBytes } from '../../libs/std/usable-memory.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import { version } from '../../libs/telemetry/version.ts';
import { answerWork } from './answer-work.ts';
import type { BlockAccess } from './block-source.ts';
import type { QuerierConfig } from './config.ts';
import type { ApiDeps } from './endpoint.ts';
import { endpoints, isListed } from './endpoints.ts';
import type { EvaluationOptions } from './evaluate-query.ts';
import { LabelMemory } from './label-memory.ts';
import { ListedReads } from './listed-reads.ts';
import { mergedSource, witnessedSource } from './merged-source.ts';
import { createQuerierMetrics } from './metrics.ts';
import { outlinesOf } from './outline-job.ts';
import { WorkPuller } from './pull-work.ts';
import { queryMemoryBytes, workerHeapMb, workersFor } from './query-memory.ts';
import { QueryPool } from './query-pool.ts';
import { selectorsOf } from './selector-syntax.ts';
import { SmallQueries } from './small-queries.ts';

const prewarmAfterMs = 500;
/** How long queries may go on when the process stops; then they are answered 503. */
const drainMs = 10_000;
/** So that two long queries of one tenant do not hold up all others. */
const spareWorkersMax = 1;
/** Of a tenant's lists of labels and series: each takes the main thread for two milliseconds at a time, or waits for the bucket. */
const listedAtOnceMax = 16;

export interface QuerierDeps {
  readonly ingester: Pick<IngesterContract, 'source'> & IngesterStatusContract & Partial<RecentChangesContract>;
  readonly storeGateway: StoreGatewayContract;
  readonly bucket: Bucket;
  /** Where the routes go. */
  readonly app: FastifyInstance;
  readonly tenantOf: TenantOf;
  /** Names of `--enable-feature`. */
  readonly features: ReadonlySet<string>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
  /** Whether clients ask here; else only query-frontends do. */
  readonly hasRoutes: boolean;
  /** The body of a request must come at a pace that would have it here within this. */
  readonly bodyArrivalMs: number;
  /** Name of this process. */
  readonly instance: string;
  readonly listMemory: ListMemory;
}

export interface Querier extends Service {
  /** Takes work from a query-frontend until `gone` aborts. */
  takeFrom(frontend: QueryWorkContract, gone: AbortSignal): void;
}

/** Builds the room and registers its routes; they answer once the ingester does. */
export function createQuerier(config: QuerierConfig, deps: QuerierDeps): Querier {
  const syntax = syntaxOf(deps.features);
  const usableBytes = usableMemoryBytes();
  const workerData: EvaluationOptions = {
    syntax,
    engine: {
      flags: {
        delayedNameRemoval: deps.features.has('promql-delayed-name-removal'),
        typeAndUnitLabels: deps.features.has('type-and-unit-labels'),
        startTimestamps: deps.features.has('use-start-timestamps'),
      },
      lookbackMs: config.lookbackDelta,
      subqueryStepMs,
    },
    statsByStep: deps.features.has('promql-per-step-stats'),
    limits: { samplesMax: config.maxSamples, memoryBytesMax: config.maxMemoryBytes || queryMemoryBytes(usableBytes) },
  };
  const workersMax = workersFor(usableBytes, workerData.limits.memoryBytesMax, {
    asked: config.maxConcurrency,
    cores: availableParallelism(),
    spares: spareWorkersMax,
  });
  const pool = new QueryPool({
    workersMax,
    sparesMax: spareWorkersMax,
    queuedMax: config.maxQueued,
    queuedPerTenantMax: config.maxQueuedPerTenant,
    heapMb: workerHeapMb(usableBytes, workersMax + spareWorkersMax),
    workerUrl: new URL('./query-worker.ts', import.meta.url),
    workerData,
    outlineOf: outlinesOf(createEngine(workerData.engine), syntax),
    small: new SmallQueries(workerData),
    labels: new LabelMemory(workerData.limits.memoryBytesMax),
  });
  const access: BlockAccess = {
    gateway: deps.storeGateway,
    indexes: new TenantIndexes({
      bucket: deps.bucket,
      nowMs: deps.nowMs,
      ageMsMax: config.bucketIndexRefresh,
      staleMsMax: config.bucketIndexMaxAge,
      onProblem: (tenant, problem) => deps.log.warn({ tenant, problem }, 'a bucket index has a problem'),
    }),
    nowMs: deps.nowMs,
    indexAgeMsMax: config.bucketIndexMaxAge,
    indexRefreshMs: config.bucketIndexRefresh,
  };
  const count = createQuerierMetrics(deps.metrics, pool);
  const api: Omit<ApiDeps, 'sourceOf'> = {
    ...witnessesOf(config, deps, access),
    ingester: deps.ingester,
    bucketIndexOf: (tenant, signal) => access.indexes.of(tenant, signal),
    pool,
    syntax: {
      parseSelector: parseMetricSelector,
      selectorsOf: (query) => selectorsOf(query, syntax),
      matchesEmpty: (matcher) => compileMatcher(matcher).matchesEmpty,
    },
    timeoutMs: config.timeout,
    lookbackMs: config.lookbackDelta,
    searchLimitMax: config.searchLimitMax,
    features: deps.features,
    startMs: deps.nowMs(),
    nowMs: deps.nowMs,
  };
  const apiOf = (consistency: ReadConsistency): ApiDeps => ({
    ...api,
    sourceOf: (tenant) => mergedSource(tenant, deps.ingester, access, consistency),
  });
  const listed = new ListedReads({
    atOnceMax: listedAtOnceMax,
    waitingMax: config.maxQueuedPerTenant,
    timeoutMs: config.timeout,
    memory: deps.listMemory,
  });
  const answer = (path: ApiPath, call: ApiCall, own: ApiDeps): Promise<ApiAnswer> => {
    if (!isListed(path)) return endpoints[path](call, own);
    const list = (signal: AbortSignal, held: HeldList) => endpoints[path]({ ...call, signal, listMemory: held }, own);
    return listed.answer(call.tenant, call.signal, list);
  };
  const report = (call: CallReport): void => {
    count(call);
    logFailure(deps.log, call);
  };
  if (deps.hasRoutes) {
    deps.app.register(
      apiRoutes({
        answer: (path, call) => answer(path, call, apiOf(call.consistency)),
        maxFormBytes: config.maxFormBytes,
        arrivalMs: deps.bodyArrivalMs,
        tenantOf: deps.tenantOf,
        report,
      }),
    );
  }
  const puller = new WorkPuller({
    querier: deps.instance,
    evaluations: workersMax,
    spares: spareWorkersMax,
    answer: (taken) => answerWork(taken, apiOf, answer, report),
    log: deps.log,
  });
  deps.app.addHook('preClose', async () => {
    setTimeout(() => void pool.close(), drainMs).unref();
  });
  let prewarm: NodeJS.Timeout | undefined;
  return {
    start: async () => {
      prewarm = setTimeout(() => pool.prewarm(), prewarmAfterMs).unref();
    },
    stop: async () => {
      clearTimeout(prewarm);
      await puller.stop(drainMs);
      await pool.close();
    },
    notReadyReason: () => undefined,
    takeFrom: (frontend, gone) => puller.pull(frontend, gone),
  };
}

/** Only where ingesters say what they were written: nothing is kept of others. */
function witnessesOf(
  config: QuerierConfig,
  { ingester, features }: QuerierDeps,
  access: BlockAccess,
): Pick<ApiDeps, 'witnesses'> {
  const { witnessedSource: recent, isUnchanged } = ingester;
  if (recent === undefined || isUnchanged === undefined) return {};
  return {
    witnesses: {
      settings: JSON.stringify([version, config.lookbackDelta, [...features].sort()]),
      changes: { isUnchanged },
      indexOf: (tenant, signal) => access.indexes.of(tenant, signal),
      sourceOf: (tenant, witness) => witnessedSource(tenant, { witnessedSource: recent }, access, witness),
    },
  };
}
