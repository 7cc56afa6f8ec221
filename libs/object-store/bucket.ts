/**
 * The bucket: named byte strings, written whole, read whole or by range. The seam that a laptop's folder and a data
 * centre's S3 share; what the objects mean is libs/blocks' work.
 * Owns the promises every store keeps (bucket.cases.ts tries them on each) and which text is a key. Every call either does
 * what it says or throws: a short read, a listing that broke off or a lost reply is never an answer.
 */
import { Failure } from '../errors/failure.ts';

/** An object as a listing or a look at it tells. */
export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
  /** Changes with every put: the etag, or what a store has in its place. Only ever compared. */
  readonly version: string;
  /** When it came into the bucket as it is. */
  readonly modifiedMs: number;
}

export interface BucketObject {
  readonly bytes: Uint8Array;
  readonly version: string;
}

/** A body that lies on the local disk and need not fit into memory. It must not change meanwhile. */
export interface FileBody {
  readonly path: string;
  readonly bytes: number;
}

export type ListEntry =
  | ({ readonly kind: 'object' } & ObjectInfo)
  /** Stands for every key below it; ends with the delimiter. */
  | { readonly kind: 'prefix'; readonly prefix: string };

/** Write only if nothing is there, or only over this version. */
export type PutCondition = 'absent' | { readonly version: string };

export interface PutOptions {
  readonly condition?: PutCondition;
  readonly signal: AbortSignal;
}

export interface Bucket {
  /** For logs and errors: `file:///…`, `s3://name/prefix`, `memory://`. */
  readonly name: string;
  /** @throws Failure `not_found`; `unavailable`, which is worth retrying; `too_large` when it has more than bytesMax; ObjectDenied */
  get(key: string, options: { readonly bytesMax: number; readonly signal: AbortSignal }): Promise<BucketObject>;
  /** Bytes [begin, end), all of them. @throws Failure as `get`; `bad_data` when the object ends before `end` */
  getRange(key: string, begin: number, end: number, signal: AbortSignal): Promise<Uint8Array>;
  /** What is known of an object; undefined if there is none. */
  stat(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined>;
  /** Resolves when the object is durable. @throws Failure `precondition_failed` when the condition does not hold */
  put(key: string, body: Uint8Array | FileBody, options: PutOptions): Promise<{ readonly version: string }>;
  /** Everything below a prefix, by rising UTF-8 bytes. With `delimiter` the keys behind the next `/` are one prefix. */
  list(
    prefix: string,
    options: { readonly delimiter: boolean; readonly signal: AbortSignal },
  ): AsyncIterable<ListEntry>;
  /** No error if it is gone already. The key may end with a slash, as those of the empty objects do that consoles take for folders. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  /** The file or folder of this machine that an object of this key is, or all below it are; undefined where they are none. */
  filePath(key: string): string | undefined;
}

/** The store gives us this object not, and others perhaps: it may be somebody else's. */
export class ObjectDenied extends Failure {
  constructor(message: string, options?: ErrorOptions) {
    super('unavailable', message, options);
  }
}

/** As S3 has it. */
const keyBytesMax = 1024;
const encoder = new TextEncoder();

/**
 * Whether a text may be the key of an object of ours: segments between slashes, none of them empty, `.` or `..`, nothing
 * that a file system or a terminal takes for more than a name. Foreign objects may have other keys; they are never asked for.
 */
function isObjectKey(text: string): boolean {
  if (text === '' || encoder.encode(text).length > keyBytesMax) return false;
  if (/[\u0000-\u001f\u007f\\\ud800-\udfff]/u.test(text)) return false;
  return text.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..');
}

/** @throws Failure `bad_data` */
export function checkObjectKey(key: string): void {
  if (!isObjectKey(key)) throw new Failure('bad_data', `${JSON.stringify(key)} is not the key of an object`);
}

/** The same for what is to be deleted. @throws Failure `bad_data` */
export function checkDeletedKey(key: string): void {
  checkObjectKey(key.endsWith('/') ? key.slice(0, -1) : key);
}

/** The same for a prefix of keys: anything a key may begin with, also nothing at all. @throws Failure `bad_data` */
export function checkKeyPrefix(prefix: string): void {
  if (prefix !== '' && !isObjectKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)) {
    throw new Failure('bad_data', `${JSON.stringify(prefix)} is not a prefix of keys`);
  }
}
