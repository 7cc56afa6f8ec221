/**
 * Who writes to the log: those who follow a partition keep something of every tenant that it brings, and cannot refuse one.
 * Owns who may begin, by the partitions that each tenant is spread over. One that has not written for so long that its samples are in blocks
 * makes room. Surprising: it knows what came through this distributor alone.
 */
import { Failure } from '../../libs/errors/failure.ts';
import { tenantsLimitText } from '../../libs/limits/limits.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';

/** A range of two hours, an hour until it is cut, and as long until one that was opened late is. */
const heldMs = 4 * 3_600_000;

interface Known {
  readonly ids: readonly number[];
  readonly wroteAtMs: number;
}

export class LoggedTenants {
  readonly #max: number;
  /** Who wrote last comes last. */
  readonly #known = new Map<TenantId, Known>();
  /** By partition, how many. */
  readonly #counts = new Map<number, number>();

  /** @param max of one partition */
  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Notes a write.
   * @param ids partitions that the tenant is spread over
   * @throws Failure `unavailable` where it would be one more than one of them may have
   */
  note(tenant: TenantId, ids: readonly number[], nowMs: number): void {
    const before = this.#known.get(tenant);
    if (before !== undefined) this.#forget(tenant, before);
    else this.#checkRoom(ids, nowMs);
    this.#known.set(tenant, { ids, wroteAtMs: nowMs });
    for (const id of ids) this.#counts.set(id, this.#countOf(id) + 1);
  }

  #checkRoom(ids: readonly number[], nowMs: number): void {
    for (const [tenant, known] of this.#known) {
      if (nowMs - known.wroteAtMs <= heldMs) break;
      this.#forget(tenant, known);
    }
    if (ids.every((id) => this.#countOf(id) < this.#max)) return;
    throw new Failure('unavailable', tenantsLimitText(this.#max), { retryAfterSeconds: 30 });
  }

  #forget(tenant: TenantId, { ids }: Known): void {
    this.#known.delete(tenant);
    for (const id of ids) this.#counts.set(id, this.#countOf(id) - 1);
  }

  #countOf(id: number): number {
    return this.#counts.get(id) ?? 0;
  }
}
