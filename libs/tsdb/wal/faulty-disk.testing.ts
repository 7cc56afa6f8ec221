/**
 * A disk in memory that forgets what was not synced, fills up, and fails on demand: for tests of the log.
 */
import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../../std/disk.ts';

interface Content {
  bytes: Buffer;
  /** What a power cut leaves. */
  synced: Buffer;
}

export class FaultyDisk implements Disk {
  readonly files = new Map<string, Content>();
  /** Bytes that files may hold together before a write fails with ENOSPC, half written. */
  capacity = Number.POSITIVE_INFINITY;
  /** The next sync fails with EIO. */
  failSync = false;
  /** While set, no file can be opened: as when the process has all that it may have. */
  noMoreFiles = false;
  syncs = 0;
  /** While set, syncs wait for it. */
  syncGate: Promise<void> | undefined;
  /** What stood under a name before its folder was changed, which was not synced since: undefined for nothing. */
  readonly #namesBefore = new Map<string, Content | undefined>();
  /** Folders that have another name now in one that was not synced since. */
  #foldersMoved: { readonly from: string; readonly to: string }[] = [];

  /** The machine lost power: only names and bytes that were synced are left, and of the other bytes `keep` a file. */
  powerCut(keep: () => number = () => 0): void {
    for (const { from, to } of this.#foldersMoved.splice(0).reverse()) this.#moveAll(to, from);
    for (const [path, content] of this.#namesBefore) {
      if (content === undefined) this.files.delete(path);
      else this.files.set(path, content);
    }
    this.#namesBefore.clear();
    for (const content of this.files.values()) {
      const rest = content.bytes.subarray(content.synced.length, content.synced.length + keep());
      content.bytes = Buffer.concat([content.synced, rest]);
      content.synced = content.bytes;
    }
  }

  used(): number {
    let total = 0;
    for (const content of this.files.values()) total += content.bytes.length;
    return total;
  }

  async open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile> {
    if (this.noMoreFiles) throw coded('EMFILE', path);
    let content = this.files.get(path);
    if (mode === 'create') {
      if (content !== undefined) throw coded('EEXIST', path);
      content = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) };
      this.#noteName(path);
      this.files.set(path, content);
    }
    if (content === undefined) throw coded('ENOENT', path);
    const file = content;
    return {
      write: async (bytes, position) => {
        await null;
        const grows = Math.max(0, position + bytes.length - file.bytes.length);
        const room = this.capacity - this.used();
        const part = grows > room ? bytes.subarray(0, Math.max(0, bytes.length - (grows - room))) : bytes;
        const next = Buffer.alloc(Math.max(file.bytes.length, position + part.length));
        file.bytes.copy(next);
        next.set(part, position);
        file.bytes = next;
        if (part.length < bytes.length) throw coded('ENOSPC', path);
      },
      read: async (target, position) => {
        await null;
        const part = file.bytes.subarray(position, position + target.length);
        target.set(part);
        return part.length;
      },
      truncate: async (length) => {
        file.bytes = Buffer.from(file.bytes.subarray(0, length));
      },
      sync: async () => {
        await this.syncGate;
        this.syncs++;
        if (this.failSync) throw coded('EIO', path);
        file.synced = Buffer.from(file.bytes);
      },
      size: async () => file.bytes.length,
      close: async () => undefined,
    };
  }

  async list(directory: string): Promise<string[]> {
    const prefix = `${directory}/`;
    const names = new Set<string>();
    for (const path of this.files.keys()) {
      if (path.startsWith(prefix)) names.add(path.slice(prefix.length).replace(/\/.*/, ''));
    }
    return [...names].sort();
  }

  async makeDirectory(): Promise<void> {}

  async rename(from: string, to: string): Promise<void> {
    await this.move(from, to);
    await this.syncDirectory(dirname(to));
  }

  /** The first half of a rename: a power cut may undo it. */
  async move(from: string, to: string): Promise<void> {
    const file = this.files.get(from);
    if (file !== undefined) {
      this.#noteName(from);
      this.#noteName(to);
      this.files.delete(from);
      this.files.set(to, file);
    } else if (this.#moveAll(from, to)) {
      this.#foldersMoved.push({ from, to });
    } else {
      throw coded('ENOENT', from);
    }
  }

  async removeTree(directory: string): Promise<void> {
    for (const path of [...this.files.keys()]) if (path.startsWith(`${directory}/`)) await this.remove(path);
  }

  async remove(path: string): Promise<void> {
    if (!this.files.has(path)) return;
    this.#noteName(path);
    this.files.delete(path);
  }

  async syncDirectory(directory: string): Promise<void> {
    for (const path of [...this.#namesBefore.keys()]) if (dirname(path) === directory) this.#namesBefore.delete(path);
    this.#foldersMoved = this.#foldersMoved.filter(({ to }) => dirname(to) !== directory);
  }

  #noteName(path: string): void {
    if (!this.#namesBefore.has(path)) this.#namesBefore.set(path, this.files.get(path));
  }

  /** @returns whether there is anything in the folder */
  #moveAll(from: string, to: string): boolean {
    let isAny = false;
    for (const names of [this.files, this.#namesBefore] as Map<string, Content | undefined>[]) {
      for (const [path, content] of [...names]) {
        if (!path.startsWith(`${from}/`)) continue;
        isAny = true;
        names.delete(path);
        names.set(to + path.slice(from.length), content);
      }
    }
    return isAny;
  }
}

function coded(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
