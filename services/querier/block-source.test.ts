/** What a query needs of the bucket: every block that the index names, or an error; recent samples without an index. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type BucketIndex,
  emptyBucketIndex,
  type IndexedBlock,
  updateBucketIndex,
} from '../../libs/blocks/bucket-index.ts';
import { TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import type { StoreGatewayContract } from '../../libs/contracts/store-gateway.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { MemoryBucket } from '../../libs/object-store/memory.ts';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import { makeUlid, parseUlid } from '../../libs/tsdb/block/ulid.ts';
import { BucketSource } from './block-source.ts';

const tenant = parseTenantId('team-a');
const { signal } = new AbortController();
const hourMs = 3_600_000;
const now = 1_800_000_000_000;
const ulid = (n: number) => parseUlid(`01JDKQ00000000000000000${String(n).padStart(3, '0')}`);
const [a, b, c, d, e] = [ulid(1), ulid(2), ulid(3), ulid(4), ulid(5)];

function indexed(
  name: IndexedBlock['ulid'],
  fromHour: number,
  change: Partial<IndexedBlock['details'] & object> = {},
): IndexedBlock {
  return {
    ulid: name,
    minTime: now - fromHour * hourMs,
    maxTime: now - (fromHour - 2) * hourMs,
    uploadedAtMs: now,
    segmentCount: 1,
    compactionLevel: 1,
    outOfOrder: false,
    source: 'receive',
    labels: new Map(),
    details: {
      numSeries: 1,
      numSamples: 1,
      numChunks: 1,
      resolutionMs: 0,
      indexBytes: 1,
      segmentBytes: [1],
      tombstonesBytes: 0,
      sources: [name],
      jobOutputs: [],
      ...change,
    },
  };
}

/** A gateway that reads what it is asked for but for `omitted`, and remembers what that was. */
function gatewayOf(asked: string[][], omitted: readonly string[] = []): StoreGatewayContract {
  return {
    source: (_, blocks) => {
      asked.push([...blocks].sort());
      return {
        source: mergeSources([]),
        reads: () => ({
          blocks: blocks.filter((name) => !omitted.includes(name)),
          requests: 0,
          bytes: 0,
          cachedBytes: 0,
        }),
      };
    },
  };
}

async function sourceOf(
  bucket: Bucket,
  index: Partial<BucketIndex> | undefined,
  gateway: StoreGatewayContract,
  elsewhere: readonly string[] = [],
): Promise<BucketSource> {
  if (index !== undefined)
    await updateBucketIndex(bucket, tenant, now, () => ({ ...emptyBucketIndex, ...index }), signal);
  const nowMs = () => now;
  const indexes = new TenantIndexes({
    bucket,
    nowMs,
    ageMsMax: 60_000,
    staleMsMax: 600_000,
    onProblem: () => undefined,
  });
  return new BucketSource(
    { gateway, indexes, nowMs, indexAgeMsMax: 600_000, indexRefreshMs: 60_000 },
    tenant,
    elsewhere,
  );
}

const between = (fromHour: number, toHour: number) => ({
  matchers: [],
  minT: now - fromHour * hourMs,
  maxT: now - toHour * hourMs,
});

