/**
 * A bucket in a folder: an object is a file, a key its path. The default of a process that runs alone.
 * Owns atomicity (written beside, synced, then linked or renamed into place, folders synced too) and the one name no key may
 * begin with, where files are while they are written: at the top, and in the folder of a tenant that lies on another disk. A version is what tells two files of one name apart: inode, time, size.
 * A conditional put holds a lock file meanwhile, so that processes which share a folder do not both win. Before it says that something
 * is absent, and before it writes, it looks whether this is the folder that it knows (folder-identity.ts), and whether a tenant's link leads anywhere.
 */

import { createHash, randomUUID } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { copyFile, type FileHandle, link, lstat, open, readdir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Failure } from '../errors/failure.ts';
import { compareUtf8 } from '../model/labels.ts';
import { errorCode, realDisk } from '../std/disk.ts';
import {
  type Bucket,
  type BucketObject,
  checkDeletedKey,
  checkKeyPrefix,
  checkObjectKey,
  type FileBody,
  type ListEntry,
  ObjectDenied,
  type ObjectInfo,
  type PutOptions,
} from './bucket.ts';
import { FolderIdentity } from './folder-identity.ts';
import { whileLocked } from './folder-lock.ts';

/** No tenant can be called so: the tilde is not one of their characters. */
const stagingFolder = '~staging';
const identityName = 'identity';
/** A folder may vanish between its making and the rename into it, when its last object is deleted. */
const placeAttemptsMax = 10;
/** No put takes so long: a file this old in the staging folder is nobody's. */
const abandonedMs = 24 * 3_600_000;

export class FilesystemBucket implements Bucket {
  readonly name: string;
  /** Whether it is the folder that was there before; undefined where nobody remembers. */
  readonly identity: FolderIdentity | undefined;
  readonly #root: string;
  /** By staging folder. */
  readonly #swept = new Map<string, Promise<void>>();

  /**
   * @param directory an absolute path; made with the first object
   * @param rememberedPath a file that remembers which folder it is
   */
  constructor(directory: string, rememberedPath?: string) {
    this.#root = directory;
    this.name = pathToFileURL(directory).href;
    if (rememberedPath === undefined) return;
    this.identity = new FolderIdentity(directory, join(directory, stagingFolder, identityName), rememberedPath);
  }

