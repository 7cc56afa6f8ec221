/**
 * Which partitions a write goes to, by one table of the ring: what is derived from it once, and rows sorted by partition.
 * Does not own the rules (libs/ring) nor what becomes of the rows (replicate-write.ts, log-write.ts).
 */
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { hashText, placeOf, subsetOf } from '../../libs/ring/place-series.ts';
import type { Partition, RingTable } from '../../libs/ring/table.ts';

/** Tenants whose subset is remembered for one table. */
const subsetsMax = 10_000;

export class WriteRoute {
  readonly table: RingTable;
  readonly partitions: ReadonlyMap<number, Partition>;
  /** One more than the largest id of a partition. */
  readonly idEnd: number;
  /** Ids of the active partitions, rising. */
  readonly #active: readonly number[];
  readonly #subsets = new Map<TenantId, { readonly size: number; readonly ids: readonly number[] }>();

  /** @throws Failure `unavailable` where no table is known */
  constructor(table: RingTable | undefined) {
    if (table === undefined) {
      throw new Failure('unavailable', 'the table of the ring is not known yet', { retryAfterSeconds: 1 });
    }
    this.table = table;
    this.partitions = new Map(table.partitions.map((partition) => [partition.id, partition]));
    this.idEnd = (table.partitions.at(-1)?.id ?? -1) + 1;
    this.#active = table.partitions.filter(({ state }) => state === 'active').map(({ id }) => id);
  }

  /** Whether series go to the same places by another one. */
  hasSameActive(other: WriteRoute): boolean {
    const others = other.#active;
    return this.#active.length === others.length && this.#active.every((id, i) => id === others[i]);
  }

  /**
   * Ids of the partitions that new series of a tenant go to, rising.
   * @param size partitions that the tenant is spread over; 0 is all
   * @throws Failure `unavailable` where none is active
   */
  idsOf(tenant: TenantId, size: number): readonly number[] {
    if (this.#active.length === 0) {
      throw new Failure('unavailable', `no partition is active yet: ${missingOwners(this.table)}`, {
        retryAfterSeconds: 1,
      });
    }
    const known = this.#subsets.get(tenant);
    if (known !== undefined && known.size === size) return known.ids;
    const ids = subsetOf(tenant, this.#active, size);
    if (this.#subsets.size >= subsetsMax) this.#subsets.clear();
    this.#subsets.set(tenant, { size, ids });
    return ids;
  }
}

/**
 * Sorts rows by partition.
 * @param partitionOfRow of each of `count` rows its partition; `idEnd` for a row that goes nowhere
 * @param rows takes the rows, partition by partition
 * @returns where those of each partition begin in `rows`, by its id; they end where the next begin
 */
export function sortByPartition(
  partitionOfRow: Uint16Array,
  count: number,
  idEnd: number,
  rows: Uint32Array,
): Uint32Array {
  const begins = new Uint32Array(idEnd + 2);
  for (let row = 0; row < count; row++) begins[partitionOfRow[row] + 1]++;
  for (let id = 1; id < begins.length; id++) begins[id] += begins[id - 1];
  const at = begins.slice();
  for (let row = 0; row < count; row++) rows[at[partitionOfRow[row]]++] = row;
  return begins;
}

/** Entries of metadata by the partition of their metric, one of `ids`. */
export function metadataByPartition(batch: WriteBatch, ids: readonly number[]): Map<number, MetricMetadata[]> {
  const byPartition = new Map<number, MetricMetadata[]>();
  if (batch.metadata.length === 0) return byPartition;
  const tenantHash = hashText(batch.tenant);
  for (const entry of batch.metadata) {
    const id = placeOf(hashText(entry.metric), tenantHash, ids);
    const entries = byPartition.get(id);
    if (entries === undefined) byPartition.set(id, [entry]);
    else entries.push(entry);
  }
  return byPartition;
}

function missingOwners({ partitions, replicationFactor }: RingTable): string {
  if (partitions.length === 0) return 'there is no ingester';
  return partitions
    .map(({ id, owners }) => `partition ${id} has ${owners.length} of ${replicationFactor} owners`)
    .join(', ');
}
