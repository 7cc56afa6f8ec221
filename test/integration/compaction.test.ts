/**
 * Compaction in a whole Maru, asked all the while, and killed in the middle of it: every answer is the same.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { it } from 'node:test';
import { readBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { FilesystemBucket } from '../../libs/object-store/filesystem.ts';
import { S3Bucket } from '../../libs/object-store/s3.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { describeEachCarrier } from '../support/carriers.ts';
import { skipWithout } from '../support/find-server.ts';
import { ask } from '../support/query-client.ts';
import { startVersitygw } from '../support/start-versitygw.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const hour = 3_600_000;
const tenant = parseTenantId('anonymous');
const seriesCount = 150;
const { signal } = new AbortController();

/** A bucket, and the flags with which Maru has the same. */
interface Store extends AsyncDisposable {
  readonly bucket: Bucket;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const stores: readonly { name: string; skip: string | false; open: (folder: string) => Promise<Store> }[] = [
  {
    name: 'a folder',
    skip: false,
    open: async (folder) => ({
      bucket: new FilesystemBucket(join(folder, 'bucket')),
      args: [`--bucket.filesystem.directory=${join(folder, 'bucket')}`],
      env: {},
      [Symbol.asyncDispose]: async () => undefined,
    }),
  },
  {
    name: 'a real S3 server',
    skip: skipWithout('versitygw'),
    open: async () => {
      const server = await startVersitygw();
      const { endpoint, credentials } = server;
      return {
        bucket: new S3Bucket({
          bucket: server.bucket,
          prefix: '',
          endpoint,
          region: 'us-east-1',
          forcePathStyle: true,
          credentials,
          encryption: 'none',
          kmsKeyId: '',
          attemptsMax: 3,
          timeoutMs: 10_000,
          connectionsMax: 8,
          onRetry: () => undefined,
        }),
        args: ['--bucket.backend=s3', `--bucket.s3.endpoint=${endpoint}`, `--bucket.s3.bucket-name=${server.bucket}`],
        env: {
          MARU_BUCKET_S3_ACCESS_KEY_ID: credentials.accessKeyId,
          MARU_BUCKET_S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        },
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
  },
];

for (const { name, skip, open } of stores)
  describeEachCarrier(`compaction in ${name}`, { skip, timeout: 170_000 }, (start) => {
    it('changes no answer, whenever it is asked and whenever it is killed', async () => {
      await using folder = await tempFolder('compaction');
      await using store = await open(folder.path);
      const { bucket } = store;
      const begin = (Math.floor(Date.now() / (24 * hour)) - 3) * 24 * hour;
      // Twelve ranges of two hours, and a replica of each that has half of the samples, and others besides.
      for (let i = 0; i < 24; i++) {
        const range = i % 12;
        const from = begin + range * 2 * hour;
        const stepMs = i < 12 ? 30_000 : 45_000;
        const series = Array.from({ length: seriesCount }, (_, n) => ({
          labels: Labels.from([
            ['__name__', `m${n % 4}`],
            ['n', `${n}`],
          ]),
          samples: Array.from({ length: (2 * hour) / stepMs }, (_, j) => ({ t: from + j * stepMs, v: (j % 50) * n })),
        }));
        const ulid = makeUlid(from, randomBytes(10));
        const directory = join(folder.path, 'cut');
        const extras = { minTime: from, maxTime: from + 2 * hour };
        await writeTestBlock({ disk: realDisk, directory, ulid, series, extras });
        await uploadBlock(bucket, tenant, ulid, join(directory, ulid), signal);
      }
      await using maru = await start({
        env: store.env,
        args: [
          ...store.args,
          '--self-metrics.tenant=none',
          '--compactor.first-level-compaction-wait-period=0s',
          '--compactor.compaction-interval=1s',
          '--compactor.cleanup-interval=1s',
          '--store-gateway.sync-interval=1s',
          '--query.bucket-index-refresh=1s',
        ],
      });
      const answer = async (): Promise<string> => {
        const target = { baseUrl: maru.queryUrl };
        const end = (begin + 24 * hour) / 1000 - 1;
        const parameters = { start: begin / 1000, end, step: '1777' };
        const count = await ask(target, 'query_range', { query: 'sum(count_over_time(m1[30m]))', ...parameters });
        const sum = await ask(target, 'query_range', { query: 'sum by (n) (m2{n=~"1.*"})', ...parameters });
        assert.equal(count.status, 'success', count.error);
        assert.equal(sum.status, 'success', sum.error);
        return JSON.stringify([count.data, sum.data, count.warnings ?? [], sum.warnings ?? []]);
      };
      const jobs = async (): Promise<{ state: string }[]> => {
        const told = await fetch(`${maru.roomUrl('compactor')}/compactor/tenant/anonymous/planned_jobs`);
        return ((await told.json()) as { planned_jobs: { state: string }[] }).planned_jobs;
      };
      const wrong: string[] = [];
      /** Asks, and keeps what is not as it was: waiting would only ask again. */
      const check = async (when: string, first: string): Promise<void> => {
        const text = await answer().catch((error: unknown) => String(error));
        if (text !== first && wrong.length < 5) wrong.push(`${when}: ${text.slice(0, 300)}`);
      };
      const first = await waitFor('the blocks are in the index', async () => {
        const text = await answer();
        // Both of its questions, asked while the index came: only what stays is the answer.
        return text.includes('"n":"1') && text === (await answer()) ? text : undefined;
      });
      for (let kills = 0; kills < 2; kills++) {
        await waitFor('a merge is under way', async () => {
          await check('while it merges', first);
          const planned = await jobs();
          return planned.length === 0 || planned.some(({ state }) => state === 'running') ? true : undefined;
        });
        await maru.kill();
        maru.launch();
        await maru.ready();
        await check('after a kill', first);
      }
      await waitFor(
        'nothing is left to merge',
        async () => {
          await check('until it is done', first);
          return (await jobs()).length === 0 ? true : undefined;
        },
        { deadlineMs: 90_000 },
      );
      const stored = await readBucketIndex(bucket, tenant, signal);
      const marked = new Set(stored?.index.deletionMarks.map(({ ulid }) => ulid));
      const left = stored?.index.blocks.filter(({ ulid }) => !marked.has(ulid)) ?? [];
      assert.deepEqual(
        left.map(({ minTime, maxTime }) => [minTime, maxTime]),
        [[begin, begin + 24 * hour]],
      );
      assert.equal(left[0]?.details?.numSeries, seriesCount);
      await check('at the end', first);
      assert.deepEqual(wrong, []);
    });
  });
