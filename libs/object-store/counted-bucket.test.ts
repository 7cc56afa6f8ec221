import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { bucketCounts, CountedBucket } from './counted-bucket.ts';
import { MemoryBucket } from './memory.ts';

const { signal } = new AbortController();

/** One that is away while `reason` says why. */
class AwayBucket extends MemoryBucket {
  reason: Failure | undefined;

  override async stat(...args: Parameters<MemoryBucket['stat']>): ReturnType<MemoryBucket['stat']> {
    if (this.reason !== undefined) throw this.reason;
    return super.stat(...args);
  }
}

it('a bucket says that it is away from the first operation that could not be done to the first one that could', async () => {
  const away = new AwayBucket();
  const bucket = new CountedBucket(away, bucketCounts(new Metrics('0')));
  assert.equal(bucket.awayReason, undefined);
  const stat = () => bucket.stat('t/x', signal).catch(() => undefined);
  away.reason = new Failure('unavailable', 's3://b: no answer in time');
  await stat();
  assert.equal(bucket.awayReason, 's3://b: no answer in time');
  // Who asked left: that says nothing.
  away.reason = new Failure('canceled', 'the client left');
  await stat();
  assert.equal(bucket.awayReason, 's3://b: no answer in time');
  away.reason = undefined;
  await assert.rejects(bucket.get('t/x', { bytesMax: 1, signal }), { kind: 'not_found' });
  assert.equal(bucket.awayReason, undefined, 'that there is no such object is an answer');
  away.reason = new Failure('unavailable', 'away again');
  await stat();
  away.reason = undefined;
  await stat();
  assert.equal(bucket.awayReason, undefined);
  for await (const _ of bucket.list('', { delimiter: false, signal })) assert.fail('it is empty');
});
