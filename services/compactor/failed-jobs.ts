/**
 * Jobs that failed, so that they are named, wait longer each time, and never hold up the others.
 * Owns the counts and the waiting. A job is known by its sources: another block in its range makes it another job.
 */
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';

const firstWaitMs = 60_000;
const waitMsMax = 6 * 3_600_000;
/** More are forgotten, the oldest first: they fail again. */
const jobsMax = 10_000;

export interface FailedJob {
  readonly name: string;
  readonly failures: number;
  readonly reason: string;
  /** The source that is to blame, where one is. */
  readonly corrupt: Ulid | undefined;
  readonly nextAttemptMs: number;
}

export class FailedJobs {
  readonly #jobs = new Map<string, FailedJob>();

  get size(): number {
    return this.#jobs.size;
  }

  get(id: string): FailedJob | undefined {
    return this.#jobs.get(id);
  }

  /** Notes a failure; returns what is known of the job now. */
  note(id: string, name: string, reason: string, corrupt: Ulid | undefined, nowMs: number): FailedJob {
    const failures = (this.#jobs.get(id)?.failures ?? 0) + 1;
    const nextAttemptMs = nowMs + Math.min(waitMsMax, firstWaitMs * 2 ** (failures - 1));
    const job = { name, failures, reason, corrupt, nextAttemptMs };
    // The youngest last.
    this.#jobs.delete(id);
    this.#jobs.set(id, job);
    for (const oldest of this.#jobs.keys()) {
      if (this.#jobs.size <= jobsMax) break;
      this.#jobs.delete(oldest);
    }
    return job;
  }

  succeeded(id: string): void {
    this.#jobs.delete(id);
  }

  /** Forgets jobs that are no longer planned. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#jobs.keys()) if (!ids.has(id)) this.#jobs.delete(id);
  }
}
