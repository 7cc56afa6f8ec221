import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { Failure } from '../errors/failure.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import { MemoryBucket } from '../object-store/memory.ts';
import { parseMeta } from '../tsdb/block/meta.ts';
import { parseUlid } from '../tsdb/block/ulid.ts';
import {
  type BucketIndex,
  emptyBucketIndex,
  type IndexedBlock,
  indexedBlock,
  isNewerIndex,
  readBucketIndex,
  updateBucketIndex,
} from './bucket-index.ts';

const { signal } = new AbortController();
const tenant = parseTenantId('team-a');
const key = 'team-a/bucket-index.json.gz';
const a = parseUlid('01JDKQ0000000000000000000A');
const b = parseUlid('01JDKQ0000000000000000000B');

const block = (ulid = a): IndexedBlock => ({
  ulid,
  minTime: 7_200_000,
  maxTime: 14_400_000,
  uploadedAtMs: 15_000_000,
  segmentCount: 2,
  compactionLevel: 1,
  outOfOrder: false,
  source: 'receive',
  labels: new Map([['__compactor_shard_id__', '1_of_2']]),
  details: {
    numSeries: 10,
    numSamples: 1000,
    numChunks: 20,
    resolutionMs: 0,
    indexBytes: 5000,
    segmentBytes: [100, 200],
    tombstonesBytes: 0,
    sources: [a],
    jobOutputs: [],
  },
});
const index = (change: Partial<BucketIndex> = {}): BucketIndex => ({
  ...emptyBucketIndex,
  blocks: [block()],
  deletionMarks: [{ ulid: b, markedAtMs: 20_000_000 }],
  noCompact: [b],
  updatedAtMs: 30_000_000,
  generation: 30_000,
  ...change,
});
/** Index as bytes and back, the way through a bucket. */
async function decodeBucketIndex(name: string, bytes: Uint8Array): Promise<BucketIndex> {
  const bucket = new MemoryBucket();
  await bucket.put(key, bytes, { signal });
  const named = Object.assign(Object.create(bucket), { name, get: bucket.get.bind(bucket) });
  return (await readBucketIndex(named, tenant, signal))?.index ?? emptyBucketIndex;
}

async function encodeBucketIndex(wanted: BucketIndex): Promise<Uint8Array> {
  const bucket = new MemoryBucket();
  await updateBucketIndex(bucket, tenant, wanted.updatedAtMs, () => wanted, signal);
  return (await bucket.get(key, { bytesMax: 1 << 30, signal })).bytes;
}

const brackets = '['.repeat(100_000) + ']'.repeat(100_000);
const pack = (json: unknown): Uint8Array => gzipSync(JSON.stringify(json));

