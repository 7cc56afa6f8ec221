/**
 * How many partitions share a tenant's limits: each ingester takes its part of what the tenant may have in all.
 * Owns that a partition which has just come takes no part at first, be it new or new to the tenant: the series of the others are still in
 * their memory, and would be too many at once. For new to the tenant is taken what changed while this process ran.
 */
import type { TenantId } from '../model/tenant-id.ts';
import type { RingTable } from './table.ts';

/** After this a head has let go of the series that went to a new partition. */
const settledMs = 4 * 3_600_000;
/** Tenants whose sizes are remembered. */
const tenantsMax = 10_000;

/**
 * The partitions that a tenant's series are spread over, at least one.
 * @param shardSize how many it may be spread over; 0 is all
 */
export function partitionsSharing(table: RingTable | undefined, shardSize: number, nowMs: number): number {
  const active = table?.partitions.filter(({ state }) => state === 'active') ?? [];
  const settled = active.filter(({ stateSinceMs }) => nowMs - stateSinceMs >= settledMs).length;
  const count = settled === 0 ? active.length : settled;
  return Math.max(1, shardSize === 0 ? count : Math.min(shardSize, count));
}

interface Sizes {
  /** As it was last heard. */
  readonly size: number;
  readonly sinceMs: number;
  /** The smallest that may still be seen in a memory. */
  readonly smallest: number;
}

/** Over how many partitions each tenant is spread, and was a while ago. */
export class ShardSizes {
  readonly #ofTenants = new Map<TenantId, Sizes>();

  /**
   * The fewest that the tenant was spread over while a head may still hold what came then.
   * @param size over how many it is spread now; 0 is all
   */
  settled(tenant: TenantId, size: number, nowMs: number): number {
    const known = this.#ofTenants.get(tenant);
    if (known?.size === size) return nowMs - known.sinceMs >= settledMs ? size : known.smallest;
    if (known === undefined && this.#ofTenants.size >= tenantsMax) this.#ofTenants.clear();
    const before = known === undefined ? size : this.settled(tenant, known.size, nowMs);
    const smallest = orAll(before) < orAll(size) ? before : size;
    this.#ofTenants.set(tenant, { size, sinceMs: nowMs, smallest });
    return smallest;
  }
}

const orAll = (size: number): number => (size === 0 ? Number.POSITIVE_INFINITY : size);
