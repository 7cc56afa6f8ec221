/** Objects of a bucket that are small where they are what their name says. Owns that a larger one is damage of that one, and no failure of the bucket. */
import { Failure } from '../errors/failure.ts';
import type { Bucket, BucketObject } from '../object-store/bucket.ts';

/** @throws Failure `bad_data` where it has more bytes; as Bucket.get */
export async function getSmall(
  bucket: Bucket,
  key: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<BucketObject> {
  try {
    return await bucket.get(key, { bytesMax, signal });
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'too_large') throw error;
    throw new Failure('bad_data', `${bucket.name}/${error.message}`, { cause: error });
  }
}
