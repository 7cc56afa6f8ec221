/**
 * A bucket in S3, or in anything that speaks its protocol.
 * Owns retries (the SDK makes one attempt, so that a lost reply is seen here), the time an attempt may take, multipart uploads
 * and what each error means. Surprising: a put that failed may have been done. Conditional puts carry a mark of their own,
 * so that a retry which finds the condition broken can tell its own object from another's.
 */
import { createHash, randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Failure } from '../errors/failure.ts';
import { compareUtf8 } from '../model/labels.ts';
import { ByteSink } from '../std/byte-sink.ts';
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

export interface S3Options {
  readonly bucket: string;
  /** Keys begin with it; it ends with `/` unless it is empty. */
  readonly prefix: string;
  /** Empty for Amazon's own. */
  readonly endpoint: string;
  readonly region: string;
  readonly forcePathStyle: boolean;
  /** Absent: the usual chain of environment, files, container and instance. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly encryption: 'none' | 's3' | 'kms';
  /** Only with `kms`; empty is the account's own. */
  readonly kmsKeyId: string;
  readonly attemptsMax: number;
  /** An attempt that has not ended by then is given up; bodies get more (see bodyBytesPerMs). */
  readonly timeoutMs: number;
  readonly connectionsMax: number;
  /** Bodies of files over this go in parts. */
  readonly partBytes?: number;
  readonly random?: () => number;
  /** Told of each attempt that is repeated. */
  readonly onRetry?: (operation: string, reason: string) => void;
}

const partBytesDefault = 16 * 1024 * 1024;
/** Of S3. */
const partsMax = 10_000;
/** Parts in memory at once, for each put. */
const partsAtOnceMax = 3;
const backoffFirstMs = 50;
const backoffMaxMs = 5_000;
/** An attempt may take so much longer for its body: 1 MB/s. */
const bodyBytesPerMs = 1_000;
const bodyMsMax = 3_600_000;
/** Metadata that tells a put apart from any other. */
const markName = 'maru-put';
const listPageMax = 1000;
/** Room at first for a body of unknown length. */
const firstBytes = 64 << 10;

/** What an attempt came to, when it did not come to an answer. */
interface Verdict {
  readonly failure: Failure;
  readonly worthRetrying: boolean;
  /** Whether the store may have done it all the same. */
  readonly mayBeDone: boolean;
}

