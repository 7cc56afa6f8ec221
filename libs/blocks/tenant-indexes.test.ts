import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import type { Bucket } from '../object-store/bucket.ts';
import { MemoryBucket } from '../object-store/memory.ts';
import { parseMeta } from '../tsdb/block/meta.ts';
import { parseUlid } from '../tsdb/block/ulid.ts';
import { emptyBucketIndex, indexedBlock, updateBucketIndex } from './bucket-index.ts';
import { TenantIndexes } from './tenant-indexes.ts';

const { signal } = new AbortController();
const tenant = parseTenantId('team-a');
const key = 'team-a/bucket-index.json.gz';

function rig(ageMsMax = 60_000, heldBytesMax = Number.POSITIVE_INFINITY) {
  const bucket = new MemoryBucket();
  const state = { nowMs: 1_000_000, steadyMs: 0, away: false, gets: 0 };
  const problems: string[] = [];
  const unsteady: Bucket = new Proxy(bucket, {
    get(target, name: keyof Bucket) {
      const value = target[name];
      if (name !== 'get') return typeof value === 'function' ? value.bind(target) : value;
      return async (...args: Parameters<Bucket['get']>) => {
        state.gets++;
        if (state.away) throw new Failure('unavailable', 'away');
        return target.get(...args);
      };
    },
  });
  const indexes = new TenantIndexes({
    bucket: unsteady,
    nowMs: () => state.nowMs,
    steadyMs: () => state.steadyMs,
    ageMsMax,
    staleMsMax: 600_000,
    heldBytesMax,
    onProblem: (_, problem) => problems.push(problem),
  });
  const write = (...ulids: string[]) => {
    const noCompact = ulids.map((text) => parseUlid(`01JDKQ0000000000000000000${text}`));
    return updateBucketIndex(bucket, tenant, state.nowMs, () => ({ ...emptyBucketIndex, noCompact }), signal);
  };
  return { bucket, state, problems, indexes, write };
}