describe('the blocks of the bucket for a query', () => {
  it('are those of its time that nobody else answers for', async () => {
    const asked: string[][] = [];
    const blocks = [
      indexed(a, 10),
      indexed(b, 8),
      indexed(c, 6),
      indexed(d, 6, { resolutionMs: 300_000, sources: [c] }),
    ];
    const source = await sourceOf(new MemoryBucket(() => now), { blocks }, gatewayOf(asked), [c]);
    await source.select(between(9, 7), signal);
    await source.select(between(2, 0), signal);
    await source.labelNames({ selectors: [], minT: now - 5 * hourMs, maxT: now, limit: 0 }, signal);
    await source.labelNames({ selectors: [], minT: 0, maxT: now, limit: 0 }, signal);
    assert.deepEqual(asked, [
      [a, b],
      [a, b],
    ]);
  });

  it('are downsampled ones where those with all samples are gone: the store-gateway says what it cannot read', async () => {
    const asked: string[][] = [];
    const blocks = [indexed(a, 10), indexed(d, 10, { resolutionMs: 300_000, sources: [a, b] })];
    const source = await sourceOf(new MemoryBucket(() => now), { blocks }, gatewayOf(asked));
    await source.select(between(10, 8), signal);
    assert.deepEqual(asked, [[a, d]]);
  });

  it('are those that are marked, too, until all outputs of a job stand for them', async () => {
    const marks = { deletionMarks: [{ ulid: a, markedAtMs: now }] };
    for (const [blocks, expected] of [
      [[indexed(a, 10), indexed(b, 10, { sources: [a], jobOutputs: [b] })], [b]],
      [
        [indexed(a, 10), indexed(b, 10, { sources: [a], jobOutputs: [b, c] })],
        [a, b],
      ],
      [
        [
          indexed(a, 10),
          indexed(b, 10, { sources: [a], jobOutputs: [b, c] }),
          indexed(c, 10, { sources: [a], jobOutputs: [b, c] }),
        ],
        [b, c],
      ],
      [
        [indexed(a, 10), indexed(b, 10, { sources: [c], jobOutputs: [b] })],
        [a, b],
      ],
    ] as const) {
      const asked: string[][] = [];
      const source = await sourceOf(new MemoryBucket(() => now), { ...marks, blocks }, gatewayOf(asked));
      await source.select(between(10, 9), signal);
      assert.deepEqual(asked, [expected]);
    }
  });

  it('are those that are marked, too, where only other shards of what was made out of them stand', async () => {
    const sharded = (
      name: IndexedBlock['ulid'],
      shard: string,
      level: number,
      change: Partial<IndexedBlock['details'] & object>,
    ) => ({
      ...indexed(name, 10, change),
      compactionLevel: level,
      labels: new Map([['__compactor_shard_id__', shard]]),
    });
    const split = { sources: [a], jobOutputs: [b, c] };
    const first = sharded(b, '1_of_2', 2, split);
    const second = sharded(c, '2_of_2', 2, split);
    const merged = (name: IndexedBlock['ulid'], shard: string) =>
      sharded(name, shard, 3, { sources: [a], jobOutputs: [name] });
    for (const [blocks, marked, expected] of [
      // What the first shard was merged into is gone.
      [
        [first, second, merged(d, '2_of_2')],
        [b, c],
        [b, d],
      ],
      [[indexed(a, 10), merged(d, '2_of_2')], [a], [a, d]],
      [
        [indexed(a, 10), first, second, merged(d, '2_of_2')],
        [a, b, c],
        [a, b, d],
      ],
      // One shard was merged further, the other had nothing to be merged with.
      [
        [indexed(a, 10), first, second, merged(d, '2_of_2')],
        [a, c],
        [b, d],
      ],
      [
        [indexed(a, 10), first, second, merged(d, '2_of_2'), merged(e, '1_of_2')],
        [a, b, c],
        [d, e],
      ],
      // The other shard had no series.
      [[indexed(a, 10), sharded(b, '1_of_2', 2, { sources: [a], jobOutputs: [b] })], [a], [b]],
    ] as const) {
      const asked: string[][] = [];
      const deletionMarks = marked.map((name) => ({ ulid: name, markedAtMs: now }));
      const source = await sourceOf(new MemoryBucket(() => now), { deletionMarks, blocks }, gatewayOf(asked));
      await source.select(between(10, 9), signal);
      assert.deepEqual(asked, [expected]);
    }
  });

  it('have all answered, or the query is an error that names one', async () => {
    const source = await sourceOf(
      new MemoryBucket(() => now),
      { blocks: [indexed(a, 10), indexed(b, 10)] },
      gatewayOf([], [b]),
    );
    await assert.rejects(source.select(between(10, 9), signal), new RegExp(`miss block ${b}`));
  });

  it('are an error of the server where one is gone that the newest index names', async () => {
    const gone = async (): Promise<never> => {
      throw new Failure('not_found', `block ${a} is not in the bucket`);
    };
    const gateway: StoreGatewayContract = {
      source: (...args) => {
        const { source, reads } = gatewayOf([]).source(...args);
        return { source: { ...source, select: gone, labelNames: gone }, reads };
      },
    };
    const source = await sourceOf(new MemoryBucket(() => now), { blocks: [indexed(a, 10)] }, gateway);
    const told = { kind: 'internal', message: `block ${a} is not in the bucket` };
    await assert.rejects(source.select(between(10, 9), signal), told);
    await assert.rejects(source.labelNames({ selectors: [], ...between(10, 9), limit: 0 }, signal), told);
  });

  it('are looked for again in a newer index when one is gone', async () => {
    const bucket = new MemoryBucket(() => now);
    const asked: string[][] = [];
    const inner = gatewayOf(asked);
    const gateway: StoreGatewayContract = {
      source: (of, blocks) => {
        const { source, reads } = inner.source(of, blocks);
        if (!blocks.includes(a)) return { source, reads };
        const gone = async (): Promise<never> => {
          await updateBucketIndex(
            bucket,
            tenant,
            now + 1,
            () => ({ ...emptyBucketIndex, blocks: [indexed(b, 10)] }),
            signal,
          );
          throw new Failure('not_found', `block ${a} is gone`);
        };
        return { source: { ...source, select: gone }, reads };
      },
    };
    const source = await sourceOf(bucket, { blocks: [indexed(a, 10)] }, gateway);
    await source.select(between(10, 9), signal);
    assert.deepEqual(asked, [[a], [b]]);
  });

  it('without an index: recent samples go on and say so, older ones are an error', async () => {
    const broken = new MemoryBucket(() => now);
    broken.get = async () => {
      throw new Failure('unavailable', 'the bucket is away');
    };
    const hanging = new MemoryBucket(() => now);
    hanging.get = () => new Promise(() => undefined);
    for (const [bucket, why] of [
      [broken, /not considered: the bucket is away/],
      [hanging, /not considered: their list does not come/],
    ] as const) {
      const source = await sourceOf(bucket, undefined, gatewayOf([]));
      const { warnings } = await source.select(between(2, 0), signal);
      assert.match(warnings.join(), why);
    }
    const source = await sourceOf(broken, undefined, gatewayOf([]));
    await assert.rejects(source.select(between(4, 0), signal), /the bucket is away/);
  });

  it('are read where nobody has written an index yet', async () => {
    const bucket = new MemoryBucket(() => now);
    const [minTime, maxTime] = [now - 10 * hourMs, now - 8 * hourMs];
    const files = ['index', 'chunks/000001'].map((rel_path) => ({ rel_path, size_bytes: 1 }));
    const meta = { ulid: a, version: 1, minTime, maxTime, thanos: { version: 1, files } };
    await bucket.put(`${tenant}/${a}/meta.json`, new TextEncoder().encode(JSON.stringify(meta)), { signal });
    const asked: string[][] = [];
    const source = await sourceOf(bucket, undefined, gatewayOf(asked));
    await source.select(between(9, 0), signal);
    await source.select(between(7, 0), signal);
    assert.deepEqual(asked, [[a]]);
  });

  it('are not taken for none where the index was lost', async () => {
    const bucket = new MemoryBucket(() => now);
    await bucket.put(`${tenant}/${a}/meta.json`, new Uint8Array(1), { signal });
    await bucket.put('team-b/01JDKQ00000000000000000009/meta.json', new Uint8Array(1), { signal });
    const asked: string[][] = [];
    const gateway = gatewayOf(asked);
    const source = await sourceOf(bucket, undefined, gateway);
    await assert.rejects(source.select(between(5, 0), signal), new RegExp(`has block ${a}.*no index`));
    const { warnings } = await source.select(between(2, 0), signal);
    assert.match(warnings.join(), new RegExp(`not considered: the bucket has block ${a}`));
    const held = await sourceOf(bucket, undefined, gateway, [a]);
    assert.deepEqual((await held.select(between(5, 0), signal)).warnings, []);
    assert.deepEqual(asked, []);
    // One that was just cut is with whoever cut it: a tenant's first block is no error until there is an index.
    const fresh = new MemoryBucket(() => now);
    const cutAt = (timeMs: number) =>
      fresh.put(`${tenant}/${makeUlid(timeMs, new Uint8Array(10))}/meta.json`, new Uint8Array(1), { signal });
    await cutAt(now - 599_000);
    const young = await sourceOf(fresh, undefined, gateway);
    assert.deepEqual((await young.select(between(5, 0), signal)).warnings, []);
    await cutAt(now - 601_000);
    const older = await sourceOf(fresh, undefined, gateway);
    await assert.rejects(older.select(between(5, 0), signal), /no index/);
    // Once it is there again nobody waits for it to be looked at.
    await updateBucketIndex(bucket, tenant, now, () => ({ ...emptyBucketIndex, blocks: [indexed(a, 4)] }), signal);
    await source.select(between(5, 0), signal);
    assert.deepEqual(asked, [[a]]);
  });
});
