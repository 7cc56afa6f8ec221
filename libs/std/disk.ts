/**
 * The disk as the durable parts use it: a seam, so that a test can fill it, break it or forget what was not synced.
 * Owns nothing but the calls; what an error means is decided by its caller.
 */
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface DiskFile {
  /** Writes all of `bytes` at `position`; an error may leave a part of it written. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Reads up to target.length bytes from `position`; returns how many, 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  truncate(length: number): Promise<void>;
  /** Data and size are on stable storage when it resolves. After an error nothing is known: never try again. */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface Disk {
  /** `create` fails if the file exists; `write` and `read` fail if it does not. */
  open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile>;
  /** Names in a folder, sorted; empty if there is no such folder. */
  list(directory: string): Promise<string[]>;
  makeDirectory(directory: string): Promise<void>;
  /** Atomic; both names in folders of the same file system. The folder of `to` is synced. */
  rename(from: string, to: string): Promise<void>;
  /** No error if it does not exist. */
  remove(path: string): Promise<void>;
  /** Removes a folder with everything in it; no error if it does not exist. */
  removeTree(directory: string): Promise<void>;
  /** Makes creations and removals in this folder durable. */
  syncDirectory(directory: string): Promise<void>;
}

/** Whether an error says that there is no room (or no quota) left. */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Whether an error says that the process, or the system, may open no more files now. */
export function isOutOfFiles(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'EMFILE' || code === 'ENFILE';
}

/** The code of an error of the system, such as ENOENT; undefined where it is none. */
export function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

const flagsOf = {
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  write: constants.O_RDWR,
  read: constants.O_RDONLY,
} as const;

/** The real disk. */
export const realDisk: Disk = {
  async open(path, mode) {
    const handle = await open(path, flagsOf[mode], 0o644);
    return {
      async write(bytes, position) {
        let done = 0;
        while (done < bytes.length) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
          done += bytesWritten;
        }
      },
      async read(target, position) {
        let done = 0;
        while (done < target.length) {
          const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return done;
      },
      truncate: (length) => handle.truncate(length),
      sync: () => handle.datasync(),
      size: async () => (await handle.stat()).size,
      close: () => handle.close(),
    };
  },
  async list(directory) {
    try {
      return (await readdir(directory)).sort();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  },
  async makeDirectory(directory) {
    const first = await mkdir(directory, { recursive: true });
    if (first === undefined) return;
    // Every folder that was made is an entry of the one above it.
    for (let made = directory; made.length >= first.length; made = dirname(made))
      await realDisk.syncDirectory(dirname(made));
  },
  async rename(from, to) {
    await rename(from, to);
    await realDisk.syncDirectory(dirname(to));
  },
  async remove(path) {
    try {
      await unlink(path);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  },
  removeTree: (directory) => rm(directory, { recursive: true, force: true }),
  async syncDirectory(directory) {
    const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};
