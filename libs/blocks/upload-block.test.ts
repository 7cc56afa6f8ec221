import assert from 'node:assert/strict';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { Failure } from '../errors/failure.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { MemoryBucket } from '../object-store/memory.ts';
import { parseUlid } from '../tsdb/block/ulid.ts';
import { deleteBlock, markForDeletion, markNoCompact, readDeletionMark } from './deletion-mark.ts';
import { downloadBlock } from './download-block.ts';
import { fetchMeta, listTenant, listTenants } from './fetch-metas.ts';
import { uploadBlock } from './upload-block.ts';

const { signal } = new AbortController();
const tenant = parseTenantId('team-a');
const ulid = parseUlid('01JDKQ0000000000000000000A');
const other = parseUlid('01JDKQ0000000000000000000B');

async function blockFolder(path: string): Promise<string> {
  const directory = join(path, ulid);
  await mkdir(join(directory, 'chunks'), { recursive: true });
  await writeFile(join(directory, 'index'), Buffer.alloc(5000, 'index'));
  await writeFile(join(directory, 'chunks/000001'), Buffer.alloc(70_000, 'one'));
  await writeFile(join(directory, 'chunks/000002'), Buffer.alloc(30_000, 'two'));
  await writeFile(join(directory, 'tombstones'), Buffer.alloc(9));
  const thanos = { version: 1, files: [{ rel_path: 'chunks/000002', size_bytes: 30_000 }] };
  const compaction = { level: 1, sources: [ulid] };
  const meta = { ulid, version: 1, minTime: 1, maxTime: 2, compaction, thanos, custom: 'kept' };
  await writeFile(join(directory, 'meta.json'), JSON.stringify(meta));
  return directory;
}

const files = [
  { relPath: 'chunks/000001', sizeBytes: 70_000 },
  { relPath: 'chunks/000002', sizeBytes: 30_000 },
  { relPath: 'index', sizeBytes: 5000 },
  { relPath: 'meta.json', sizeBytes: undefined },
];

describe('upload of a block', () => {
  it('comes back as it was, with its files named', async () => {
    await using folder = await tempFolder('upload');
    const directory = await blockFolder(folder.path);
    const bucket = new MemoryBucket();
    const uploaded = await uploadBlock(bucket, tenant, ulid, directory, signal);
    assert.deepEqual(uploaded.meta.thanos.files, files);
    assert.deepEqual(uploaded.meta.thanos.segmentFiles, ['000001', '000002']);
    assert.equal(uploaded.meta.unknown['custom'], 'kept');
    const back = join(folder.path, 'back');
    await downloadBlock(bucket, tenant, ulid, back, signal);
    for (const name of ['index', 'chunks/000001', 'chunks/000002']) {
      assert.ok((await readFile(join(back, name))).equals(await readFile(join(directory, name))));
    }
    assert.equal((await uploadBlock(bucket, tenant, ulid, directory, signal)).bytes, 0);
  });

  it('has meta.json last, wherever it breaks off, and can be repeated', async () => {
    await using folder = await tempFolder('upload');
    const directory = await blockFolder(folder.path);
    const bucket = new MemoryBucket();
    for (let failAt = 1; ; failAt++) {
      let puts = 0;
      const breaking: Bucket = new Proxy(bucket, {
        get(target, name: keyof Bucket) {
          const value = target[name];
          if (typeof value !== 'function') return value;
          if (name !== 'put') return value.bind(target);
          return async (...args: Parameters<Bucket['put']>) => {
            if (++puts === failAt) throw new Failure('unavailable', 'away');
            return target.put(...args);
          };
        },
      });
      const outcome = await uploadBlock(breaking, tenant, ulid, directory, signal).then(
        () => 'done',
        (error: Failure) => error.kind,
      );
      const complete = (await listTenant(bucket, tenant, signal)).blocks.get(ulid)?.uploadedAtMs !== undefined;
      assert.equal(complete, outcome === 'done');
      if (outcome === 'done') break;
      assert.equal(outcome, 'unavailable');
      assert.ok(failAt < 10);
    }
  });

  it('an upload that lost bytes is no upload', async () => {
    await using folder = await tempFolder('upload');
    const directory = await blockFolder(folder.path);
    const bucket = new MemoryBucket();
    const lossy: Bucket = new Proxy(bucket, {
      get(target, name: keyof Bucket) {
        const value = target[name];
        if (typeof value !== 'function') return value;
        if (name !== 'put') return value.bind(target);
        return (key: string, body: unknown, options: never) =>
          target.put(key, key.endsWith('000002') ? new Uint8Array(3) : (body as Uint8Array), options);
      },
    });
    await assert.rejects(
      uploadBlock(lossy, tenant, ulid, directory, signal),
      /000002 has 3 bytes after an upload of 30000/,
    );
    await assert.rejects(fetchMeta(bucket, tenant, ulid, signal), { kind: 'not_found' });
  });

  it('a folder that lost bytes is refused', async () => {
    await using folder = await tempFolder('upload');
    const directory = await blockFolder(folder.path);
    const bucket = new MemoryBucket();
    await truncate(join(directory, 'chunks', '000002'), 29_000);
    await assert.rejects(uploadBlock(bucket, tenant, ulid, directory, signal), {
      kind: 'bad_data',
      message: /000002 has 29000 bytes, its meta\.json says 30000$/,
    });
    assert.equal((await listTenant(bucket, tenant, signal)).blocks.size, 0);
  });

  it('a folder that is another block is refused', async () => {
    await using folder = await tempFolder('upload');
    const directory = await blockFolder(folder.path);
    await assert.rejects(uploadBlock(new MemoryBucket(), tenant, other, directory, signal), { kind: 'bad_data' });
  });
});

