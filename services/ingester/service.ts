/**
 * The ingester: holds the newest hours of every tenant, on disk before it is acknowledged.
 * Owns the start of the Tsdb (in the background: the process listens meanwhile and says how far it is) and its end.
 */
import { join } from 'node:path';
import type { Service } from '../../libs/lifecycle/service.ts';
import type { TenantLimits } from '../../libs/limits/tenant-limits.ts';
import { realDisk } from '../../libs/std/disk.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import { type RestoreProgress, Tsdb } from '../../libs/tsdb/tsdb.ts';
import type { IngesterConfig } from './config.ts';
import { IngesterHandler, reportFields } from './ingester-handler.ts';
import { registerIngesterMetrics } from './metrics.ts';

export interface IngesterDeps {
  readonly dataDir: string;
  readonly limits: TenantLimits;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Durability can no longer be promised, or the data cannot be opened: the process must end with an error. */
  readonly onFatal: (error: unknown) => void;
}

const fullRetryMs = 1_000;
const progressEveryMs = 2_000;

class StoppedRestore extends Error {}

export function createIngester(
  config: IngesterConfig,
  deps: IngesterDeps,
): { service: Service; handler: IngesterHandler } {
  const { log } = deps;
  const handler = new IngesterHandler();
  let opening: Promise<void> | undefined;
  let isStopping = false;
  registerIngesterMetrics(deps.metrics, handler);

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
    const { tsdb, report } = await Tsdb.open(
      {
        disk: realDisk,
        directory: deps.dataDir,
        segmentBytes: config.walSegmentBytes,
        snapshotBytes: config.snapshotBytes,
        fullRetryMs,
        log,
        onFatal: deps.onFatal,
        seriesMax: (tenant) => deps.limits.of(tenant).maxGlobalSeriesPerUser,
        seriesRefusal: (_tenant, seriesMax) =>
          `per-user series limit of ${seriesMax} exceeded (err-mimir-max-series-per-user). To adjust the related per-tenant ` +
          'limit, configure limits.max-global-series-per-user, or contact your service administrator.',
        headOptions: (tenant) => ({ exemplarsMax: deps.limits.of(tenant).maxGlobalExemplarsPerUser }),
      },
      progress,
    );
    const { torn } = report.replay;
    if (torn !== undefined) {
      log.warn(
        { file: torn.path, offset: torn.offset, bytes: torn.bytes },
        'cut off the torn end of the log: it was never acknowledged',
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
    handler.restored(tsdb, report);
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
      await handler.tsdb?.close();
    },
    notReadyReason: () => handler.notReadyReason(),
  };
  return { service, handler };
}
