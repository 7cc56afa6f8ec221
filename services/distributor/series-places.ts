/**
 * What the distributor's own numbers of series stand for: a partition, and the number that each of its owners gave.
 * Owns the columns, a row a number, of every tenant. Numbers are given in order and never taken back one by one: all are
 * forgotten at once.
 */
import type { TenantId } from '../../libs/model/tenant-id.ts';

/** Of a row: a partition and the numbers of its owners, in columns that grow twofold. */
const bytesPerRow = 28;
const firstRows = 64;
/** Rows that a tenant counts for beside its own: its columns begin with 64, and made-up tenants must not take memory without end. */
const rowsPerTenant = 80;

class TenantPlaces {
  #partition = new Uint16Array(firstRows);
  readonly #refs: Uint32Array[] = [];
  count = 0;

  /** Takes in a series; its number. */
  add(partition: number): number {
    const handle = ++this.count;
    if (handle >= this.#partition.length) {
      const grown = new Uint16Array(this.#partition.length * 2);
      grown.set(this.#partition);
      this.#partition = grown;
    }
    this.#partition[handle] = partition;
    return handle;
  }

  partitionOf(handle: number): number {
    return this.#partition[handle] as number;
  }

  /** The number that the owner in a column gave; 0 if it gave none. */
  refOf(handle: number, column: number): number {
    return this.#refs[column]?.[handle] ?? 0;
  }

  setRef(handle: number, column: number, ref: number): void {
    while (this.#refs.length <= column) this.#refs.push(new Uint32Array(this.#partition.length));
    let refs = this.#refs[column] as Uint32Array;
    if (handle >= refs.length) {
      const grown = new Uint32Array(this.#partition.length);
      grown.set(refs);
      refs = grown;
      this.#refs[column] = grown;
    }
    refs[handle] = ref;
  }
}

export class SeriesPlaces {
  readonly #rowsMax: number;
  readonly #byTenant = new Map<TenantId, TenantPlaces>();

  /** @param bytesMax of memory; then everything is forgotten */
  constructor(bytesMax: number) {
    this.#rowsMax = bytesMax / bytesPerRow;
  }

  of(tenant: TenantId): TenantPlaces {
    let places = this.#byTenant.get(tenant);
    if (places === undefined) {
      places = new TenantPlaces();
      this.#byTenant.set(tenant, places);
    }
    return places;
  }

  get isFull(): boolean {
    let rows = 0;
    for (const places of this.#byTenant.values()) rows += places.count + rowsPerTenant;
    return rows > this.#rowsMax;
  }

  clear(): void {
    this.#byTenant.clear();
  }
}
