/**
 * A disk in memory that forgets what was not synced, fills up, and fails on demand: for tests of the log.
 */
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

  /** The machine lost power: only what was synced is left, and of the rest `keep` bytes a file. */
  powerCut(keep = 0): void {
    for (const content of this.files.values()) {
      const rest = content.bytes.subarray(content.synced.length, content.synced.length + keep);
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
    const moved = [...this.files.keys()].filter((path) => path === from || path.startsWith(`${from}/`));
    if (moved.length === 0) throw coded('ENOENT', from);
    for (const path of moved) {
      const content = this.files.get(path);
      this.files.delete(path);
      if (content !== undefined) this.files.set(to + path.slice(from.length), content);
    }
  }

  async removeTree(directory: string): Promise<void> {
    for (const path of this.files.keys()) if (path.startsWith(`${directory}/`)) this.files.delete(path);
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }

  async syncDirectory(): Promise<void> {}
}

function coded(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
