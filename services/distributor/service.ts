/**
 * The distributor: the write edge. Registers its routes, holds what pushes share, counts.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IngesterContract } from '../../libs/contracts/ingester.ts';
import { failureStatus } from '../../libs/http/failure-response.ts';
import { isMediaType } from '../../libs/http/media-type.ts';
import { type BodyLimits, type HeldBody, readBody } from '../../libs/http/read-body.ts';
import type { TenantOf } from '../../libs/http/tenant-header.ts';
import type { Service } from '../../libs/lifecycle/service.ts';
import type { Limits } from '../../libs/limits/limits.ts';
import type { TenantLimits } from '../../libs/limits/tenant-limits.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { InflightBytes } from '../../libs/std/inflight-bytes.ts';
import { usableMemoryBytes } from '../../libs/std/usable-memory.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import { AliasRegistry } from '../../libs/wire/alias-registry.ts';
import { WriteScan } from '../../libs/wire/write-scan.ts';
import type { DistributorConfig } from './config.ts';
import { FairTurns } from './fair-turns.ts';
import { IngestionRate } from './ingestion-rate.ts';
import { createPushCounters } from './metrics.ts';
import type { PushLimits } from './push.ts';
import { handlePush, nothingWritten, type PushRouteDeps, versionOf } from './push-route.ts';
import { ResolvedSeries } from './resolve-series.ts';
import { writeMemory } from './write-memory.ts';

export interface DistributorDeps {
  readonly app: FastifyInstance;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly limits: TenantLimits;
  readonly ingester: IngesterContract;
  readonly tenantOf: TenantOf;
  /** A tenant that only this process writes; undefined where clients may write every tenant. */
  readonly reservedTenant: TenantId | undefined;
  readonly bodyLimits: Omit<BodyLimits, 'tooLargeText'>;
  /** Names of `--enable-feature`. */
  readonly features: ReadonlySet<string>;
  readonly nowMs: () => number;
  /** Distributors that share the writes, this one counted. */
  readonly distributorCount: () => number;
}

const urls = ['/api/v1/push', '/api/v1/write'];

export function createDistributor(config: DistributorConfig, deps: DistributorDeps): Service {
  const memory = writeMemory(config, usableMemoryBytes());
  const inflight = new InflightBytes(memory.inflightBytesMax, 'write requests');
  // One that would never find room is told so at once.
  const bodyLimits = {
    ...deps.bodyLimits,
    tooLargeText,
    bytesMax: Math.min(deps.bodyLimits.bytesMax, Math.floor(inflight.max / 2.1)),
  };
  const monotonicMs = () => performance.now();
  const registry = new AliasRegistry(memory.aliasBytesMax, monotonicMs);
  const pushDeps: PushRouteDeps = {
    ingester: deps.ingester,
    aliasesOf: (tenant) => registry.of(tenant),
    limitsOf: (tenant) => pushLimits(deps.limits.of(tenant)),
    rate: new IngestionRate(monotonicMs, deps.distributorCount),
    resolved: new ResolvedSeries(memory.decompressedBytesMax),
    keepsStartTimes: deps.features.has('st-storage'),
    scan: new WriteScan(),
    decompressedBytesMax: memory.decompressedBytesMax,
    counters: createPushCounters(deps.metrics, inflight, registry),
    log: deps.log,
  };
  const seconds = deps.metrics.seconds(
    'maru_distributor_push_duration_seconds',
    'Time from the last byte of a write request to its answer; 0 where it was refused before.',
    ['status'],
  );
  const turns = new FairTurns(monotonicMs);
  let stopping = false;

  const handle = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    reply.headers(nothingWritten(request.headers['content-type']));
    const tenant = deps.tenantOf(request.headers);
    if (tenant === deps.reservedTenant) {
      return reply.code(403).type('text/plain').send(`tenant ${tenant} is written by Maru itself\n`);
    }
    let arrivedAt: number | undefined;
    const observe = (status: number): void => {
      seconds.observe({ status: String(status) }, arrivedAt === undefined ? 0 : (performance.now() - arrivedAt) / 1000);
    };
    let body: HeldBody | undefined;
    try {
      body = await readBody(request.raw, bodyLimits, inflight.shareOf(tenant));
      arrivedAt = performance.now();
      const received = {
        contentType: request.headers['content-type'],
        contentEncoding: request.headers['content-encoding'],
        body: body.bytes,
        receiveTimeMs: deps.nowMs(),
      };
      const { status, headers, text } = await turns.take(tenant, () => handlePush(tenant, received, pushDeps));
      observe(status);
      reply.code(status).headers(headers);
      return text === '' ? reply.send() : reply.type('text/plain; charset=utf-8').send(text);
    } catch (error) {
      observe(failureStatus(error));
      throw error;
    } finally {
      body?.release();
    }
  };

  deps.app.register(async (app) => {
    // What is no type, or an empty one, fastify would refuse in words of its own.
    app.addHook('onRequest', async ({ headers }) => {
      const type = headers['content-type'];
      if (type === undefined || isMediaType(type)) return;
      versionOf(type);
      delete headers['content-type'];
    });
    // The body is read by the handler, which counts it.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const url of urls) app.post(url, handle);
  });
  return {
    start: async () => undefined,
    stop: async () => {
      stopping = true;
    },
    notReadyReason: () => (stopping ? 'stopping' : undefined),
  };
}

function tooLargeText(bytesMax: number): string {
  return (
    `the body is larger than ${bytesMax} bytes (err-mimir-distributor-max-write-message-size). To adjust the related ` +
    'limit, configure server.max-body-bytes, or contact your service administrator.'
  );
}

/** The tenant's limits in the words of the push. */
function pushLimits(limits: Limits): PushLimits {
  return {
    requestRate: limits.requestRate,
    requestBurstSize: limits.requestBurstSize,
    ingestionRate: limits.ingestionRate,
    ingestionBurstSize: limits.ingestionBurstSize,
    labelNameLengthMax: limits.maxLabelNameLength,
    labelValueLengthMax: limits.maxLabelValueLength,
    labelNamesPerSeriesMax: limits.maxLabelNamesPerSeries,
    labelNamesPerInfoSeriesMax: limits.maxLabelNamesPerInfoSeries,
    pastGraceMs: limits.pastGracePeriod,
    creationGraceMs: limits.creationGracePeriod,
    metadataLengthMax: limits.maxMetadataLength,
    exemplarsMax: limits.maxGlobalExemplarsPerUser,
  };
}
