/**
 * The headers on local disk: which there are, how much they take, which go when there is no room.
 * Owns the folder `store-gateway` below the data folder: `<tenant>/<ULID>.header`. Nothing in it is more than a copy, so where the disk
 * fills up they make way.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isTenantId, type TenantId } from '../../libs/model/tenant-id.ts';
import type { Disk } from '../../libs/std/disk.ts';
import { freeBytesOf, spareBytes } from '../../libs/std/free-bytes.ts';
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
  readonly #freeBytes: (directory: string) => Promise<number>;
  readonly #kept = new Map<TenantId, Map<Ulid, Kept>>();
  #scanning: Promise<void> | undefined;
  bytes = 0;
  /** Awaited for each that has made way: whoever has it open may close it, as its bytes are free only then. */
  onMadeWay: (tenant: TenantId, ulid: Ulid) => Promise<void> = async () => {};

  constructor(
    disk: Disk,
    folder: string,
    bytesMax: number,
    nowMs: () => number,
    freeBytes: (directory: string) => Promise<number> = freeBytesOf,
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.#bytesMax = bytesMax;
    this.#nowMs = nowMs;
    this.#freeBytes = freeBytes;
  }

  get count(): number {
    let count = 0;
    for (const { size } of this.#kept.values()) count += size;
    return count;
  }

  /** Whether another header of this size fits without one that goes. */
  async hasRoomFor(bytes: number): Promise<boolean> {
    return this.bytes + bytes <= (await this.#bytesNow());
  }

  /** What they may take now. */
  async #bytesNow(): Promise<number> {
    return Math.min(this.#bytesMax, this.bytes + (await this.#freeBytes(this.#folder)) - spareBytes);
  }

  path(tenant: TenantId, ulid: Ulid): string {
    return join(this.#folder, tenant, ulid + suffix);
  }

  has(tenant: TenantId, ulid: Ulid): boolean {
    return this.#kept.get(tenant)?.has(ulid) === true;
  }

  /** As `has`; before it was looked what an earlier process left, one is found all the same. */
  async find(tenant: TenantId, ulid: Ulid): Promise<boolean> {
    if (this.has(tenant, ulid)) return true;
    const found = await stat(this.path(tenant, ulid)).catch(() => undefined);
    if (found === undefined) return false;
    this.keep(tenant, ulid, found.size);
    return true;
  }

  /** Looks what an earlier process left; what is not a header is deleted. No room is made for another before that is over. */
  scan(): Promise<void> {
    const scanning = this.#scan().finally(() => {
      this.#scanning = undefined;
    });
    this.#scanning = scanning.catch(() => undefined);
    return scanning;
  }

  async #scan(): Promise<void> {
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
    return [...this.#kept.keys()];
  }

  /** Headers of one tenant. */
  ulids(tenant: TenantId): Ulid[] {
    return [...(this.#kept.get(tenant)?.keys() ?? [])];
  }

  /** A header is there, or was used. */
  keep(tenant: TenantId, ulid: Ulid, bytes: number): void {
    let own = this.#kept.get(tenant);
    if (own === undefined) this.#kept.set(tenant, (own = new Map()));
    this.bytes += bytes - (own.get(ulid)?.bytes ?? 0);
    own.set(ulid, { tenant, ulid, bytes, usedAtMs: this.#nowMs() });
  }

  async remove(tenant: TenantId, ulid: Ulid): Promise<void> {
    const own = this.#kept.get(tenant);
    this.bytes -= own?.get(ulid)?.bytes ?? 0;
    own?.delete(ulid);
    if (own?.size === 0) this.#kept.delete(tenant);
    await this.#disk.remove(this.path(tenant, ulid));
  }

  /**
   * Deletes those used longest ago until the rest fits, and `bytes` more would. Whoever is reading one reads on.
   * @returns whether the disk has room for them
   */
  async makeRoom(bytes: number): Promise<boolean> {
    await this.#scanning;
    const bytesMax = (await this.#bytesNow()) - bytes;
    if (this.bytes > bytesMax) {
      const all = [...this.#kept.values()].flatMap((own) => [...own.values()]);
      const oldest = all.sort((a, b) => a.usedAtMs - b.usedAtMs);
      for (const { tenant, ulid } of oldest) {
        if (this.bytes <= bytesMax) break;
        await this.remove(tenant, ulid);
        await this.onMadeWay(tenant, ulid);
      }
    }
    return (await this.#freeBytes(this.#folder)) >= bytes + spareBytes;
  }
}
