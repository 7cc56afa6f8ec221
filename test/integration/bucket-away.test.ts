/**
 * The folder of the bucket is on a disk that is not mounted: at a start nothing is answered as if there were no blocks, nothing is written into
 * the empty mount point, and when the disk comes back all is well without another start.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { push } from '../support/push-client.ts';
import { ask } from '../support/query-client.ts';
import { startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { GiveUp, waitFor } from '../support/wait-until.ts';

const dayMs = 86_400_000;

it('a bucket whose folder is away at the start is named, and not taken for an empty one', {
  timeout: 120_000,
}, async () => {
  await using folder = await tempFolder('bucket-away');
  const bucket = join(folder.path, 'mount');
  await using maru = await startMaru({
    args: [
      `--bucket.filesystem.directory=${bucket}`,
      '--self-metrics.tenant=none',
      '--limits.past-grace-period=0',
      '--head.cut-delay=0s',
      '--head.idle-delay=1s',
      '--ingester.ship-interval=1s',
      '--compactor.cleanup-interval=1s',
    ],
  });
  const at = Math.floor(Date.now() / 1000) * 1000 - 5 * dayMs;
  const answer = await push(maru.baseUrl, [{ labels: [['__name__', 'm']], samples: [{ t: at, v: 7 }] }], {
    protocol: 'v2',
  });
  assert.equal(answer.status, 204, answer.text);
  const query = () => ask({ baseUrl: maru.queryUrl }, 'query', { query: 'm', time: at / 1000 });
  const indexIsThere = async () =>
    (await readdir(join(bucket, 'anonymous'))).includes('bucket-index.json.gz') || undefined;
  await waitFor('the index names the block', indexIsThere);
  const before = await query();
  assert.equal(before.status, 'success');
  await maru.stop();

  await rename(bucket, `${bucket}-away`);
  await mkdir(bucket);
  maru.launch();
  const reason = await waitFor('/ready says why not', async () => {
    const response = await fetch(`${maru.baseUrl}/ready`);
    const text = await response.text();
    return response.status === 503 && text.includes('bucket') ? text : undefined;
  });
  assert.match(reason, /mount is not the one that was there before .* is it mounted\?/);
  await waitFor('a query is an error that names it', async () => {
    const away = await query();
    if (away.status === 'success') throw new GiveUp(`answered ${JSON.stringify(away.data)}`);
    return /mount is not the one that was there before/.test(away.error ?? '') || undefined;
  });
  assert.deepEqual(await readdir(bucket), []);

  await rmdir(bucket);
  await rename(`${bucket}-away`, bucket);
  await maru.ready();
  assert.deepEqual((await query()).data, before.data);

  await rename(bucket, `${bucket}-away`);
  await waitFor('/ready names it, and stays 200: writes go on', async () => {
    const response = await fetch(`${maru.baseUrl}/ready`);
    assert.equal(response.status, 200);
    return /^ready\nbucket: .*mount is not the one that was there before/.test(await response.text()) || undefined;
  });
  const taken = await push(maru.baseUrl, [{ labels: [['__name__', 'n']], samples: [{ t: Date.now(), v: 1 }] }], {
    protocol: 'v2',
  });
  assert.equal(taken.status, 204, taken.text);
  await rename(`${bucket}-away`, bucket);
  await waitFor('/ready has nothing to say', async () =>
    (await (await fetch(`${maru.baseUrl}/ready`)).text()) === 'ready\n' ? true : undefined,
  );
});
