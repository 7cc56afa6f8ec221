/**
 * How many partitions share a tenant's limits: each ingester takes its part of what the tenant may have in all.
 * Owns that a partition which has just come takes no part at first: the series of the others are still in their memory, and would be too many at once.
 */
import type { RingTable } from './table.ts';

/** After this a head has let go of the series that went to a new partition. */
const settledMs = 4 * 3_600_000;

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