describe('indexes of tenants', () => {
  it('are read once for all that ask at once, and again when they are too old', async () => {
    const { state, indexes, write } = rig();
    await write('A');
    const [one, two] = await Promise.all([indexes.of(tenant, signal), indexes.of(tenant, signal)]);
    assert.equal(one, two);
    assert.equal(state.gets, 1);
    await write('A', 'B');
    state.nowMs += 60_000;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 1);
    state.nowMs += 1;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 2);
  });

  it('take no more memory than they may, however many tenants ask: the one used longest ago goes', async () => {
    const { bucket, state, indexes } = rig(60_000, 100_000);
    const tenants = Array.from({ length: 8 }, (_, i) => parseTenantId(`tenant-${i}`));
    const noCompact = Array.from({ length: 500 }, (_, i) => parseUlid(String(i).padStart(26, '0')));
    for (const one of tenants)
      await updateBucketIndex(bucket, one, 1_000, () => ({ ...emptyBucketIndex, noCompact }), signal);
    const [first, second] = tenants;
    assert.ok(first !== undefined && second !== undefined);
    const heldCount = (): number => tenants.filter((one) => indexes.held(one) !== undefined).length;
    await indexes.of(first, signal);
    for (const one of tenants.slice(1)) {
      state.nowMs++;
      assert.notEqual(indexes.held(first), undefined, 'it is used all the time');
      state.nowMs++;
      await indexes.of(one, signal);
    }
    assert.equal(indexes.held(second), undefined);
    assert.equal(heldCount(), 3);
    // What is read for nobody is the first to go.
    await indexes.refresh(second);
    state.nowMs++;
    await indexes.of(tenants[3] ?? second, signal);
    assert.deepEqual([indexes.held(second), heldCount()], [undefined, 3]);
    assert.equal((await indexes.of(second, signal)).noCompact.length, 500);
  });

  it('are never gone by for longer than they may be old, however seldom they are to be read', async () => {
    const { state, indexes, write } = rig(86_400_000);
    await write('A');
    await indexes.of(tenant, signal);
    await write('A', 'B');
    state.nowMs += 600_000;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 1);
    state.nowMs += 1;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 2);
  });

  it('grow old also while the clock is set back, and while the machine sleeps', async () => {
    const { state, indexes, write } = rig();
    await indexes.of(tenant, signal);
    await write('A');
    state.nowMs -= 3_600_000;
    state.steadyMs += 60_000;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 0);
    state.steadyMs += 1;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 1);
    await write('A', 'B');
    state.nowMs += 60_001;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 2);
    assert.deepEqual([indexes.held(tenant)?.ageMs, indexes.usedWithin(0)], [0, [tenant]]);
    state.nowMs += 10;
    state.steadyMs += 7;
    assert.deepEqual([indexes.usedWithin(9), indexes.held(tenant)?.ageMs], [[], 10]);
    assert.deepEqual(indexes.usedWithin(0), [tenant], 'whoever asks what is held uses it');
  });

  it('a tenant without one has no blocks', async () => {
    const { indexes } = rig();
    assert.deepEqual((await indexes.of(tenant, signal)).blocks, []);
  });

  it('are made of the blocks that are there where nobody has written one', async () => {
    const { bucket, state, indexes, problems, write } = rig();
    const put = (name: string, relPath: string, body: object | string) =>
      bucket.put(`${tenant}/${name}/${relPath}`, new TextEncoder().encode(JSON.stringify(body)), { signal });
    const metaOf = (name: string, minTime: number) => ({
      ...{ ulid: name, version: 1, minTime, maxTime: minTime + 10, stats: { numSeries: 3 } },
      compaction: { level: 1, sources: [name] },
      thanos: { version: 1, files: ['index', 'chunks/000001'].map((rel_path) => ({ rel_path, size_bytes: 2 })) },
    });
    const [whole, deleted, partial, bad, later] = ['A', 'B', 'C', 'D', 'E'].map((n) => `01JDKQ0000000000000000000${n}`);
    assert.ok(whole && deleted && partial && bad && later);
    await put(whole, 'meta.json', metaOf(whole, 10));
    await put(deleted, 'meta.json', metaOf(deleted, 20));
    await put(deleted, 'tombstones', 'some');
    await put(partial, 'index', 'x');
    await put(bad, 'meta.json', { ...metaOf(bad, 40), version: 2 });
    const { blocks, unindexed } = await indexes.of(tenant, signal);
    assert.deepEqual(unindexed, [bad]);
    assert.deepEqual(
      blocks.map(({ ulid, minTime, details }) => [ulid, minTime, details?.sources, details?.tombstonesBytes]),
      [
        [whole, 10, [whole], 0],
        [deleted, 20, [deleted], 6],
      ],
    );
    // The index, and what is new: of the others it is known what is in them.
    await put(later, 'meta.json', metaOf(later, 50));
    state.nowMs += 60_001;
    state.gets = 0;
    assert.equal((await indexes.of(tenant, signal)).blocks.length, 3);
    assert.equal(state.gets, 4);
    // Deleted again: it does not go back to what was there before.
    await bucket.delete(`${tenant}/${later}/meta.json`, signal);
    state.nowMs += 60_001;
    assert.equal((await indexes.of(tenant, signal)).blocks.length, 2);
    await write('A');
    state.nowMs += 60_001;
    const written = await indexes.of(tenant, signal);
    assert.deepEqual([written.noCompact.length, written.blocks, written.unindexed], [1, [], undefined]);
    assert.deepEqual(problems, []);
  });

  it('have nothing of a tenant that is being deleted, whatever is left of it', async () => {
    const { bucket, state, indexes } = rig();
    const name = '01JDKQ0000000000000000000A';
    const meta = { ulid: name, version: 1, minTime: 1, maxTime: 2 };
    await bucket.put(`${tenant}/${name}/meta.json`, new TextEncoder().encode(JSON.stringify(meta)), { signal });
    assert.equal((await indexes.of(tenant, signal)).blocks.length, 1);
    await bucket.put(`${tenant}/markers/tenant-deletion-mark.json`, new Uint8Array(2), { signal });
    state.nowMs += 60_001;
    const { blocks, unindexed } = await indexes.of(tenant, signal);
    assert.deepEqual([blocks, unindexed], [[], undefined]);
  });

  it('are not gone by any more once the tenant is deleted', async () => {
    const { bucket, state, indexes, problems } = rig();
    const ulid = parseUlid('01JDKQ0000000000000000000A');
    const meta = parseMeta('meta.json', Buffer.from(JSON.stringify({ ulid, version: 1, minTime: 1, maxTime: 2 })));
    const blocks = [indexedBlock(meta, 0, new Map())];
    await updateBucketIndex(bucket, tenant, state.nowMs, () => ({ ...emptyBucketIndex, blocks }), signal);
    assert.equal((await indexes.of(tenant, signal)).blocks.length, 1);
    await bucket.put(`${tenant}/markers/tenant-deletion-mark.json`, new Uint8Array(2), { signal });
    await bucket.delete(key, signal);
    state.nowMs += 60_001;
    assert.deepEqual([(await indexes.of(tenant, signal)).blocks, problems], [[], []]);
  });

  it('are used for a while when the bucket is away, and then no more', async () => {
    const { state, indexes, problems, write } = rig();
    await write('A');
    await indexes.of(tenant, signal);
    state.away = true;
    state.nowMs += 600_000;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 1);
    assert.match(problems[0] ?? '', /cannot be read: away/);
    state.nowMs += 1;
    await assert.rejects(indexes.of(tenant, signal), { kind: 'unavailable' });
    state.away = false;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 1);
  });

  it('never go back to a lower generation, nor to none', async () => {
    const { bucket, state, indexes, problems, write } = rig();
    await write('A');
    const { bytes } = await bucket.get(key, { bytesMax: 1 << 20, signal });
    await write('A', 'B');
    await indexes.of(tenant, signal);
    await bucket.put(key, bytes, { signal });
    state.nowMs += 60_001;
    assert.equal((await indexes.of(tenant, signal)).noCompact.length, 2);
    assert.match(problems[0] ?? '', /went from generation/);
  });

  it('one that cannot be understood is an error where none is known, and another tenant is not touched', async () => {
    const { bucket, indexes } = rig();
    await bucket.put(key, new Uint8Array(5), { signal });
    // Not `bad_data`: whoever asks has done nothing wrong.
    await assert.rejects(indexes.of(tenant, signal), { kind: 'internal', message: /bucket-index.json.gz/ });
    assert.deepEqual((await indexes.of(parseTenantId('team-b'), signal)).blocks, []);
  });

  it('whoever has left before makes nobody read, and hears of no failure', async () => {
    const { state, indexes } = rig();
    state.away = true;
    await assert.rejects(indexes.of(tenant, AbortSignal.abort(new Error('left'))), /left/);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(state.gets, 0);
  });

  it('who leaves does not stop the reading for the others', async () => {
    const { indexes, write } = rig();
    await write('A');
    const left = new AbortController();
    const leaver = indexes.of(tenant, left.signal);
    const other = indexes.of(tenant, signal);
    left.abort(new Error('left'));
    await assert.rejects(leaver, /left/);
    assert.equal((await other).noCompact.length, 1);
  });
});
