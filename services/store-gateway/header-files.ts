/**
 * The headers on local disk: which there are, how much they take, which go when there is no room.
 * Owns the folder `store-gateway` below the data folder: `<tenant>/<ULID>.header`. Nothing in it is more than a copy.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isTenantId, type TenantId } from '../../libs/model/tenant-id.ts';
import type { Disk } from '../../libs/std/disk.ts';
import { isUlid, type Ulid } from '../../libs/tsdb/block/ulid.ts';

interface Kept {
  readonly tenant: TenantId;
  readonly ulid: Ulid;
  bytes: number;
  usedAtMs: number;
}

const suffix = '.header';

export class HeaderFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #bytesMax: number;
  readonly #nowMs: () => number;
  /** By path. */
  readonly #kept = new Map<string, Kept>();
  bytes = 0;

  constructor(disk: Disk, folder: string, bytesMax: number, nowMs: () => number) {
    this.#disk = disk;
    this.#folder = folder;
    this.#bytesMax = bytesMax;
    this.#nowMs = nowMs;
  }

  get count(): number {
    return this.#kept.size;
  }

  /** Whether another header of this size fits without one that goes. */
  hasRoomFor(bytes: number): boolean {
    return this.bytes + bytes <= this.#bytesMax;
  }

  path(tenant: TenantId, ulid: Ulid): string {
    return join(this.#folder, tenant, ulid + suffix);
  }

  has(tenant: TenantId, ulid: Ulid): boolean {
    return this.#kept.has(this.path(tenant, ulid));
  }

  /** Looks what an earlier process left; what is not a header is deleted. */
  async scan(): Promise<void> {
    const tenants = await readdir(this.#folder, { withFileTypes: true }).catch(() => []);
    for (const { name: tenant } of tenants.filter((entry) => entry.isDirectory() && isTenantId(entry.name))) {
      if (!isTenantId(tenant)) continue;
      for (const name of await this.#disk.list(join(this.#folder, tenant))) {
        const ulid = name.slice(0, -suffix.length);
        if (!name.endsWith(suffix) || !isUlid(ulid)) {
          await this.#disk.remove(join(this.#folder, tenant, name));
          continue;
        }
        const found = await stat(join(this.#folder, tenant, name)).catch(() => undefined);
        if (found !== undefined) this.keep(tenant, ulid, found.size);
      }
    }
  }

  /** Tenants of whom there is a header. */
  tenants(): TenantId[] {
    return [...new Set([...this.#kept.values()].map(({ tenant }) => tenant))];
  }

  /** Headers of one tenant. */
  ulids(tenant: TenantId): Ulid[] {
    return [...this.#kept.values()].filter((kept) => kept.tenant === tenant).map(({ ulid }) => ulid);
  }

  /** A header is there, or was used. */
  keep(tenant: TenantId, ulid: Ulid, bytes: number): void {
    const path = this.path(tenant, ulid);
    this.bytes += bytes - (this.#kept.get(path)?.bytes ?? 0);
    this.#kept.set(path, { tenant, ulid, bytes, usedAtMs: this.#nowMs() });
  }

  async remove(tenant: TenantId, ulid: Ulid): Promise<void> {
    const path = this.path(tenant, ulid);
    this.bytes -= this.#kept.get(path)?.bytes ?? 0;
    this.#kept.delete(path);
    await this.#disk.remove(path);
  }

  /** Deletes those used longest ago until the rest fits. Whoever has one open reads on. */
  async makeRoom(): Promise<void> {
    if (this.bytes <= this.#bytesMax) return;
    const oldest = [...this.#kept.values()].sort((a, b) => a.usedAtMs - b.usedAtMs);
    for (const { tenant, ulid } of oldest) {
      if (this.bytes <= this.#bytesMax) return;
      await this.remove(tenant, ulid);
    }
  }
}