/** Who may use a connection now, in the order in which they came: to wait for one takes nothing of the time that an attempt has. */
class Connections {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      this.#waiting.delete(resolve);
      reject(signal.reason);
    };
    this.#waiting.add(resolve);
    signal.addEventListener('abort', leave, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', leave));
  }

  give(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

export class S3Bucket implements Bucket {
  readonly name: string;
  readonly #client: S3Client;
  readonly #connections: Connections;
  readonly #options: S3Options;

  constructor(options: S3Options) {
    this.#options = options;
    this.#connections = new Connections(options.connectionsMax);
    this.name = `s3://${options.bucket}/${options.prefix}`.replace(/\/$/, '');
    const config: S3ClientConfig = {
      region: options.region,
      forcePathStyle: options.forcePathStyle,
      maxAttempts: 1,
      // Trailing checksums are unknown to many stores; bodies carry Content-MD5, which all know.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        // Of a connection that has gone quiet, also in the middle of a body.
        socketTimeout: options.timeoutMs,
        connectionTimeout: Math.min(options.timeoutMs, 5_000),
        httpAgent: { keepAlive: true, maxSockets: options.connectionsMax },
        httpsAgent: { keepAlive: true, maxSockets: options.connectionsMax },
        // As many as the queue of the rooms allows may wait; a warning per process helps nobody.
        socketAcquisitionWarningTimeout: 60_000,
      },
      ...(options.endpoint === '' ? {} : { endpoint: options.endpoint }),
      ...(options.credentials === undefined ? {} : { credentials: { ...options.credentials } }),
    };
    this.#client = new S3Client(config);
  }

  get(key: string, { bytesMax, signal }: { bytesMax: number; signal: AbortSignal }): Promise<BucketObject> {
    return this.#retried('get', key, signal, bytesMax, async (attempt) => {
      const answer = await this.#client.send(new GetObjectCommand(this.#at(key)), { abortSignal: attempt });
      const declared = answer.ContentLength;
      if (declared !== undefined && declared > bytesMax) {
        discard(answer);
        throw new Failure('too_large', `${key} has ${declared} bytes, more than ${bytesMax}`);
      }
      const bytes = await readBody(answer, key, bytesMax, attempt);
      return { bytes, version: answer.ETag ?? '' };
    });
  }

  async getRange(key: string, begin: number, end: number, signal: AbortSignal): Promise<Uint8Array> {
    checkObjectKey(key);
    // HTTP has no empty range.
    if (begin === end) return this.stat(key, signal).then((info) => noBytesOf(key, info, end));
    return this.#retried('get_range', key, signal, end - begin, async (attempt) => {
      const command = new GetObjectCommand({ ...this.#at(key), Range: `bytes=${begin}-${end - 1}` });
      const answer = await this.#client.send(command, { abortSignal: attempt });
      const range = /^bytes (\d+)-(\d+)\//.exec(answer.ContentRange ?? '');
      if (range === null || Number(range[1]) !== begin) {
        discard(answer);
        throw new Failure(
          'unavailable',
          `${this.name} answered ${answer.ContentRange ?? 'no range'} for ${begin}-${end - 1} of ${key}`,
        );
      }
      if (Number(range[2]) !== end - 1) {
        discard(answer);
        throw new Failure('bad_data', `${key} ends before byte ${end}`);
      }
      const bytes = await readBody(answer, key, end - begin, attempt);
      if (bytes.length !== end - begin) throw new TruncatedBody(`${bytes.length} of ${end - begin} bytes came`);
      return bytes;
    });
  }

  async stat(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return (await this.#head(key, signal))?.info;
  }

  async put(
    key: string,
    body: Uint8Array | FileBody,
    { condition, signal }: PutOptions,
  ): Promise<{ readonly version: string }> {
    checkObjectKey(key);
    if (body instanceof Uint8Array) return this.#putWhole(key, body, condition, signal);
    const file = await open(body.path, 'r');
    try {
      const { size } = await file.stat();
      if (size !== body.bytes) throw new Failure('internal', `${body.path} has ${size} bytes, not ${body.bytes}`);
      const read = async (begin: number, end: number): Promise<Uint8Array> => {
        const bytes = new Uint8Array(end - begin);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, begin);
        if (bytesRead !== bytes.length) throw new Failure('internal', `${body.path} shrank while it was read`);
        return bytes;
      };
      const partBytes = Math.max(this.#options.partBytes ?? partBytesDefault, Math.ceil(size / partsMax));
      if (size <= partBytes) return await this.#putWhole(key, await read(0, size), condition, signal);
      return await this.#putInParts(key, size, partBytes, read, condition, signal);
    } finally {
      await file.close();
    }
  }

  async *list(
    prefix: string,
    { delimiter, signal }: { delimiter: boolean; signal: AbortSignal },
  ): AsyncGenerator<ListEntry> {
    checkKeyPrefix(prefix);
    let token: string | undefined;
    do {
      const page = await this.#retried('list', `${prefix}*`, signal, 0, (attempt) =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#options.bucket,
            Prefix: this.#options.prefix + prefix,
            MaxKeys: listPageMax,
            // XML has no control characters; foreign keys may.
            EncodingType: 'url',
            ...(delimiter ? { Delimiter: '/' } : {}),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          { abortSignal: attempt },
        ),
      );
      const encoded = page.EncodingType === 'url';
      const own = (text: string | undefined): string => this.#ownKey(encoded ? urlDecoded(text ?? '') : (text ?? ''));
      const entries: ListEntry[] = [];
      for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
        const modifiedMs = LastModified?.getTime() ?? 0;
        entries.push({ kind: 'object', key: own(Key), bytes: Size ?? 0, version: ETag ?? '', modifiedMs });
      }
      for (const { Prefix } of page.CommonPrefixes ?? []) entries.push({ kind: 'prefix', prefix: own(Prefix) });
      entries.sort((a, b) => compareUtf8(sortKey(a), sortKey(b)));
      yield* entries;
      const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      if (page.IsTruncated === true && (next === undefined || next === '' || next === token)) {
        throw new Failure('unavailable', `${this.name}: the listing of ${prefix}* broke off`);
      }
      token = next;
    } while (token !== undefined);
  }

  filePath(): undefined {
    return undefined;
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    checkDeletedKey(key);
    const at = { Bucket: this.#options.bucket, Key: this.#options.prefix + key };
    await this.#retried('delete', key, signal, 0, async (attempt) => {
      try {
        await this.#client.send(new DeleteObjectCommand(at), { abortSignal: attempt });
      } catch (error) {
        // Some stores say that it is not there; that is what was wanted.
        if (statusOf(error) !== 404 || nameOf(error) === 'NoSuchBucket') throw error;
      }
    });
  }

  /** Closes idle connections. */
  close(): void {
    this.#client.destroy();
  }

  #at(key: string): { Bucket: string; Key: string } {
    checkObjectKey(key);
    return { Bucket: this.#options.bucket, Key: this.#options.prefix + key };
  }

  #ownKey(key: string): string {
    if (!key.startsWith(this.#options.prefix)) {
      throw new Failure('unavailable', `${this.name}: a listing has ${JSON.stringify(key)}, which was not asked for`);
    }
    return key.slice(this.#options.prefix.length);
  }

  #encryption(): { ServerSideEncryption?: 'AES256' | 'aws:kms'; SSEKMSKeyId?: string } {
    const { encryption, kmsKeyId } = this.#options;
    if (encryption === 'none') return {};
    if (encryption === 's3') return { ServerSideEncryption: 'AES256' };
    return { ServerSideEncryption: 'aws:kms', ...(kmsKeyId === '' ? {} : { SSEKMSKeyId: kmsKeyId }) };
  }

  async #head(key: string, signal: AbortSignal): Promise<{ info: ObjectInfo; mark: string | undefined } | undefined> {
    return this.#retried('stat', key, signal, 0, async (attempt) => {
      try {
        const answer = await this.#client.send(new HeadObjectCommand(this.#at(key)), { abortSignal: attempt });
        const info = {
          key,
          bytes: answer.ContentLength ?? 0,
          version: answer.ETag ?? '',
          modifiedMs: answer.LastModified?.getTime() ?? 0,
        };
        return { info, mark: answer.Metadata?.[markName] };
      } catch (error) {
        if (statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket') return undefined;
        throw error;
      }
    });
  }

  async #putWhole(
    key: string,
    body: Uint8Array,
    condition: PutOptions['condition'],
    signal: AbortSignal,
  ): Promise<{ version: string }> {
    const mark = randomUUID();
    let conditions = conditionHeaders(condition);
    const send = async (attempt: AbortSignal): Promise<{ version: string }> => {
      const command = new PutObjectCommand({
        ...this.#at(key),
        Body: body,
        ContentLength: body.length,
        ContentMD5: createHash('md5').update(body).digest('base64'),
        Metadata: { [markName]: mark },
        ...this.#encryption(),
        ...conditions,
      });
      return { version: (await this.#client.send(command, { abortSignal: attempt })).ETag ?? '' };
    };
    const put = () =>
      this.#retried('put', key, signal, body.length, send, async () => {
        const standing = await this.#head(key, signal);
        return standing?.mark === mark ? { version: standing.info.version } : undefined;
      });
    try {
      return await put();
    } catch (error) {
      // If-Match where nothing is: S3 says that there is no such key.
      if (condition !== undefined && error instanceof Failure && error.kind === 'not_found') {
        throw new Failure('precondition_failed', `another version of ${key} is there, or none`, { cause: error });
      }
      if (condition === undefined || !(error instanceof ConditionsUnknown)) throw error;
      // A store without conditional writes: look, write, read back. Two writers at once may both have looked.
      const standing = await this.#head(key, signal);
      const holds = condition === 'absent' ? standing === undefined : standing?.info.version === condition.version;
      if (!holds) throw new Failure('precondition_failed', `${key} is there, or another version of it`);
      conditions = {};
      const done = await put();
      if ((await this.#head(key, signal))?.mark !== mark) {
        throw new Failure('precondition_failed', `another wrote ${key} at the same time`);
      }
      return done;
    }
  }

  async #putInParts(
    key: string,
    size: number,
    partBytes: number,
    read: (begin: number, end: number) => Promise<Uint8Array>,
    condition: PutOptions['condition'],
    signal: AbortSignal,
  ): Promise<{ version: string }> {
    const mark = randomUUID();
    const { UploadId } = await this.#retried('create_upload', key, signal, 0, (attempt) =>
      this.#client.send(
        new CreateMultipartUploadCommand({ ...this.#at(key), Metadata: { [markName]: mark }, ...this.#encryption() }),
        { abortSignal: attempt },
      ),
    );
    const upload = { ...this.#at(key), UploadId };
    try {
      const parts: CompletedPart[] = [];
      const count = Math.ceil(size / partBytes);
      const stop = new AbortController();
      const stopped = AbortSignal.any([signal, stop.signal]);
      let next = 0;
      const sendParts = async (): Promise<void> => {
        for (let part = next++; part < count; part = next++) {
          const body = await read(part * partBytes, Math.min(size, (part + 1) * partBytes));
          const ContentMD5 = createHash('md5').update(body).digest('base64');
          const PartNumber = part + 1;
          const { ETag } = await this.#retried('put_part', key, stopped, body.length, (attempt) =>
            this.#client.send(
              new UploadPartCommand({ ...upload, PartNumber, Body: body, ContentLength: body.length, ContentMD5 }),
              { abortSignal: attempt },
            ),
          );
          parts[part] = { PartNumber, ETag };
        }
      };
      try {
        await Promise.all(Array.from({ length: Math.min(partsAtOnceMax, count) }, sendParts));
      } catch (error) {
        stop.abort();
        throw error;
      }
      const complete = async (attempt: AbortSignal): Promise<{ version: string }> => {
        const command = new CompleteMultipartUploadCommand({
          ...upload,
          MultipartUpload: { Parts: parts },
          ...conditionHeaders(condition),
        });
        return { version: (await this.#client.send(command, { abortSignal: attempt })).ETag ?? '' };
      };
      return await this.#retried('complete_upload', key, signal, size, complete, async () => {
        const standing = await this.#head(key, signal);
        return standing?.mark === mark ? { version: standing.info.version } : undefined;
      });
    } catch (error) {
      // Parts of an upload that never ends cost money; what cannot be aborted, the store's own rule clears.
      await this.#client
        .send(new AbortMultipartUploadCommand(upload), { abortSignal: AbortSignal.timeout(this.#options.timeoutMs) })
        .catch(() => undefined);
      throw error;
    }
  }

  /**
   * Makes attempts until one is answered, the last one failed, or trying again would not help.
   * @param bodyBytes gives an attempt more time
   * @param wasDone asked before a failure is told, if an earlier attempt may have been done: its answer, if it was
   */
  async #retried<T>(
    operation: string,
    key: string,
    signal: AbortSignal,
    bodyBytes: number,
    send: (attempt: AbortSignal) => Promise<T>,
    wasDone?: () => Promise<T | undefined>,
  ): Promise<T> {
    const { attemptsMax, timeoutMs, random = Math.random } = this.#options;
    let mayBeDone = false;
    for (let attempt = 1; ; attempt++) {
      await this.#connections.take(signal);
      const timeout = AbortSignal.timeout(timeoutMs + Math.min(Math.ceil(bodyBytes / bodyBytesPerMs), bodyMsMax));
      try {
        return await this.#withConnection(() => send(AbortSignal.any([signal, timeout])));
      } catch (error) {
        signal.throwIfAborted();
        const verdict = judge(error, `${this.name}: ${operation} ${key}`, timeout.aborted);
        const isLast = !verdict.worthRetrying || attempt >= attemptsMax;
        mayBeDone ||= verdict.mayBeDone;
        if (isLast && mayBeDone && wasDone !== undefined) {
          const done = await wasDone().catch(() => undefined);
          if (done !== undefined) return done;
        }
        if (isLast) throw verdict.failure;
        this.#options.onRetry?.(operation, verdict.failure.message);
        const ceiling = Math.min(backoffMaxMs, backoffFirstMs * 2 ** attempt);
        await pause(ceiling / 2 + (random() * ceiling) / 2, signal);
      }
    }
  }

  /** Gives the connection that was taken back when `send` is over. */
  async #withConnection<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } finally {
      this.#connections.give();
    }
  }
}

