/**
 * The query-frontend as a room of the process: the door for reads of a cluster.
 * Owns nothing but the putting together: routes, queue, metrics. It evaluates nothing itself; queriers take its work.
 */
import type { FastifyInstance } from 'fastify';
import { bytes, integer, type ValuesOf } from '../../libs/config/config-key.ts';
import type { QueryWorkContract } from '../../libs/contracts/query-work.ts';
import type { TenantOf } from '../../libs/http/tenant-header.ts';
import { type ByteCache, MemoryCache } from '../../libs/kv/byte-cache.ts';
import type { Service } from '../../libs/lifecycle/service.ts';
import type { TenantLimits } from '../../libs/limits/tenant-limits.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { subqueryStepMs, syntaxOf } from '../../libs/promql/settings.ts';
import { apiRoutes } from '../../libs/query-api/api-routes.ts';
import { logFailure } from '../../libs/query-api/log-failures.ts';
import { usableMemoryBytes } from '../../libs/std/usable-memory.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import { Unjoinable } from './choose-shards.ts';
import { HeldMemory } from './held-memory.ts';
import { createFrontendMetrics } from './metrics.ts';
import { ResultsCache } from './results-cache.ts';
import { answerQuery } from './run-query.ts';
import { WorkRunner } from './run-work.ts';

/** What the parts of one answer may take of the memory, and those of all answers. */
const heldShareOfMemory = 8;
const allHeldShareOfMemory = 4;
/** What answers of queriers may take that wait for their clients. */
const gatheredShareOfMemory = 4;

/** Slice `queryFrontend` of the configuration. */
export const queryFrontendKeys = {
  resultsCacheMaxBytes: bytes(
    '256MiB',
    'Most memory that kept answers of range queries take; with redis.url they are kept there. 0 keeps none.',
  ),
  queryShardingTargetSeriesPerShard: integer(
    10_000,
    'Series that a shard of a heavy query has at least, where they are read for an hour; fewer where it is longer.',
    1,
  ),
};

export interface QueryFrontendConfig extends ValuesOf<typeof queryFrontendKeys> {
  readonly timeout: number;
  readonly maxQueued: number;
  readonly maxQueuedPerTenant: number;
  readonly maxFormBytes: number;
  readonly maxSamples: number;
}

export interface QueryFrontendDeps {
  /** Where the routes go. */
  readonly app: FastifyInstance;
  readonly tenantOf: TenantOf;
  /** Names of `--enable-feature`: those of the queriers. */
  readonly features: ReadonlySet<string>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly limits: TenantLimits;
  readonly nowMs: () => number;
  /** Keeps answers for all frontends; absent, each has its own memory. */
  readonly sharedCache: ByteCache | undefined;
  /** The body of a request must come at a pace that would have it here within this. */
  readonly bodyArrivalMs: number;
}

/** Builds the room and registers its routes. */
export function createQueryFrontend(
  config: QueryFrontendConfig,
  { app, tenantOf, features, log, metrics, limits, nowMs, sharedCache, bodyArrivalMs }: QueryFrontendDeps,
): { readonly service: Service; readonly work: QueryWorkContract } {
  const counts = createFrontendMetrics(metrics, () => runner.queue);
  const memoryBytes = usableMemoryBytes();
  const gatheredBytes = memoryBytes / gatheredShareOfMemory;
  const runner = new WorkRunner(config.maxQueued, config.maxQueuedPerTenant, counts, gatheredBytes);
  const { resultsCacheMaxBytes } = config;
  const store = resultsCacheMaxBytes === 0 ? undefined : (sharedCache ?? new MemoryCache(resultsCacheMaxBytes));
  const onProblem = (error: unknown): void => log.debug({ error: String(error) }, 'the results cache was passed by');
  const query = {
    ...{ runner, counts, nowMs, timeoutMs: config.timeout, samplesMax: config.maxSamples },
    held: new HeldMemory(memoryBytes / allHeldShareOfMemory, memoryBytes / heldShareOfMemory),
    shardsMaxOf: (tenant: TenantId) => limits.of(tenant).queryShardingTotalShards,
    shardWeight: config.queryShardingTargetSeriesPerShard,
    unjoinable: new Unjoinable(),
    cache: store === undefined ? undefined : new ResultsCache(store, onProblem),
    // With these labels a name is not all that goes when names are dropped.
    language: features.has('type-and-unit-labels')
      ? undefined
      : {
          syntax: syntaxOf(features),
          subqueryStepMs,
          delayedNameRemoval: features.has('promql-delayed-name-removal'),
        },
  };
  app.register(
    apiRoutes({
      answer: (path, call) => answerQuery(path, call, query),
      maxFormBytes: config.maxFormBytes,
      arrivalMs: bodyArrivalMs,
      tenantOf,
      report: (call) => {
        counts.answered(call);
        logFailure(log, call);
      },
    }),
  );
  const service: Service = {
    start: async () => undefined,
    stop: async () => {
      runner.close();
      await store?.close();
    },
    notReadyReason: () =>
      runner.queue.queriers > 0
        ? undefined
        : 'no querier takes work from here: none is there, or none is told of this address',
  };
  return { service, work: runner };
}
