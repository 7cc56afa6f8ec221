/**
 * The table where it lies: one object an epoch in the bucket, written only if it is not there, and a copy on the own disk.
 * Owns which table this process goes by. It only ever moves forward: a lower epoch, an empty bucket, another cluster's table are
 * told and not adopted. Surprising: with the bucket away nothing changes but that nobody can join.
 */
import { join } from 'node:path';
import { Failure } from '../errors/failure.ts';
import type { Bucket, ObjectInfo } from '../object-store/bucket.ts';
import type { Disk } from '../std/disk.ts';
import { readWhole, writeWhole } from '../std/whole-file.ts';
import { decodeTable, encodeTable, type RingTable } from './table.ts';

/** Not a tenant's: a tilde is not one of their characters. */
const prefix = '~maru/ring/';
const tableBytesMax = 16 << 20;
const callMs = 10_000;
const publishAttemptsMax = 20;
/** Tables that are read one after another before others get a turn. */
const aheadMax = 1000;
/** Tables before the newest one that are kept, and how long each is kept in any case: nobody publishes for longer than that. */
const keptCount = 100;
const keptMs = 24 * 3_600_000;
/** Who has not looked for so long goes by a listing: the table after its own may have been deleted. */
const longAgoMs = keptMs / 24;

const keyOf = (epoch: number): string => `${prefix}${String(epoch).padStart(12, '0')}.json`;

export interface TableStoreOptions {
  readonly bucket: Bucket;
  readonly disk: Disk;
  readonly dataDir: string;
  readonly clusterId: string;
  /** Something is wrong with what lies in the bucket, in a sentence. */
  readonly onWrong: (reason: string) => void;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

export class TableStore {
  readonly #options: TableStoreOptions;
  readonly #listeners = new Set<(table: RingTable) => void>();
  #current: RingTable | undefined;
  #refreshing: Promise<void> | undefined;
  /** Resolves when the copy on the disk is the one that was taken last. */
  #written: Promise<void> = Promise.resolve();
  #newestAtMs = Number.NEGATIVE_INFINITY;

  private constructor(options: TableStoreOptions) {
    this.#options = options;
  }

  /**
   * With the copy on disk, and whatever the bucket has beyond it; a bucket that is away is no error.
   * @throws Failure `bad_data` where there is nothing to go by but another cluster's table, or one that cannot be read
   */
  static async open(options: TableStoreOptions): Promise<TableStore> {
    const store = new TableStore(options);
    const copy = await readWhole(options.disk, store.#copyPath);
    if (copy !== undefined) store.#adopt(decodeTable(copy));
    try {
      await store.#jump();
    } catch (error) {
      if (store.#current === undefined && error instanceof Failure && error.kind === 'bad_data') throw error;
      options.onWrong(`the table of the ring cannot be read: ${(error as Error).message}`);
    }
    return store;
  }

  get current(): RingTable | undefined {
    return this.#current;
  }

  /** The table is the one that was the newest then: when it was asked for, not when the answer came. */
  get newestAtMs(): number {
    return this.#newestAtMs;
  }

  onChange(listener: (table: RingTable) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * Reads on from the table that is known; one reading at a time.
   * @param heardEpoch one that somebody is known to know @throws Failure when the bucket cannot be asked
   */
  refresh(heardEpoch = 0): Promise<void> {
    this.#refreshing ??= this.#readOn(heardEpoch).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** Takes a table that another process has from the bucket. @throws Failure `bad_data` where it is none, or another cluster's */
  async takeFromPeer(bytes: Uint8Array): Promise<void> {
    await this.#take(decodeTable(bytes));
  }

  /**
   * Publishes what `change` makes of the newest table, again and again until it wins an epoch or has nothing to change.
   * @throws Failure of `change`, or when the bucket cannot be asked
   */
  async publish(change: (table: RingTable | undefined) => RingTable | undefined): Promise<RingTable | undefined> {
    for (let attempt = 0; attempt < publishAttemptsMax; attempt++) {
      // By a listing: the table after one that is far behind may have been deleted, and must not be written a second time.
      const entries = await this.#jump();
      const before = this.#current;
      const next = change(before);
      if (next === undefined || next === before) return before;
      try {
        await this.#options.bucket.put(keyOf(next.epoch), encodeTable(next), {
          condition: 'absent',
          signal: AbortSignal.timeout(callMs),
        });
      } catch (error) {
        if (error instanceof Failure && error.kind === 'precondition_failed') continue;
        throw error;
      }
      await this.#take(next);
      await this.#deleteOld(entries);
      return next;
    }
    throw new Failure('unavailable', `the table of the ring was changed ${publishAttemptsMax} times by others`, {
      retryAfterSeconds: 1,
    });
  }

  get #copyPath(): string {
    return join(this.#options.dataDir, 'ring-table.json');
  }

  /** Goes to the newest table in the bucket by a listing. @returns what is there, the oldest first */
  async #jump(): Promise<readonly ObjectInfo[]> {
    const beginMs = this.#options.nowMs();
    const entries: ObjectInfo[] = [];
    const signal = AbortSignal.timeout(callMs);
    for await (const entry of this.#options.bucket.list(prefix, { delimiter: false, signal })) {
      if (entry.kind === 'object') entries.push(entry);
    }
    const newest = entries.at(-1);
    if (newest !== undefined) {
      const table = await this.#get(newest.key);
      if (table !== undefined) await this.#take(table);
    } else if (this.#current !== undefined) {
      this.#options.onWrong(
        `${this.#options.bucket.name} has no table of the ring, but epoch ${this.#current.epoch} is known: it is not this cluster's bucket, or was emptied`,
      );
      return entries;
    }
    this.#newestAtMs = beginMs;
    return entries;
  }

