/**
 * The aliases of all tenants under one budget: nobody's series crowd out everybody else's for long.
 * Owns which tenant forgets when the budget is spent: the one that holds most, at most once in a while.
 */
import type { ByteBudget } from '../model/encoding/byte-table.ts';
import type { TenantId } from '../model/tenant-id.ts';
import { LookupScratch, SeriesAliases } from './series-aliases.ts';

/** The budget counts as spent from here on. */
const spentShare = 0.98;
const forgetEveryMs = 30_000;
/** Tenants remembered at once: whoever was not heard of for longest goes, so that names that are made up take no memory. */
const tenantsMax = 10_000;

export class AliasRegistry {
  readonly #budget: ByteBudget;
  readonly #scratch = new LookupScratch();
  readonly #nowMs: () => number;
  readonly #byTenant = new Map<TenantId, SeriesAliases>();
  #forgotAtMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs a monotonic clock */
  constructor(bytesMax: number, nowMs: () => number) {
    this.#budget = { used: 0, max: bytesMax };
    this.#nowMs = nowMs;
  }

  /** Bytes in use by all tenants. */
  get bytes(): number {
    return this.#budget.used;
  }

  of(tenant: TenantId): SeriesAliases {
    const known = this.#byTenant.get(tenant);
    const aliases = known ?? new SeriesAliases(this.#budget, this.#scratch);
    if (known !== undefined) this.#byTenant.delete(tenant);
    this.#byTenant.set(tenant, aliases);
    if (this.#byTenant.size > tenantsMax) this.#dropOldest();
    if (this.#budget.used > this.#budget.max * spentShare) this.#makeRoom();
    return aliases;
  }

  /** A write of it that is under way sees another generation. */
  #dropOldest(): void {
    for (const [tenant, aliases] of this.#byTenant) {
      aliases.forget();
      this.#byTenant.delete(tenant);
      return;
    }
  }

  /** With one tenant there is nobody to make room for: it keeps what it has and the rest takes the slower way. */
  #makeRoom(): void {
    const nowMs = this.#nowMs();
    if (this.#byTenant.size < 2 || nowMs - this.#forgotAtMs < forgetEveryMs) return;
    this.#forgotAtMs = nowMs;
    let largest: SeriesAliases | undefined;
    for (const aliases of this.#byTenant.values()) {
      if (largest === undefined || aliases.bytes > largest.bytes) largest = aliases;
    }
    largest?.forget();
  }
}
