/**
 * A bucket whose operations are counted, and that knows whether it could be had when it was asked last.
 * Owns what the process reports of its bucket.
 */
import { Failure, type FailureKind } from '../errors/failure.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Bucket, ListEntry } from './bucket.ts';

type BucketCounts = ReturnType<typeof bucketCounts>;

export function bucketCounts(metrics: Metrics) {
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

export class CountedBucket implements Bucket {
  readonly name: string;
  /** Of the operation that ended last. */
  awayReason: string | undefined;
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
      this.awayReason = undefined;
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
      const answer = await run();
      this.awayReason = undefined;
      return answer;
    } catch (error) {
      this.#failed(operation, error);
      throw error;
    } finally {
      end();
    }
  }

  #failed(operation: string, error: unknown): void {
    this.#count.failures.inc({ operation, kind: error instanceof Failure ? error.kind : 'other' });
    if (!(error instanceof Failure)) return;
    if (error.kind === 'unavailable') this.awayReason = error.message;
    // That something is not there, or not as it should be, is an answer.
    else if (isAnswer(error)) this.awayReason = undefined;
  }
}

const answers: readonly FailureKind[] = ['not_found', 'precondition_failed', 'bad_data', 'too_large'];

function isAnswer({ kind }: Failure): boolean {
  return answers.includes(kind);
}