/** The body ended early: the same request may succeed. */
class TruncatedBody extends Error {
  override readonly name = 'TruncatedBody';
}

/** The store does not know conditional writes. */
class ConditionsUnknown extends Failure {}

function conditionHeaders(condition: PutOptions['condition']): { IfNoneMatch?: string; IfMatch?: string } {
  if (condition === undefined) return {};
  return condition === 'absent' ? { IfNoneMatch: '*' } : { IfMatch: condition.version };
}

async function readBody(
  answer: GetObjectCommandOutput,
  key: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const declared = answer.ContentLength;
  // Each piece goes to its place as it comes: at the end nothing is left to be done.
  const bytes = new ByteSink(Math.min(declared ?? firstBytes, bytesMax));
  const stop = (): void => discard(answer);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const piece of (answer.Body ?? []) as AsyncIterable<Uint8Array>) {
      if (bytes.length + piece.length > bytesMax)
        throw new Failure('too_large', `${key} has more than ${bytesMax} bytes`);
      bytes.writeBytes(piece, 0, piece.length);
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
  const { length } = bytes;
  if (declared !== undefined && declared !== length) throw new TruncatedBody(`${length} of ${declared} bytes came`);
  return length === bytes.bytes.length ? bytes.bytes : bytes.bytes.slice(0, length);
}

