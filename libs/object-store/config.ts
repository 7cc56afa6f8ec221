/** The bucket's slice of the configuration: which store, and where. */
import { integer, oneOf, text, timer, type ValuesOf } from '../config/config-key.ts';

export const bucketKeys = {
  backend: oneOf(['filesystem', 's3'], 'filesystem', 'Where blocks are kept for years: a folder, or S3.'),
  filesystem: {
    directory: text('', 'Folder of the bucket; empty is bucket below the data folder.'),
  },
  s3: {
    bucketName: text('', 'Name of the bucket; it must exist.'),
    prefix: text('', 'Put before every key, with a slash between.'),
    endpoint: text('', "URL of the S3 server, such as http://127.0.0.1:9000; empty is Amazon's own."),
    region: text('us-east-1', 'Region that requests are signed for.'),
    pathStyle: oneOf(
      ['auto', 'true', 'false'],
      'auto',
      'Whether the name of the bucket is part of the path; auto is yes where an endpoint is given.',
    ),
    accessKeyId: text('', 'Access key; empty is the usual chain: environment, files, container, instance.'),
    secretAccessKey: text('', 'Its secret; better given as MARU_BUCKET_S3_SECRET_ACCESS_KEY.'),
    encryption: oneOf(['none', 's3', 'kms'], 'none', 'Encryption that the server is asked for (SSE-S3, SSE-KMS).'),
    kmsKeyId: text('', "Key of encryption=kms; empty is the account's own."),
    maxAttempts: integer(6, 'Attempts at one request before it is an error.', 1, 20),
    timeout: timer('15s', 'An attempt that gets no answer within this is given up; long bodies get more.'),
    maxConnections: integer(64, 'Connections at once.', 1, 1024),
  },
} as const;

export type BucketConfig = ValuesOf<typeof bucketKeys>;