  /** Deletes tables that nobody goes by any more; what is left over is deleted with a later one. */
  async #deleteOld(entries: readonly ObjectInfo[]): Promise<void> {
    const { bucket, onWrong } = this.#options;
    // By the store's clock alone.
    const oldMs = (entries.at(-1)?.modifiedMs ?? 0) - keptMs;
    const old = entries.slice(0, -keptCount).filter(({ modifiedMs }) => modifiedMs < oldMs);
    try {
      for (const { key } of old.slice(0, aheadMax)) await bucket.delete(key, AbortSignal.timeout(callMs));
    } catch (error) {
      onWrong(`old tables of the ring cannot be deleted: ${(error as Error).message}`);
    }
  }

  async #readOn(heardEpoch: number): Promise<void> {
    for (let i = 0; i < aheadMax; i++) {
      const beginMs = this.#options.nowMs();
      const next = await this.#get(keyOf((this.#current?.epoch ?? 0) + 1));
      if (next === undefined) {
        // Those in between were deleted, or there is none.
        const mayLack = (this.#current?.epoch ?? 0) < heardEpoch || beginMs - this.#newestAtMs > longAgoMs;
        if (mayLack) await this.#jump();
        else this.#newestAtMs = beginMs;
        return;
      }
      await this.#take(next);
    }
  }

  async #get(key: string): Promise<RingTable | undefined> {
    try {
      const signal = AbortSignal.timeout(callMs);
      return decodeTable((await this.#options.bucket.get(key, { bytesMax: tableBytesMax, signal })).bytes);
    } catch (error) {
      if (error instanceof Failure && error.kind === 'not_found') return undefined;
      throw error;
    }
  }

  async #take(table: RingTable): Promise<void> {
    if (!this.#adopt(table)) return;
    // Tables come from the bucket, from peers and from here, and a file has one writer at a time.
    const written = this.#written.then(() => this.#writeCopy());
    this.#written = written.catch(() => undefined);
    await written;
  }

  async #writeCopy(): Promise<void> {
    if (this.#current !== undefined) await writeWhole(this.#options.disk, this.#copyPath, encodeTable(this.#current));
  }

  /** @returns whether it is newer than what was known */
  #adopt(table: RingTable): boolean {
    if (table.clusterId !== this.#options.clusterId) {
      throw new Failure(
        'bad_data',
        `a table of the ring is of cluster ${JSON.stringify(table.clusterId)}, this process of ${JSON.stringify(this.#options.clusterId)} (cluster.id)`,
      );
    }
    if (table.epoch <= (this.#current?.epoch ?? 0)) return false;
    this.#current = table;
    for (const listener of this.#listeners) listener(table);
    return true;
  }
}
