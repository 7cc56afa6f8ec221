/**
 * The compactor as a room: two loops, one that cleans and one that merges, which end with the process. Nothing waits for them: a query is
 * right without a compactor.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Service } from '../../libs/lifecycle/service.ts';
import type { TenantLimits } from '../../libs/limits/tenant-limits.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { parseRanges } from './block-ranges.ts';
import { Compactor } from './compactor.ts';
import { registerCompactorRoutes } from './compactor-routes.ts';
import type { CompactorConfig } from './config.ts';
import { checkDeletionTiming, type DeletionTiming } from './deletion-timing.ts';
import { registerCompactorMetrics } from './metrics.ts';

export interface CompactorRoomDeps {
  readonly app: FastifyInstance;
  readonly bucket: Bucket;
  readonly limits: TenantLimits;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
  readonly dataDir: string;
  /** As CompactorDeps; absent: all of it is for this one. */
  readonly isOwn?: (key: string) => boolean;
  /** What readers of the bucket do, wherever they run. */
  readonly readers: Omit<DeletionTiming, 'deletionDelayMs'>;
}

const firstRetryMs = 5_000;

/** @throws ConfigError */
export function createCompactor(config: CompactorConfig, deps: CompactorRoomDeps): Service {
  checkDeletionTiming({ ...deps.readers, deletionDelayMs: config.deletionDelay });
  // A folder of our own in any case: it is emptied at every start.
  const directory = join(config.dataDir === '' ? deps.dataDir : config.dataDir, 'compactor');
  const stopping = new AbortController();
  const { signal } = stopping;
  const compactor = new Compactor(config, {
    ...deps,
    isOwn: deps.isOwn ?? (() => true),
    directory,
    rangesMs: parseRanges(config.blockRanges),
    newUlid: () => makeUlid(deps.nowMs(), randomBytes(10)),
  });
  compactor.metrics = registerCompactorMetrics(deps.metrics, compactor.state);
  registerCompactorRoutes(deps.app, { ...deps, compactor, signal });
  const loops: Promise<void>[] = [];

  const repeat = async (intervalMs: number, what: string, round: () => Promise<unknown>): Promise<void> => {
    let failures = 0;
    while (!signal.aborted) {
      let waitMs = intervalMs;
      try {
        await round();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        // A bucket that was away for a moment costs no whole interval.
        waitMs = Math.min(intervalMs, firstRetryMs * 2 ** failures++);
        deps.log.error({ error: String(error) }, `${what} failed; tried again in ${waitMs / 1000} s`);
      }
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };

  return {
    start: async () => {
      // Whatever was under way is begun anew.
      await rm(directory, { recursive: true, force: true });
      const firstCleaning = Promise.withResolvers<void>();
      const clean = () => compactor.clean(signal).finally(firstCleaning.resolve);
      loops.push(repeat(config.cleanupInterval, 'a round of cleaning', clean));
      // The first plan is made by an index that somebody has looked after.
      const merge = () => compactor.compact(signal);
      loops.push(firstCleaning.promise.then(() => repeat(config.compactionInterval, 'a round of merging', merge)));
    },
    stop: async () => {
      stopping.abort(new Error('the process is stopping'));
      await Promise.all(loops);
    },
    notReadyReason: () => undefined,
  };
}
