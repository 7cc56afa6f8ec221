/**
 * Records of the log that are ours and do not decode: kept as files in `damaged/`, so that a later release may take them in.
 * Owns these files. While one lies there, reads of its tenant fail on this owner and the floor does not pass it. Whoever takes
 * the file away gives up what it held.
 */
import { join } from 'node:path';
import { parseTenantId, type TenantId } from '../../libs/model/tenant-id.ts';
import type { Disk } from '../../libs/std/disk.ts';
import { readWhole, writeWhole } from '../../libs/std/whole-file.ts';

export interface DamagedRecord {
  /** Undefined where not even that could be read: then it may be of any. */
  readonly tenant: TenantId | undefined;
  readonly partition: number;
  readonly offset: number;
  readonly path: string;
}

export class DamagedRecords {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #topicId: string;
  readonly #records = new Map<string, DamagedRecord>();
  /** Paths of those whose samples are in the head, and in no snapshot yet. */
  readonly #taken = new Set<string>();

  constructor(disk: Disk, directory: string, topicId: string) {
    this.#disk = disk;
    this.#directory = directory;
    this.#topicId = topicId;
  }

  get all(): Iterable<DamagedRecord> {
    return this.#records.values();
  }

  /** How many are not in the head. */
  get count(): number {
    return this.#records.size - this.#taken.size;
  }

  /** One whose samples an answer for this tenant may miss. */
  of(tenant: TenantId): DamagedRecord | undefined {
    for (const record of this.#records.values()) {
      if (this.#taken.has(record.path)) continue;
      if (record.tenant === undefined || record.tenant === tenant) return record;
    }
    return undefined;
  }

  /** The lowest offset; undefined where there is none. */
  lowestOffset(): number | undefined {
    let lowest: number | undefined;
    for (const { offset } of this.#records.values()) if (lowest === undefined || offset < lowest) lowest = offset;
    return lowest;
  }

  /** Looks which files are there: those that were taken away are forgotten. */
  async load(): Promise<void> {
    const known = [...this.#records.keys()];
    const names = await this.#disk.list(this.#directory);
    // One that was added meanwhile may not be among them.
    for (const name of known) if (!names.includes(name)) this.#records.delete(name);
    for (const name of names) {
      const match = /^(\d+)-(\d+)-(.*)\.record$/.exec(this.#withoutTopic(name));
      if (match === null) continue;
      const [, partition, offset, tenant = ''] = match;
      this.#records.set(name, {
        tenant: tenantOf(tenant),
        partition: Number(partition),
        offset: Number(offset),
        path: join(this.#directory, name),
      });
    }
  }

  async add(
    tenant: TenantId | undefined,
    partition: number,
    offset: number,
    value: Uint8Array,
  ): Promise<DamagedRecord> {
    const name = `log-${this.#topicId}-${partition}-${offset}-${tenant ?? ''}.record`;
    const record = { tenant, partition, offset, path: join(this.#directory, name) };
    await writeWhole(this.#disk, record.path, value);
    this.#records.set(name, record);
    return record;
  }

  async read({ path }: DamagedRecord): Promise<Uint8Array | undefined> {
    return await readWhole(this.#disk, path);
  }

  /** It was taken in after all; the file stays until a snapshot has what it holds. */
  isTakenIn({ path }: DamagedRecord): void {
    this.#taken.add(path);
  }

  /** A snapshot has what was taken in. */
  async removeTaken(): Promise<void> {
    for (const [name, { path }] of [...this.#records]) {
      if (!this.#taken.delete(path)) continue;
      await this.#disk.remove(path);
      this.#records.delete(name);
    }
  }

  #withoutTopic(name: string): string {
    const begin = `log-${this.#topicId}-`;
    return name.startsWith(begin) ? name.slice(begin.length) : '';
  }
}

function tenantOf(text: string): TenantId | undefined {
  try {
    return parseTenantId(text);
  } catch {
    return undefined;
  }
}