describe('bucket index', () => {
  it('is read as it was written', async () => {
    assert.deepEqual(await decodeBucketIndex('x', await encodeBucketIndex(index())), index());
  });

  it("has Mimir's field names, and seconds where Mimir has them", async () => {
    const json = JSON.parse(gunzipSync(await encodeBucketIndex(index())).toString());
    assert.equal(json.version, 2);
    assert.equal(json.updated_at, 30_000);
    assert.deepEqual(json.block_deletion_marks, [{ block_id: b, deletion_time: 20_000 }]);
    const { maru: _, ...fields } = json.blocks[0];
    assert.deepEqual(fields, {
      block_id: a,
      min_time: 7_200_000,
      max_time: 14_400_000,
      segments_format: '1b6d',
      segments_num: 2,
      uploaded_at: 15_000,
      compactor_shard_id: '1_of_2',
      source: 'receive',
      compaction_level: 1,
      labels: { __compactor_shard_id__: '1_of_2' },
    });
  });

  it('a year of days in many shards, each from hundreds of sources, can be read again', async () => {
    const text = (number: number): string => `01JDKQ${String(number).padStart(20, '0')}`;
    const blocks: IndexedBlock[] = [];
    for (let day = 0; day < 365; day++) {
      const sources = Array.from({ length: 720 }, (_, i) => parseUlid(text(day * 1000 + i)));
      const jobOutputs = Array.from({ length: 16 }, (_, i) => parseUlid(text(1_000_000 + day * 16 + i)));
      for (const [i, ulid] of jobOutputs.entries()) {
        const labels = new Map([['__compactor_shard_id__', `${i + 1}_of_16`]]);
        const { details } = block();
        blocks.push({ ...block(ulid), labels, details: details && { ...details, sources, jobOutputs } });
      }
    }
    const bucket = new MemoryBucket();
    const stored = await updateBucketIndex(bucket, tenant, 1_000, () => index({ blocks }), signal);
    assert.deepEqual(stored?.index.blocks, blocks);
  });

  it('one that nobody could read is not written, and the one before it stays', async () => {
    const bucket = new MemoryBucket();
    await updateBucketIndex(bucket, tenant, 1_000, () => index(), signal);
    const source = 'x'.repeat(1 << 20);
    const blocks = Array.from({ length: 65 }, (_, i) => ({
      ...block(parseUlid(`01JDKQ000000000000000000${10 + i}`)),
      source,
    }));
    await assert.rejects(
      updateBucketIndex(bucket, tenant, 2_000, (old) => ({ ...(old ?? index()), blocks }), signal),
      { kind: 'internal', message: /team-a\/bucket-index.json.gz would have \d+ bytes/ },
    );
    assert.equal((await readBucketIndex(bucket, tenant, signal))?.index.blocks.length, 1);
  });

  for (const [what, extra] of [
    ['from more blocks than an entry holds', { compaction: { sources: Array<string>(40_000).fill(a) } }],
    ['with a label that no entry holds', { thanos: { labels: { region: '\u0001'.repeat(1 << 20) } } }],
    ['of a shard that no entry holds', { thanos: { labels: { __compactor_shard_id__: 'x'.repeat(1 << 20) } } }],
  ] as const) {
    it(`a block ${what} hides no other`, async () => {
      const json = { ulid: b, version: 1, minTime: 0, maxTime: 1, ...extra };
      const meta = parseMeta('meta.json', new TextEncoder().encode(JSON.stringify(json)));
      const large = indexedBlock(meta, 0, new Map([['index', 100]]));
      const read = await decodeBucketIndex('x', await encodeBucketIndex(index({ blocks: [block(), large] })));
      assert.deepEqual(
        read.blocks.map(({ ulid, details }) => [ulid, details === undefined]),
        [
          [a, false],
          [b, true],
        ],
      );
    });
  }

  it('one whose entries refer to lists that are none is read, and says less of them', async () => {
    const maru = { sources: 1, jobOutputs: 0, segmentBytes: [], indexBytes: 9 };
    const json = {
      version: 2,
      blocks: [0, 1, 2, 1e9, -1, 0.5].map((sources, i) => ({
        block_id: `01JDKQ0000000000000000000${i}`,
        min_time: 0,
        max_time: 1,
        maru: { ...maru, sources },
      })),
      maru_lists: [[a, b], ['no ULID'], 7],
    };
    const { blocks } = await decodeBucketIndex('f', gzipSync(JSON.stringify(json)));
    assert.deepEqual(
      blocks.map(({ details }) => details?.sources),
      [[a, b], undefined, undefined, undefined, undefined, undefined],
    );
  });

  it('one that Mimir wrote is read', async () => {
    const json = {
      version: 1,
      blocks: [{ block_id: a, min_time: 1, max_time: 2, uploaded_at: 3, compactor_shard_id: '2_of_4' }],
      block_deletion_marks: null,
      updated_at: 4,
    };
    const read = await decodeBucketIndex('x', pack(json));
    assert.equal(read.generation, 0);
    assert.equal(read.blocks[0]?.labels.get('__compactor_shard_id__'), '2_of_4');
    assert.equal(read.blocks[0]?.details, undefined);
    assert.equal(read.blocks[0]?.segmentCount, 0);
  });

  it('names what is no ULID, and serves the rest', async () => {
    const json = {
      version: 2,
      blocks: [
        { block_id: '../../x' },
        7,
        null,
        { block_id: a, min_time: 1, max_time: 2 },
        { block_id: a.toLowerCase() },
      ],
      block_deletion_marks: [{ block_id: 'y' }],
    };
    const read = await decodeBucketIndex('x', pack(json));
    assert.deepEqual(
      read.blocks.map(({ ulid }) => ulid),
      [a],
    );
    assert.equal(read.problems.length, 5);
  });

  for (const [name, bytes] of [
    ['nothing', new Uint8Array(0)],
    ['no gzip', new TextEncoder().encode('{"version":2}')],
    ['half a gzip', gzipSync('{"version":2,"blocks":[]}').subarray(0, 20)],
    ['no object', pack([1])],
    ['a version of the future', pack({ version: 3, blocks: [] })],
    ['no version', pack({ blocks: [] })],
    ['blocks that are no list', pack({ version: 2, blocks: 'x' })],
    ['a block without times', pack({ version: 2, blocks: [{ block_id: a }] })],
    ['a block that ends before it begins', pack({ version: 2, blocks: [{ block_id: a, min_time: 2, max_time: 1 }] })],
    ['a gzip bomb', gzipSync(Buffer.alloc(300 << 20))],
    ['a gzip bomb of numbers', gzipSync(`{"version":2,"blocks":[0${',0'.repeat(1 << 20)}]}`)],
    ['a block whose name is brackets', gzipSync(`{"version":2,"blocks":[{"block_id":${brackets}}]}`)],
    ['a mark that is brackets', gzipSync(`{"version":2,"block_deletion_marks":[${brackets}]}`)],
    ['a version that is brackets', gzipSync(`{"version":${brackets}}`)],
    ['an entry of twenty megabytes', pack({ version: 2, blocks: [{ block_id: a, x: 'x'.repeat(20 << 20) }] })],
    ['something behind the end', gzipSync('{"version":2,"blocks":[]} x')],
  ] as const) {
    it(`refuses ${name} by name`, async () => {
      const decoded = decodeBucketIndex('s3://x/team-a/index', bytes);
      await assert.rejects(decoded, { kind: 'bad_data', message: /^s3:\/\/x\/team-a\/index/ });
    });
  }

  it('survives any damage with a Failure or an index', async () => {
    const whole = await encodeBucketIndex(index());
    const plain = gunzipSync(whole);
    const cut = fc.tuple(fc.boolean(), fc.nat(plain.length), fc.nat(plain.length), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(cut, async ([packed, at, end, byte]) => {
        const bytes = Buffer.from(packed ? whole : plain);
        bytes[at % bytes.length] = byte;
        const cutBytes = end % 3 === 0 ? bytes.subarray(0, end) : bytes;
        try {
          const { blocks } = await decodeBucketIndex('x', packed ? cutBytes : gzipSync(cutBytes));
          for (const one of blocks) assert.ok(one.minTime <= one.maxTime);
        } catch (error) {
          assert.ok(error instanceof Failure, String(error));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('many writers lose nothing, and the generation rises', async () => {
    const bucket = new MemoryBucket();
    const ulids = Array.from({ length: 5 }, (_, i) => parseUlid(`01JDKQ0000000000000000000${i}`));
    await Promise.all(
      ulids.map((ulid) =>
        updateBucketIndex(
          bucket,
          tenant,
          1000,
          (old = emptyBucketIndex) => ({ ...old, blocks: [...old.blocks, block(ulid)] }),
          signal,
        ),
      ),
    );
    const read = await readBucketIndex(bucket, tenant, signal);
    assert.deepEqual(read?.index.blocks.map(({ ulid }) => ulid).sort(), ulids);
    assert.equal(read?.index.generation, 5);
  });

  it('one that is broken is written anew, above what was before', async () => {
    const bucket = new MemoryBucket();
    await bucket.put(key, new TextEncoder().encode('broken'), { signal });
    await assert.rejects(readBucketIndex(bucket, tenant, signal), { kind: 'bad_data' });
    const change = (old: BucketIndex | undefined) => {
      assert.equal(old, undefined);
      return { ...emptyBucketIndex, blocks: [block()] };
    };
    const written = await updateBucketIndex(bucket, tenant, 5_000_000, change, signal);
    assert.equal(written?.index.generation, 5000);
  });

  it('readers never go back', () => {
    assert.equal(isNewerIndex(index({ generation: 7 }), index({ generation: 6, updatedAtMs: 9e9 })), false);
    assert.equal(isNewerIndex(index({ generation: 7 }), index({ generation: 8, updatedAtMs: 1 })), true);
    assert.equal(isNewerIndex(index(), index({ generation: 0, updatedAtMs: 29_999_999 })), false);
    assert.equal(isNewerIndex(index(), index({ generation: 0, updatedAtMs: 30_000_000 })), true);
  });
});