  get(key: string, { bytesMax, signal }: { bytesMax: number; signal: AbortSignal }): Promise<BucketObject> {
    return this.#withFile(key, signal, async (file, stats) => {
      if (stats.size > bytesMax)
        throw new Failure('too_large', `${key} has ${stats.size} bytes, more than ${bytesMax}`);
      return { bytes: await readExactly(file, key, 0, Number(stats.size)), version: versionOf(stats) };
    });
  }

  getRange(key: string, begin: number, end: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#withFile(key, signal, (file, stats) => {
      // Before memory is taken: the end may be what a corrupt index said.
      if (stats.size < end) throw new Failure('bad_data', `${key} has ${stats.size} bytes, fewer than ${end}`);
      return readExactly(file, key, begin, end);
    });
  }

  async stat(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    signal.throwIfAborted();
    try {
      return infoOf(key, await stat(this.#path(key), { bigint: true }));
    } catch (error) {
      if (!isAbsent(error)) throw failureOf(error, key);
      await this.#checkThere(key);
      return undefined;
    }
  }

  async put(
    key: string,
    body: Uint8Array | FileBody,
    { condition, signal }: PutOptions,
  ): Promise<{ readonly version: string }> {
    signal.throwIfAborted();
    const path = this.#path(key);
    let staged: string | undefined;
    try {
      await this.identity?.establish();
      await this.#checkLink(key);
      const staging = await this.#stagingOf(key);
      const swept = this.#swept.get(staging) ?? sweep(staging);
      this.#swept.set(staging, swept);
      await swept;
      staged = join(staging, randomUUID());
      await writeStaged(staged, body);
      signal.throwIfAborted();
      await this.#place(staged, path, key, condition, signal);
      return { version: versionOf(await lstat(path, { bigint: true })) };
    } catch (error) {
      if (staged !== undefined) await rm(staged, { force: true });
      throw failureOf(error, key);
    }
  }

  /** A folder for files under way, on the disk of their key: a tenant may lie on another one, and nothing is moved from disk to disk at once. */
  async #stagingOf(key: string): Promise<string> {
    const staging = join(this.#root, stagingFolder);
    await realDisk.makeDirectory(staging);
    const tenant = join(this.#root, key.slice(0, Math.max(0, key.indexOf('/'))));
    const there = await stat(tenant).catch(() => undefined);
    if (there?.isDirectory() !== true || there.dev === (await stat(staging)).dev) return staging;
    const elsewhere = join(tenant, stagingFolder);
    await realDisk.makeDirectory(elsewhere);
    return elsewhere;
  }

  async *list(
    prefix: string,
    { delimiter, signal }: { delimiter: boolean; signal: AbortSignal },
  ): AsyncGenerator<ListEntry> {
    checkKeyPrefix(prefix);
    const slash = prefix.lastIndexOf('/');
    yield* this.#listFolder(prefix.slice(0, slash + 1), prefix.slice(slash + 1), delimiter, signal);
    await this.#checkThere(prefix);
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    checkDeletedKey(key);
    // No file is called so.
    if (key.endsWith('/')) return;
    const path = this.#path(key);
    try {
      await unlink(path);
    } catch (error) {
      if (!isAbsent(error)) throw failureOf(error, key);
      await this.#checkThere(key);
      return;
    }
    try {
      await realDisk.syncDirectory(dirname(path));
      for (let folder = dirname(path); folder.length > this.#root.length; folder = dirname(folder)) {
        await rmdir(folder);
        await realDisk.syncDirectory(dirname(folder));
      }
    } catch {
      // A folder that is not empty, or gone by another's hand: the object is deleted either way.
    }
  }

  filePath(key: string): string {
    return this.#path(key);
  }

  /** Before it is said that something is not there. @throws Failure `unavailable` where that cannot be known */
  async #checkThere(key: string): Promise<void> {
    await this.identity?.check();
    await this.#checkLink(key);
  }

  /** A tenant that is a link which leads nowhere is away, and not without objects. @throws Failure `unavailable` */
  async #checkLink(key: string): Promise<void> {
    const slash = key.indexOf('/');
    if (slash < 0) return;
    const name = key.slice(0, slash);
    const link = await lstat(join(this.#root, name)).catch(() => undefined);
    if (link?.isSymbolicLink() !== true || (await this.#isFolder(name))) return;
    throw new Failure('unavailable', `${join(this.#root, name)} is a link that leads to no folder: is its disk there?`);
  }

  #path(key: string): string {
    checkObjectKey(key);
    const names = key.split('/');
    if (names[0] === stagingFolder || names[1] === stagingFolder) {
      throw new Failure('bad_data', `no key begins with ${stagingFolder}, nor that of an object of a tenant`);
    }
    return join(this.#root, ...names);
  }

  async #withFile<T>(
    key: string,
    signal: AbortSignal,
    read: (file: FileHandle, stats: BigIntStats) => T | Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    let file: FileHandle | undefined;
    try {
      file = await open(this.#path(key), constants.O_RDONLY);
      const stats = await file.stat({ bigint: true });
      if (!stats.isFile()) throw new Failure('not_found', `there is no ${key}`);
      const result = await read(file, stats);
      signal.throwIfAborted();
      return result;
    } catch (error) {
      const failure = failureOf(error, key);
      if (failure instanceof Failure && failure.kind === 'not_found') await this.#checkThere(key);
      throw failure;
    } finally {
      await file?.close();
    }
  }

  /** Moves a written and synced file to where its key says, if the condition holds. */
  async #place(
    staged: string,
    path: string,
    key: string,
    condition: PutOptions['condition'],
    signal: AbortSignal,
  ): Promise<void> {
    if (typeof condition === 'object') {
      const lock = join(this.#root, stagingFolder, `lock-${createHash('sha256').update(key).digest('hex')}`);
      await whileLocked(lock, signal, async (isMine) => {
        const standing = await stat(path, { bigint: true }).catch(() => undefined);
        if (standing === undefined || versionOf(standing) !== condition.version) {
          throw new Failure('precondition_failed', `another version of ${key} is there`);
        }
        if (!(await isMine())) throw new Failure('unavailable', `the lock of ${key} was held too long`);
        await realDisk.rename(staged, path);
      });
      return;
    }
    for (let attempt = 1; ; attempt++) {
      await realDisk.makeDirectory(dirname(path));
      try {
        if (condition === 'absent') {
          await link(staged, path);
          await unlink(staged);
          await realDisk.syncDirectory(dirname(path));
        } else {
          await realDisk.rename(staged, path);
        }
        return;
      } catch (error) {
        const code = errorCode(error);
        if (code === 'EEXIST') throw new Failure('precondition_failed', `${key} is there already`);
        if (code !== 'ENOENT' || attempt === placeAttemptsMax) throw error;
      }
    }
  }

  async *#listFolder(
    folder: string,
    begin: string,
    delimiter: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<ListEntry> {
    signal.throwIfAborted();
    const names: { name: string; isFolder: boolean }[] = [];
    const isShallow = folder.indexOf('/') === folder.lastIndexOf('/');
    try {
      for (const entry of await readdir(join(this.#root, folder), { withFileTypes: true })) {
        if (!entry.name.startsWith(begin) || (isShallow && entry.name === stagingFolder)) continue;
        // A tenant may lie on another disk. Links below are not followed: they might lead back.
        const isFolder =
          entry.isDirectory() || (folder === '' && entry.isSymbolicLink() && (await this.#isFolder(entry.name)));
        // A folder stands where the keys below it do: behind its slash.
        names.push({ name: isFolder ? `${entry.name}/` : entry.name, isFolder });
      }
    } catch (error) {
      if (isAbsent(error)) return;
      throw failureOf(error, folder);
    }
    names.sort((a, b) => compareUtf8(a.name, b.name));
    for (const { name, isFolder } of names) {
      const key = folder + name;
      if (isFolder && !delimiter) {
        yield* this.#listFolder(key, '', false, signal);
      } else if (isFolder) {
        if (await this.#hasObject(key, signal)) yield { kind: 'prefix', prefix: key };
      } else {
        const info = await stat(join(this.#root, key), { bigint: true })
          .then((stats) => infoOf(key, stats))
          .catch((error: unknown) => {
            if (isAbsent(error)) return undefined; // deleted meanwhile
            throw failureOf(error, key);
          });
        if (info !== undefined) yield { kind: 'object', ...info };
      }
    }
  }

  /** Where a link leads; one that leads nowhere is no folder. */
  async #isFolder(name: string): Promise<boolean> {
    return (await stat(join(this.#root, name)).catch(() => undefined))?.isDirectory() === true;
  }

  /** A folder without a file in it is no prefix: a store without folders would not know it either. */
  async #hasObject(folder: string, signal: AbortSignal): Promise<boolean> {
    for await (const _ of this.#listFolder(folder, '', false, signal)) return true;
    return false;
  }
}

/** Deletes what processes that died left half-written. */
async function sweep(staging: string): Promise<void> {
  for (const name of await realDisk.list(staging)) {
    if (name === identityName) continue;
    const path = join(staging, name);
    const left = await stat(path).catch(() => undefined);
    if (left !== undefined && Date.now() - left.mtimeMs > abandonedMs) await rm(path, { force: true });
  }
}

async function writeStaged(path: string, body: Uint8Array | FileBody): Promise<void> {
  if (!(body instanceof Uint8Array))
    await copyFile(body.path, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const file = await open(path, body instanceof Uint8Array ? 'wx' : 'r+');
  try {
    if (body instanceof Uint8Array) await file.writeFile(body);
    const { size } = await file.stat();
    const wanted = body instanceof Uint8Array ? body.length : body.bytes;
    if (size !== wanted) throw new Failure('internal', `the body has ${size} bytes, not ${wanted}`);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readExactly(file: FileHandle, key: string, begin: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - begin);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, begin + done);
    if (bytesRead === 0) throw new Failure('bad_data', `${key} ended before byte ${end}`);
    done += bytesRead;
  }
  return bytes;
}

function versionOf(stats: BigIntStats): string {
  return `${stats.ino.toString(36)}-${stats.mtimeNs.toString(36)}-${stats.size.toString(36)}`;
}

function infoOf(key: string, stats: BigIntStats): ObjectInfo | undefined {
  if (!stats.isFile()) return undefined;
  // Of a copy that keeps the time of its source the other one says when it came here.
  return { key, bytes: Number(stats.size), version: versionOf(stats), modifiedMs: Number(stats.ctimeMs) };
}

/** Whether an error says that nothing is there, or something that is no file. */
function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'EPERM';
}

function failureOf(error: unknown, key: string): unknown {
  const code = errorCode(error);
  if (typeof code !== 'string' || error instanceof Failure) return error;
  if (code === 'ENOENT' || code === 'ENOTDIR') return new Failure('not_found', `there is no ${key}`, { cause: error });
  if (code === 'EISDIR' || code === 'ENOTEMPTY' || code === 'EEXIST') {
    return new Failure('bad_data', `${key} is a prefix of other keys, so it cannot be a file as well`, {
      cause: error,
    });
  }
  if (code === 'ENAMETOOLONG') return new Failure('bad_data', `a part of ${key} is too long for a file name`);
  const text = `${key}: ${error instanceof Error ? error.message : code}`;
  if (code === 'EACCES') return new ObjectDenied(text, { cause: error });
  return new Failure('unavailable', text, { cause: error });
}