/** Lets go of a body that is not read, and of its connection. */
function discard(answer: GetObjectCommandOutput): void {
  const body: unknown = answer.Body;
  if (typeof body === 'object' && body !== null && 'destroy' in body && typeof body.destroy === 'function') {
    // Node's streams tell their error to whoever reads them; nobody does any more.
    if ('on' in body && typeof body.on === 'function') body.on('error', () => undefined);
    body.destroy();
  }
}

function noBytesOf(key: string, info: ObjectInfo | undefined, end: number): Uint8Array {
  if (info === undefined) throw new Failure('not_found', `there is no ${key}`);
  if (info.bytes < end) throw new Failure('bad_data', `${key} ends before byte ${end}`);
  return new Uint8Array(0);
}

const sortKey = (entry: ListEntry): string => (entry.kind === 'object' ? entry.key : entry.prefix);

/** A key that is no UTF-8 is nobody's of ours: it is listed as what can be said of it, and the others with it. */
function urlDecoded(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/(?:%[0-9a-f]{2})+/gi, (escaped) => Buffer.from(escaped.replaceAll('%', ''), 'hex').toString());
}

function fieldOf(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null ? (error as Readonly<Record<string, unknown>>)[name] : undefined;
}

function nameOf(error: unknown): string {
  const name = fieldOf(error, 'name');
  return typeof name === 'string' ? name : '';
}

