/**
 * From the configuration to a bucket that is counted.
 * Owns the choice, and what the process reports of its bucket. S3's client is loaded only where it is used: it takes longer
 * than everything else at a start.
 */
import { join, resolve } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { Failure } from '../errors/failure.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Bucket, ListEntry } from './bucket.ts';
import type { BucketConfig } from './config.ts';
import { FilesystemBucket } from './filesystem.ts';
import type { FolderIdentity } from './folder-identity.ts';

export interface OpenedBucket {
  readonly bucket: Bucket;
  /** Whether the folder of a bucket is the one that was there before; undefined where that cannot be asked. */
  readonly identity: FolderIdentity | undefined;
}

/**
 * @param rememberedPath where it is kept which folder the bucket is; undefined for whoever only looks
 * @throws ConfigError
 */
export async function openBucket(
  config: BucketConfig,
  dataDir: string,
  metrics: Metrics,
  rememberedPath: string | undefined,
): Promise<OpenedBucket> {
  const count = bucketCounts(metrics);
  if (config.backend === 'filesystem') {
    const { directory } = config.filesystem;
    const path = directory === '' ? join(dataDir, 'bucket') : resolve(directory);
    const folder = new FilesystemBucket(path, rememberedPath);
    return { bucket: new CountedBucket(folder, count), identity: folder.identity };
  }
  const { s3 } = config;
  if (s3.bucketName === '') throw new ConfigError('key bucket.s3.bucket-name: a name is wanted with bucket.backend=s3');
  if ((s3.accessKeyId === '') !== (s3.secretAccessKey === '')) {
    throw new ConfigError('keys bucket.s3.access-key-id and bucket.s3.secret-access-key: give both or neither');
  }
  if (s3.endpoint !== '' && !/^https?:\/\//.test(s3.endpoint)) {
    throw new ConfigError(`key bucket.s3.endpoint: ${JSON.stringify(s3.endpoint)} is no URL with http:// or https://`);
  }
  const { S3Bucket } = await import('./s3.ts');
  const bucket = new S3Bucket({
    bucket: s3.bucketName,
    prefix: s3.prefix === '' ? '' : `${s3.prefix.replace(/^\/+|\/+$/g, '')}/`,
    endpoint: s3.endpoint,
    region: s3.region,
    forcePathStyle: s3.pathStyle === 'auto' ? s3.endpoint !== '' : s3.pathStyle === 'true',
    ...(s3.accessKeyId === ''
      ? {}
      : { credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey } }),
    encryption: s3.encryption,
    kmsKeyId: s3.kmsKeyId,
    attemptsMax: s3.maxAttempts,
    timeoutMs: s3.timeout,
    connectionsMax: s3.maxConnections,
    onRetry: (operation) => count.retries.inc({ operation }),
  });
  return { bucket: new CountedBucket(bucket, count), identity: undefined };
}

type BucketCounts = ReturnType<typeof bucketCounts>;

function bucketCounts(metrics: Metrics) {
  return {
    operations: metrics.counter('maru_bucket_operations_total', 'Operations on the bucket.', ['operation']),
    failures: metrics.counter('maru_bucket_operation_failures_total', 'Operations that failed for good.', [
      'operation',
      'kind',
    ]),
    retries: metrics.counter('maru_bucket_operation_retries_total', 'Attempts that were made again.', ['operation']),
    bytesRead: metrics.counter('maru_bucket_read_bytes_total', 'Bytes read from the bucket.', []),
    bytesWritten: metrics.counter('maru_bucket_written_bytes_total', 'Bytes written to the bucket.', []),
    seconds: metrics.seconds('maru_bucket_operation_seconds', 'How long operations take, retries included.', [
      'operation',
    ]),
  };
}

class CountedBucket implements Bucket {
  readonly name: string;
  readonly #bucket: Bucket;
  readonly #count: BucketCounts;

  constructor(bucket: Bucket, count: BucketCounts) {
    this.name = bucket.name;
    this.#bucket = bucket;
    this.#count = count;
  }

  async get(...args: Parameters<Bucket['get']>): ReturnType<Bucket['get']> {
    const object = await this.#counted('get', () => this.#bucket.get(...args));
    this.#count.bytesRead.inc(object.bytes.length);
    return object;
  }

  async getRange(...args: Parameters<Bucket['getRange']>): Promise<Uint8Array> {
    const bytes = await this.#counted('get_range', () => this.#bucket.getRange(...args));
    this.#count.bytesRead.inc(bytes.length);
    return bytes;
  }

  stat(...args: Parameters<Bucket['stat']>): ReturnType<Bucket['stat']> {
    return this.#counted('stat', () => this.#bucket.stat(...args));
  }

  async put(...args: Parameters<Bucket['put']>): ReturnType<Bucket['put']> {
    const done = await this.#counted('put', () => this.#bucket.put(...args));
    this.#count.bytesWritten.inc(args[1] instanceof Uint8Array ? args[1].length : args[1].bytes);
    return done;
  }

  async *list(...args: Parameters<Bucket['list']>): AsyncGenerator<ListEntry> {
    this.#count.operations.inc({ operation: 'list' });
    try {
      yield* this.#bucket.list(...args);
    } catch (error) {
      this.#failed('list', error);
      throw error;
    }
  }

  delete(...args: Parameters<Bucket['delete']>): Promise<void> {
    return this.#counted('delete', () => this.#bucket.delete(...args));
  }

  filePath(key: string): string | undefined {
    return this.#bucket.filePath(key);
  }

  async #counted<T>(operation: string, run: () => Promise<T>): Promise<T> {
    this.#count.operations.inc({ operation });
    const end = this.#count.seconds.startTimer({ operation });
    try {
      return await run();
    } catch (error) {
      this.#failed(operation, error);
      throw error;
    } finally {
      end();
    }
  }

  #failed(operation: string, error: unknown): void {
    this.#count.failures.inc({ operation, kind: error instanceof Failure ? error.kind : 'other' });
  }
}
