/**
 * A bounded queue that takes turns between tenants: one who asks a thousand things at once waits behind himself.
 * Owns order and maxima. Each tenant's own jobs keep their order.
 */
import type { TenantId } from '../model/tenant-id.ts';

export class TenantQueue<T> {
  readonly #lengthMax: number;
  readonly #perTenantMax: number;
  /** Whose turn comes first stands first; no list is empty. */
  readonly #byTenant = new Map<TenantId, T[]>();
  #length = 0;

  constructor(lengthMax: number, perTenantMax: number) {
    this.#lengthMax = lengthMax;
    this.#perTenantMax = perTenantMax;
  }

  get length(): number {
    return this.#length;
  }

  /** False if there is no room: nothing was changed. */
  push(tenant: TenantId, item: T): boolean {
    const own = this.#byTenant.get(tenant);
    if (this.#length >= this.#lengthMax || (own?.length ?? 0) >= this.#perTenantMax) return false;
    this.add(tenant, item);
    return true;
  }

  /** Lets one in beyond the maxima: it belongs to what was let in already. */
  add(tenant: TenantId, item: T): void {
    const own = this.#byTenant.get(tenant);
    if (own === undefined) this.#byTenant.set(tenant, [item]);
    else own.push(item);
    this.#length++;
  }

  /** The oldest item of the tenant whose turn it is, of those that are accepted. */
  shift(accepts: (tenant: TenantId) => boolean = () => true): T | undefined {
    for (const [tenant, own] of this.#byTenant) {
      if (!accepts(tenant)) continue;
      const item = own.shift();
      this.#byTenant.delete(tenant);
      // To the end of the round.
      if (own.length > 0) this.#byTenant.set(tenant, own);
      this.#length--;
      return item;
    }
    return undefined;
  }

  /** Takes out one that waits no longer; false if it is not there. */
  remove(tenant: TenantId, item: T): boolean {
    const own = this.#byTenant.get(tenant);
    const index = own?.indexOf(item) ?? -1;
    if (own === undefined || index < 0) return false;
    own.splice(index, 1);
    if (own.length === 0) this.#byTenant.delete(tenant);
    this.#length--;
    return true;
  }
}
