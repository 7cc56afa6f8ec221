/**
 * From the configuration to a bucket that is counted.
 * Owns the choice. S3's client is loaded only where it is used: it takes longer
 * than everything else at a start.
 */
import { join, resolve } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Bucket } from './bucket.ts';
import type { BucketConfig } from './config.ts';
import { bucketCounts, CountedBucket } from './counted-bucket.ts';
import { FilesystemBucket } from './filesystem.ts';
import type { FolderIdentity } from './folder-identity.ts';

export interface OpenedBucket {
  readonly bucket: Bucket;
  /** Whether the folder of a bucket is the one that was there before; undefined where that cannot be asked. */
  readonly identity: FolderIdentity | undefined;
  /** Why the bucket could not be had when it was asked last; undefined where it could. */
  readonly awayReason: () => string | undefined;
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
    const counted = new CountedBucket(folder, count);
    const { identity } = folder;
    return { bucket: counted, identity, awayReason: () => identity?.awayReason() };
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
  const counted = new CountedBucket(bucket, count);
  return { bucket: counted, identity: undefined, awayReason: () => counted.awayReason };
}
