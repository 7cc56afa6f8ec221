/** The rounds of the store-gateway: who is kept up with. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { emptyBucketIndex, indexedBlock, updateBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { TenantIndexes } from '../../libs/blocks/tenant-indexes.ts';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { MemoryBucket } from '../../libs/object-store/memory.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { ulidOf, writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { gridOfSeries } from '../../libs/tsdb/block/block-source.testing.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { waitFor } from '../../test/support/wait-until.ts';
import { HeaderFiles } from './header-files.ts';
import { MemoryPageCache } from './page-cache.ts';
import { StoreGatewayHandler } from './store-gateway-handler.ts';
import { startSync } from './sync-blocks.ts';

const { signal } = new AbortController();
const tenant = parseTenantId('team-a');
const log = createLogger({ level: 'error', format: 'json' }).child({}, { level: 'silent' });

it('a tenant that nobody has asked for in an hour is kept up with no more, until somebody asks', async () => {
  await using folder = await tempFolder('sync');
  const memory = new MemoryBucket();
  const ulid = ulidOf(new Prng(1));
  await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series: gridOfSeries(1, 3, 5) });
  const { meta, sizes } = await uploadBlock(memory, tenant, ulid, join(folder.path, ulid), signal);
  const entry = indexedBlock(meta, 1_000, sizes);
  await updateBucketIndex(memory, tenant, 1_000, () => ({ ...emptyBucketIndex, blocks: [entry] }), signal);
  let reads = 0;
  const bucket: Bucket = new Proxy(memory, {
    get(target, name: keyof Bucket) {
      const value = target[name];
      if (name !== 'get') return typeof value === 'function' ? value.bind(target) : value;
      return (...args: Parameters<Bucket['get']>) => {
        reads++;
        return target.get(...args);
      };
    },
  });
  const clock = { nowMs: 1_800_000_000_000 };
  const nowMs = (): number => clock.nowMs;
  const headers = new HeaderFiles(realDisk, join(folder.path, 'headers'), 1 << 30, nowMs, async () => 1 << 30);
  const onProblem = (_: string, problem: string): void => assert.fail(problem);
  const indexes = new TenantIndexes({ bucket, nowMs, ageMsMax: 60_000, staleMsMax: 600_000, onProblem });
  const handler = new StoreGatewayHandler({
    bucket,
    disk: realDisk,
    headers,
    cache: new MemoryPageCache(1 << 20),
    indexes,
    headerPostingsBytes: 1 << 30,
    indexMemoryBytes: 1 << 30,
    lookupBytesMax: 1 << 30,
    quarantineMs: 300_000,
    nowMs,
    onQuarantine: () => {},
    onBadHeader: () => {},
  });
  const ask = async (): Promise<number> => {
    const query = { matchers: [], minT: 0, maxT: Number.MAX_SAFE_INTEGER };
    return (await handler.source(tenant, [ulid]).source.select(query, signal)).labels.begin.length;
  };
  const sync = startSync({ handler, indexes, headers, intervalMs: 5, nowMs, log, isOwn: () => true });
  const isKeptUp = async (): Promise<void> => {
    const before = reads;
    await waitFor('rounds that read the index', () => (reads > before + 2 ? true : undefined));
  };
  try {
    const found = await ask();
    await isKeptUp();
    clock.nowMs += 3_500_000;
    assert.equal(await ask(), found);
    clock.nowMs += 3_500_000;
    await isKeptUp();
    clock.nowMs += 200_000;
    await waitFor(
      'it is let go',
      () => (handler.memoryBytes === 0 && [...handler.tenants()].length === 0) || undefined,
    );
    const before = reads;
    await sleep(200);
    assert.equal(reads, before);
    assert.equal(await ask(), found);
    await isKeptUp();
  } finally {
    await sync.stop();
    await handler.close();
  }
});
