/**
 * The compactor's two rounds over all tenants. Cleaning: listing → index → what may go. Merging: index → plan → one job of each tenant
 * after the other, until none is left. What fails is set aside and named; the rest goes on.
 * Owns the rounds and what is known between them. Several compactors share the work by keys (`isOwn`): a tenant to be cleaned, a job to be run.
 * Where two of them take the same one for theirs it is done twice, and that harms nothing.
 */
import { readBucketIndex, updateBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { markNoCompact } from '../../libs/blocks/deletion-mark.ts';
import { listTenant, listTenants } from '../../libs/blocks/fetch-metas.ts';
import type { TenantLimits } from '../../libs/limits/tenant-limits.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import { forTenant } from '../../libs/telemetry/tenant-work.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';
import { cleanTenant, deleteTenant } from './clean-tenant.ts';
import type { CompactorConfig } from './config.ts';
import { type FailedJob, FailedJobs } from './failed-jobs.ts';
import { MergeFailure, MergeThread } from './merge-thread.ts';
import type { CompactorMetrics, CompactorState, TenantState } from './metrics.ts';
import { type PlannedJob, planJobs } from './plan-jobs.ts';
import { indexBefore, refreshIndex } from './refresh-index.ts';
import { type JobStep, runJob } from './run-job.ts';

const progressEveryMs = 10_000;

export interface CompactorDeps {
  readonly bucket: Bucket;
  readonly limits: TenantLimits;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly newUlid: () => Ulid;
  /** For blocks under way. */
  readonly directory: string;
  /** As JobDeps. */
  readonly freeBytes?: (directory: string) => Promise<number>;
  readonly rangesMs: readonly number[];
  /** Whether a piece of work is for this compactor, and for no other. Asked each time before it is begun. */
  readonly isOwn: (key: string) => boolean;
}

/** A tenant's jobs as they stand, for people. */
export interface TenantJobs {
  readonly jobs: readonly (PlannedJob & { readonly failed: FailedJob | undefined; readonly isRunning: boolean })[];
  readonly noCompact: readonly Ulid[];
  readonly indexUpdatedAtMs: number | undefined;
}

export class Compactor {
  readonly #config: CompactorConfig;
  readonly #deps: CompactorDeps;
  readonly #failed = new Map<TenantId, FailedJobs>();
  readonly #tenants = new Map<TenantId, TenantState>();
  readonly #planned = new Map<TenantId, number>();
  /** What was said about a tenant last, so that it is not said again each time. */
  readonly #told = new Map<TenantId | undefined, string>();
  /** At the top of the bucket. */
  #foreign = 0;
  /** Tenants of the last cleaning: a plan needs no listing of its own. */
  #known: readonly TenantId[] | undefined;
  #metrics: CompactorMetrics | undefined;
  #running: { readonly id: string; step: JobStep } | undefined;

  constructor(config: CompactorConfig, deps: CompactorDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** What the metrics are read from. */
  get state(): CompactorState {
    const sum = (counts: Iterable<number>) => [...counts].reduce((total, count) => total + count, 0);
    return {
      tenants: this.#tenants,
      foreign: () => this.#foreign,
      failedJobs: () => sum([...this.#failed.values()].map(({ size }) => size)),
      plannedJobs: () => sum(this.#planned.values()),
      progress: () => this.#running?.step.done,
    };
  }

  set metrics(metrics: CompactorMetrics) {
    this.#metrics = metrics;
  }

  /** One round of cleaning over all tenants. */
  async clean(signal: AbortSignal): Promise<void> {
    const { bucket } = this.#deps;
    const { tenants, foreign } = await listTenants(bucket, signal);
    this.#foreign = foreign.length;
    this.#tell(undefined, foreign, "the bucket holds what is nobody's");
    this.#known = tenants;
    for (const tenant of tenants) {
      signal.throwIfAborted();
      if (!this.#deps.isOwn(tenant)) {
        this.#tenants.delete(tenant);
        continue;
      }
      try {
        await forTenant(tenant, () => this.#cleanOne(tenant, signal));
        this.#metrics?.cleanups.inc({ outcome: 'success' });
      } catch (error) {
        signal.throwIfAborted();
        this.#metrics?.cleanups.inc({ outcome: 'failure' });
        this.#deps.log.error({ tenant, error: textOf(error) }, 'a cleanup failed; it is tried again next time');
      }
    }
    for (const tenant of this.#tenants.keys()) if (!tenants.includes(tenant)) this.#forget(tenant);
  }

  async #cleanOne(tenant: TenantId, signal: AbortSignal): Promise<void> {
    const { bucket, limits, log } = this.#deps;
    const before = await indexBefore(bucket, tenant, signal);
    const listing = await listTenant(bucket, tenant, signal);
    const nowMs = this.#deps.nowMs();
    if (listing.tenantDeletionMark) {
      const options = { nowMs, cleanupDelayMs: this.#config.tenantCleanupDelay };
      const { blocksDeleted, isGone } = await deleteTenant(bucket, tenant, listing, options, signal);
      if (blocksDeleted > 0 || isGone) log.info({ tenant, blocks: blocksDeleted, isGone }, 'a tenant was deleted');
      this.#metrics?.blocksDeleted.inc({ reason: 'tenant' }, blocksDeleted);
      this.#forget(tenant);
      return;
    }
    const refreshed = await refreshIndex(bucket, tenant, before.index, listing, nowMs, signal);
    const cleaned = await cleanTenant(
      bucket,
      tenant,
      refreshed.index,
      listing,
      {
        nowMs,
        deletionDelayMs: this.#config.deletionDelay,
        retentionMs: limits.of(tenant).compactorBlocksRetentionPeriod,
        partialDelayMs: this.#config.partialBlockDeletionDelay,
      },
      signal,
    );
    this.#tell(
      tenant,
      [
        ...before.problems,
        ...refreshed.problems,
        ...cleaned.problems,
        ...listing.foreign.map((key) => `${key} is no part of a tenant's blocks`),
        ...cleaned.held.map((ulid) => `block ${ulid} is due to be deleted, but what it was merged into is not there`),
      ],
      "a tenant's folder holds what is not understood",
    );
    if (cleaned.marked.length > 0) log.info({ tenant, blocks: cleaned.marked }, 'blocks were marked for deletion');
    if (cleaned.deleted.length > 0) log.info({ tenant, blocks: cleaned.deleted }, 'blocks were deleted');
    if (cleaned.partialsDeleted.length > 0) {
      log.warn({ tenant, blocks: cleaned.partialsDeleted }, 'uploads that were never finished were deleted');
    }
    this.#metrics?.blocksMarked.inc({ reason: 'cleanup' }, cleaned.marked.length);
    this.#metrics?.blocksDeleted.inc({ reason: 'marked' }, cleaned.deleted.length);
    this.#metrics?.blocksDeleted.inc({ reason: 'partial' }, cleaned.partialsDeleted.length);
    this.#tenants.set(tenant, {
      blocks: cleaned.index.blocks.length,
      marked: cleaned.index.deletionMarks.length,
      partials: cleaned.partials - cleaned.partialsDeleted.length,
      broken: refreshed.broken.length,
      held: cleaned.held.length,
      problems: before.problems.length + refreshed.problems.length + cleaned.problems.length + listing.foreignCount,
      indexUpdatedAtMs: cleaned.index.updatedAtMs,
    });
  }

  /** One round of merging: a job of each tenant in turn, until none is left that need not wait. Returns how many ran. */
  async compact(signal: AbortSignal): Promise<number> {
    const tenants = this.#known ?? (await listTenants(this.#deps.bucket, signal)).tenants;
    await using thread = new MergeThread();
    let ran = 0;
    for (let waiting: readonly TenantId[] = tenants; waiting.length > 0; ) {
      const next: TenantId[] = [];
      for (const tenant of waiting) {
        signal.throwIfAborted();
        if (!(await this.#compactOne(tenant, thread, signal))) continue;
        ran++;
        next.push(tenant);
      }
      waiting = next;
    }
    return ran;
  }

  /** Runs the first job of a tenant that need not wait; whether there was one. */
  async #compactOne(tenant: TenantId, thread: MergeThread, signal: AbortSignal): Promise<boolean> {
    const { log } = this.#deps;
    let job: PlannedJob | undefined;
    try {
      const { jobs } = await this.jobsOf(tenant, signal);
      const own = jobs.filter(({ id }) => this.#deps.isOwn(`${tenant}/${id}`));
      this.#planned.set(tenant, own.length);
      this.#failedOf(tenant).keepOnly(new Set(jobs.map(({ id }) => id)));
      const nowMs = this.#deps.nowMs();
      job = own.find(({ waitsFor, failed }) => waitsFor === undefined && (failed?.nextAttemptMs ?? 0) <= nowMs);
    } catch (error) {
      signal.throwIfAborted();
      log.error(
        { tenant, error: textOf(error) },
        'nothing can be planned without a bucket index; tried again next time',
      );
      return false;
    }
    if (job === undefined) return false;
    await this.#run(tenant, job, thread, signal);
    return true;
  }

  async #run(tenant: TenantId, job: PlannedJob, thread: MergeThread, signal: AbortSignal): Promise<void> {
    const log = this.#deps.log.child({ tenant, job: job.name });
    const sources = job.sources.map(({ ulid }) => ulid);
    log.info({ id: job.id, sources }, 'a merge begins');
    const running = { id: job.id, step: { step: 'downloading', done: 0 } as JobStep };
    this.#running = running;
    const beginMs = performance.now();
    let toldAtMs = beginMs;
    const onProgress = (step: JobStep): void => {
      running.step = step;
      if (performance.now() - toldAtMs < progressEveryMs) return;
      toldAtMs = performance.now();
      log.info({ step: step.step, percent: Math.floor(step.done * 100) }, 'a merge is under way');
    };
    try {
      const { outputs, counts } = await runJob(tenant, job, { ...this.#deps, thread, onProgress }, signal);
      const seconds = (performance.now() - beginMs) / 1000;
      log.info({ outputs, seconds: Math.round(seconds * 10) / 10, ...counts }, 'a merge is done');
      this.#failedOf(tenant).succeeded(job.id);
      this.#metrics?.jobs.inc({ outcome: 'success' });
      this.#metrics?.jobSeconds.observe(seconds);
      this.#metrics?.blocksWritten.inc(outputs.length);
      this.#metrics?.blocksMarked.inc({ reason: 'compacted' }, sources.length);
      const kept = counts.samplesOut;
      const { duplicates, conflicts, deleted } = counts;
      for (const [outcome, count] of Object.entries({ kept, duplicates, conflicts, deleted })) {
        this.#metrics?.samples.inc({ outcome }, count);
      }
    } catch (error) {
      signal.throwIfAborted();
      this.#metrics?.jobs.inc({ outcome: 'failure' });
      await this.#setAside(tenant, job, error, signal);
    } finally {
      this.#running = undefined;
    }
  }

  async #setAside(tenant: TenantId, job: PlannedJob, error: unknown, signal: AbortSignal): Promise<void> {
    const { bucket, log, nowMs } = this.#deps;
    const corrupt = error instanceof MergeFailure ? error.corrupt : undefined;
    const failed = this.#failedOf(tenant).note(job.id, job.name, textOf(error), corrupt, nowMs());
    const { failures, reason } = failed;
    const nextAttempt = new Date(failed.nextAttemptMs).toISOString();
    log.error(
      { tenant, job: job.name, failures, reason, block: corrupt, nextAttempt },
      'a merge failed and is set aside',
    );
    if (corrupt === undefined || failures < this.#config.compactionRetries) return;
    try {
      await markNoCompact(bucket, tenant, corrupt, { nowMs: nowMs(), reason: 'critical', details: reason }, signal);
      await updateBucketIndex(
        bucket,
        tenant,
        nowMs(),
        (old) => (old === undefined ? undefined : { ...old, noCompact: [...new Set([...old.noCompact, corrupt])] }),
        signal,
      );
      log.error({ tenant, block: corrupt, reason }, 'a damaged block was marked; it is not merged any more');
    } catch (failure) {
      signal.throwIfAborted();
      log.error({ tenant, block: corrupt, error: textOf(failure) }, 'a damaged block could not be marked');
    }
  }

  /** What is planned for a tenant now, by its bucket index. @throws Failure */
  async jobsOf(tenant: TenantId, signal: AbortSignal): Promise<TenantJobs> {
    const stored = await readBucketIndex(this.#deps.bucket, tenant, signal);
    if (stored === undefined) return { jobs: [], noCompact: [], indexUpdatedAtMs: undefined };
    const { blocks, deletionMarks, noCompact, updatedAtMs } = stored.index;
    // Of these the last cleaning has not seen that they are whole.
    const unseen = blocks.filter(({ details }) => details === undefined).map(({ ulid }) => ulid);
    const planned = planJobs(blocks, {
      rangesMs: this.#deps.rangesMs,
      shardCount: this.#deps.limits.of(tenant).compactorSplitAndMergeShards,
      nowMs: this.#deps.nowMs(),
      firstLevelWaitMs: this.#config.firstLevelCompactionWaitPeriod,
      excluded: new Set([...deletionMarks.map(({ ulid }) => ulid), ...noCompact, ...unseen]),
    });
    const failed = this.#failedOf(tenant);
    return {
      jobs: planned.map((job) => ({ ...job, failed: failed.get(job.id), isRunning: this.#running?.id === job.id })),
      noCompact,
      indexUpdatedAtMs: updatedAtMs,
    };
  }

  #failedOf(tenant: TenantId): FailedJobs {
    const known = this.#failed.get(tenant);
    if (known !== undefined) return known;
    const failed = new FailedJobs();
    this.#failed.set(tenant, failed);
    return failed;
  }

  #forget(tenant: TenantId): void {
    this.#tenants.delete(tenant);
    this.#planned.delete(tenant);
    this.#failed.delete(tenant);
    this.#told.delete(tenant);
  }

  #tell(tenant: TenantId | undefined, problems: readonly string[], message: string): void {
    const said = problems.toSorted().join('\n');
    if ((this.#told.get(tenant) ?? '') === said) return;
    this.#told.set(tenant, said);
    if (problems.length > 0) this.#deps.log.warn({ tenant, problems }, message);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