function statusOf(error: unknown): number {
  const status = fieldOf(fieldOf(error, '$metadata'), 'httpStatusCode');
  return typeof status === 'number' ? status : 0;
}

/** Words of S3 for "later", whatever the status they come with. */
const laterNames = new Set([
  'SlowDown',
  'RequestTimeout',
  'InternalError',
  'ServiceUnavailable',
  'ThrottlingException',
  'Throttling',
  'OperationAborted',
  'ConditionalRequestConflict',
]);

function judge(error: unknown, what: string, timedOut: boolean): Verdict {
  if (error instanceof Failure)
    return { failure: error, worthRetrying: error.kind === 'unavailable', mayBeDone: false };
  const status = statusOf(error);
  const name = nameOf(error);
  const said = timedOut ? 'no answer in time' : `${name} ${fieldOf(error, 'message') ?? ''} ${status || ''}`.trim();
  const failure = (kind: Failure['kind']): Failure => new Failure(kind, `${what}: ${said}`, { cause: error });
  if (status === 404 && name !== 'NoSuchBucket' && name !== 'NoSuchUpload') {
    return { failure: failure('not_found'), worthRetrying: false, mayBeDone: false };
  }
  if (status === 412) return { failure: failure('precondition_failed'), worthRetrying: false, mayBeDone: false };
  if (status === 416) return { failure: failure('bad_data'), worthRetrying: false, mayBeDone: false };
  if (status === 501) {
    const unknown = new ConditionsUnknown('internal', `${what}: ${said}`, { cause: error });
    return { failure: unknown, worthRetrying: false, mayBeDone: false };
  }
  if (status === 403 && name === 'AccessDenied') {
    const denied = new ObjectDenied(`${what}: ${said}`, { cause: error });
    return { failure: denied, worthRetrying: false, mayBeDone: false };
  }
  if (status >= 300 && status < 500 && status !== 429 && !laterNames.has(name)) {
    // Access denied, no bucket, a wrong clock: the operator mends it, and then the same request succeeds.
    return { failure: failure('unavailable'), worthRetrying: false, mayBeDone: name === 'NoSuchUpload' };
  }
  return { failure: failure('unavailable'), worthRetrying: true, mayBeDone: true };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
