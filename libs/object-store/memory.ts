/**
 * A bucket in memory: for tests, and the shortest statement of what a bucket is.
 * Owns copies: neither what was put nor what was got changes an object.
 */
import { readFile } from 'node:fs/promises';
import { Failure } from '../errors/failure.ts';
import { compareUtf8 } from '../model/labels.ts';
import {
  type Bucket,
  type BucketObject,
  checkDeletedKey,
  checkKeyPrefix,
  checkObjectKey,
  type FileBody,
  type ListEntry,
  type ObjectInfo,
  type PutOptions,
} from './bucket.ts';

interface Held {
  readonly bytes: Uint8Array;
  readonly version: string;
  readonly modifiedMs: number;
}

export class MemoryBucket implements Bucket {
  readonly name = 'memory://';
  readonly #objects = new Map<string, Held>();
  readonly #nowMs: () => number;
  #puts = 0;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  async get(key: string, { bytesMax, signal }: { bytesMax: number; signal: AbortSignal }): Promise<BucketObject> {
    const { bytes, version } = this.#held(key, signal);
    if (bytes.length > bytesMax)
      throw new Failure('too_large', `${key} has ${bytes.length} bytes, more than ${bytesMax}`);
    return { bytes: bytes.slice(), version };
  }

  async getRange(key: string, begin: number, end: number, signal: AbortSignal): Promise<Uint8Array> {
    const { bytes } = this.#held(key, signal);
    if (end > bytes.length) throw new Failure('bad_data', `${key} has ${bytes.length} bytes, fewer than ${end}`);
    return bytes.slice(begin, end);
  }

  async stat(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    signal.throwIfAborted();
    checkObjectKey(key);
    const held = this.#objects.get(key);
    return held === undefined ? undefined : infoOf(key, held);
  }

  async put(
    key: string,
    body: Uint8Array | FileBody,
    { condition, signal }: PutOptions,
  ): Promise<{ readonly version: string }> {
    checkObjectKey(key);
    const bytes = body instanceof Uint8Array ? body.slice() : new Uint8Array(await readFile(body.path));
    if (!(body instanceof Uint8Array) && bytes.length !== body.bytes) {
      throw new Failure('internal', `${body.path} has ${bytes.length} bytes, not ${body.bytes}`);
    }
    signal.throwIfAborted();
    const standing = this.#objects.get(key);
    if (condition === 'absent' && standing !== undefined) {
      throw new Failure('precondition_failed', `${key} is there already`);
    }
    if (typeof condition === 'object' && standing?.version !== condition.version) {
      throw new Failure('precondition_failed', `another version of ${key} is there`);
    }
    const version = String(++this.#puts);
    this.#objects.set(key, { bytes, version, modifiedMs: this.#nowMs() });
    return { version };
  }

  async *list(
    prefix: string,
    { delimiter, signal }: { delimiter: boolean; signal: AbortSignal },
  ): AsyncGenerator<ListEntry> {
    checkKeyPrefix(prefix);
    let last = '';
    for (const key of [...this.#objects.keys()].filter((one) => one.startsWith(prefix)).sort(compareUtf8)) {
      signal.throwIfAborted();
      const slash = delimiter ? key.indexOf('/', prefix.length) : -1;
      const held = this.#objects.get(key);
      if (slash >= 0) {
        const common = key.slice(0, slash + 1);
        if (common !== last) yield { kind: 'prefix', prefix: common };
        last = common;
      } else if (held !== undefined) {
        yield { kind: 'object', ...infoOf(key, held) };
      }
    }
  }

  filePath(): undefined {
    return undefined;
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    checkDeletedKey(key);
    this.#objects.delete(key);
  }

  #held(key: string, signal: AbortSignal): Held {
    signal.throwIfAborted();
    checkObjectKey(key);
    const held = this.#objects.get(key);
    if (held === undefined) throw new Failure('not_found', `there is no ${key}`);
    return held;
  }
}

function infoOf(key: string, { bytes, version, modifiedMs }: Held): ObjectInfo {
  return { key, bytes: bytes.length, version, modifiedMs };
}
