/**
 * The store-gateway as a room of the process: handler, headers, cache, routes, put together.
 * Owns the putting together. It is ready at once: everything it keeps can be built again when it is asked for.
 */
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { indexStaleMsMax, TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import type { Service } from '../../libs/lifecycle/service.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { realDisk } from '../../libs/std/disk.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import { blocksRoutes } from './blocks-routes.ts';
import type { StoreGatewayConfig } from './config.ts';
import { HeaderFiles } from './header-files.ts';
import { registerStoreGatewayMetrics } from './metrics.ts';
import { MemoryPageCache } from './page-cache.ts';
import { StoreGatewayHandler } from './store-gateway-handler.ts';
import { startSync } from './sync-blocks.ts';

export interface StoreGatewayDeps {
  readonly bucket: Bucket;
  readonly dataDir: string;
  readonly app: FastifyInstance;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
  /** Whether this gateway is one of those that keep a block at hand; absent: it is the only one. Whatever it is asked for it reads. */
  readonly isOwn?: (tenant: TenantId, block: Ulid) => boolean;
}

export function createStoreGateway(
  config: StoreGatewayConfig,
  deps: StoreGatewayDeps,
): { service: Service; handler: StoreGatewayHandler } {
  const { bucket, log, nowMs } = deps;
  const cache = new MemoryPageCache(config.cacheBytes);
  const folder = join(deps.dataDir, 'store-gateway');
  const headers = new HeaderFiles(realDisk, folder, config.headerDiskBytes, nowMs);
  const indexes = new TenantIndexes({
    bucket,
    nowMs,
    ageMsMax: config.syncInterval,
    staleMsMax: indexStaleMsMax,
    onProblem: (tenant, problem) => log.warn({ tenant, problem }, 'a bucket index has a problem'),
  });
  const badHeaders = deps.metrics.counter('maru_store_gateway_bad_headers_total', 'Headers that were built anew.', []);
  const quarantines = deps.metrics.counter('maru_store_gateway_quarantines_total', 'Times a block was set aside.', [
    'tenant',
  ]);
  const handler = new StoreGatewayHandler({
    bucket,
    disk: realDisk,
    headers,
    cache,
    indexes,
    headerPostingsBytes: config.headerPostingsBytes,
    indexMemoryBytes: config.indexMemoryBytes,
    lookupBytesMax: config.indexMemoryBytes,
    quarantineMs: config.quarantineRetry,
    nowMs,
    onQuarantine: (tenant, block, reason) => {
      quarantines.inc({ tenant });
      log.error({ tenant, block, reason }, 'a block is damaged and set aside: queries that need it fail');
    },
    onBadHeader: (reason) => {
      badHeaders.inc();
      log.warn({ reason }, 'the header of a block is built anew');
    },
  });
  registerStoreGatewayMetrics(deps.metrics, handler, cache, headers);
  blocksRoutes(deps.app, handler);
  let sync: { stop(): Promise<void> } | undefined;
  const service: Service = {
    start: async () => {
      sync = startSync({
        handler,
        indexes,
        headers,
        intervalMs: config.syncInterval,
        nowMs,
        log,
        isOwn: deps.isOwn ?? (() => true),
      });
    },
    stop: async () => {
      await sync?.stop();
      await handler.close();
    },
    notReadyReason: () => undefined,
  };
  return { service, handler };
}