describe('a hostile bucket', () => {
  const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

  it('is listed, and what is foreign is named', async () => {
    await using folder = await tempFolder('upload');
    const directory = await blockFolder(folder.path);
    const bucket = new MemoryBucket();
    await uploadBlock(bucket, tenant, ulid, directory, signal);
    for (const key of [
      'README.txt',
      '..%2f/x',
      '__mimir_cluster/seed.json',
      '~maru/ring/000000000001.json',
      'team-a/not-a-block/index',
      'team-a/01jdkq0000000000000000000a/index',
      'team-a/markers/01JDKQ0000000000000000000B-what.json',
      `team-a/${other}/index`,
      `team-b/${ulid}/meta.json`,
    ]) {
      await bucket.put(key, bytes('x'), { signal });
    }
    assert.deepEqual(await listTenants(bucket, signal), {
      tenants: ['team-a', 'team-b'],
      foreign: ['..%2f/', 'README.txt', '__mimir_cluster/'],
    });
    const listing = await listTenant(bucket, tenant, signal);
    assert.deepEqual([...listing.blocks.keys()], [ulid, other]);
    assert.equal(listing.blocks.get(other)?.uploadedAtMs, undefined);
    assert.equal(listing.foreignCount, 3);
    await assert.rejects(fetchMeta(bucket, parseTenantId('team-b'), ulid, signal), { kind: 'bad_data' });
  });

  for (const [name, json] of [
    ['a version of the future', { ulid, version: 2 }],
    ['another ULID', { ulid: other, version: 1, minTime: 1, maxTime: 2 }],
    ['no ULID', { ulid: '../x', version: 1, minTime: 1, maxTime: 2 }],
    ['times the wrong way round', { ulid, version: 1, minTime: 3, maxTime: 2 }],
  ] as const) {
    it(`a meta.json with ${name} is refused by name`, async () => {
      const bucket = new MemoryBucket();
      await bucket.put(`team-a/${ulid}/meta.json`, bytes(JSON.stringify(json)), { signal });
      const fetched = fetchMeta(bucket, tenant, ulid, signal);
      await assert.rejects(fetched, { kind: 'bad_data', message: /memory:\/\/\/team-a\/01JDKQ/ });
    });
  }

  it('a meta.json that lists files elsewhere writes nothing elsewhere', async () => {
    await using folder = await tempFolder('upload');
    const bucket = new MemoryBucket();
    const thanos = {
      files: [
        { rel_path: '../../../evil', size_bytes: 1 },
        { rel_path: 'index', size_bytes: 1 },
      ],
    };
    const meta = { ulid, version: 1, minTime: 1, maxTime: 2, thanos };
    await bucket.put(`team-a/${ulid}/meta.json`, bytes(JSON.stringify(meta)), { signal });
    await bucket.put(`team-a/${ulid}/index`, bytes('i'), { signal });
    await bucket.put(`team-a/${ulid}/chunks/000001`, bytes('c'), { signal });
    await downloadBlock(bucket, tenant, ulid, join(folder.path, 'a/b/c/d'), signal);
    assert.equal(await readFile(join(folder.path, 'a/b/c/d/chunks/000001'), 'utf8'), 'c');
    await assert.rejects(readFile(join(folder.path, 'evil')));
  });
});

describe('marks', () => {
  it('stand in both places, keep their first time, and go with the block', async () => {
    await using folder = await tempFolder('upload');
    const bucket = new MemoryBucket();
    await uploadBlock(bucket, tenant, ulid, await blockFolder(folder.path), signal);
    assert.equal(await readDeletionMark(bucket, tenant, ulid, signal), undefined);
    await markForDeletion(bucket, tenant, ulid, { nowMs: 5000, details: 'merged' }, signal);
    await markForDeletion(bucket, tenant, ulid, { nowMs: 9000, details: 'merged' }, signal);
    await markNoCompact(bucket, tenant, ulid, { nowMs: 5000, reason: 'manual', details: 'x' }, signal);
    assert.equal((await readDeletionMark(bucket, tenant, ulid, signal))?.markedAtMs, 5000);
    const listing = await listTenant(bucket, tenant, signal);
    assert.deepEqual([...listing.deletionMarks], [ulid]);
    assert.deepEqual([...listing.noCompactMarks], [ulid]);
    assert.ok(await bucket.stat(`team-a/${ulid}/deletion-mark.json`, signal));
    await deleteBlock(bucket, tenant, ulid, signal);
    assert.deepEqual(await listTenants(bucket, signal), { tenants: [], foreign: [] });
  });
});
