/** What people may ask the compactor, and tell it: Mimir's paths. */
import type { FastifyInstance } from 'fastify';
import { tenantDeletionMarkKey } from '../../libs/blocks/paths.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { tenantReader } from '../../libs/http/tenant-header.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { isoTime } from '../../libs/std/iso-time.ts';
import type { Compactor } from './compactor.ts';

export interface CompactorRoutesDeps {
  readonly compactor: Compactor;
  readonly bucket: Bucket;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

/** Also where requests without a header belong to somebody: what cannot be undone is not done to whom nobody named. */
const namedTenantOf = tenantReader('reject');

export function registerCompactorRoutes(app: FastifyInstance, deps: CompactorRoutesDeps): void {
  const { compactor, bucket, signal } = deps;
  app.get<{ Params: { tenant: string } }>('/compactor/tenant/:tenant/planned_jobs', async (request) => {
    const tenant = parseTenantId(request.params.tenant);
    const { jobs, noCompact, indexUpdatedAtMs } = await compactor.jobsOf(tenant, signal);
    return {
      tenant,
      bucket_index_updated_at: indexUpdatedAtMs === undefined ? null : isoTime(indexUpdatedAtMs),
      planned_jobs: jobs.map(
        ({ id, name, stage, shard, rangeBegin, rangeEnd, sources, waitsFor, failed, isRunning }) => ({
          id,
          name,
          stage,
          shard,
          min_time: isoTime(rangeBegin),
          max_time: isoTime(rangeEnd),
          blocks: sources.map(({ ulid }) => ulid),
          state: isRunning
            ? 'running'
            : failed !== undefined
              ? 'set aside'
              : waitsFor !== undefined
                ? 'waiting'
                : 'ready',
          waits_for: waitsFor ?? null,
          failures: failed?.failures ?? 0,
          last_failure: failed?.reason ?? null,
          next_attempt: failed === undefined ? null : isoTime(failed.nextAttemptMs),
        }),
      ),
      no_compact: noCompact,
    };
  });

  app.post('/compactor/delete_tenant', async (request, reply) => {
    const tenant = namedTenantOf(request.headers);
    const body = new TextEncoder().encode(JSON.stringify({ deletion_time: Math.floor(deps.nowMs() / 1000) }));
    try {
      await bucket.put(tenantDeletionMarkKey(tenant), body, { condition: 'absent', signal });
    } catch (error) {
      // Whoever asked before is right, too.
      if (!(error instanceof Failure) || error.kind !== 'precondition_failed') throw error;
    }
    return reply.code(200).send();
  });
}
