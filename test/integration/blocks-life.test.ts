/**
 * The life of samples in a whole Maru: head, local block, bucket. Asked at every moment, killed in between, the answer is the same.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { describeEachCarrier } from '../support/carriers.ts';
import { push } from '../support/push-client.ts';
import { queryAt } from '../support/query-client.ts';
import { waitFor } from '../support/wait-until.ts';

const hourMs = 3_600_000;

async function metric(baseUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${baseUrl}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:{[^}]*})? (.*)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

describeEachCarrier('samples on their way into the bucket', { timeout: 120_000 }, (start) => {
  it('are answered alike from head, local block and bucket, and after a kill', async () => {
    const now = Math.floor(Date.now() / 1000) * 1000;
    await using maru = await start({
      args: [
        '--head.cut-delay=0s',
        '--head.idle-delay=1s',
        '--ingester.ship-interval=1s',
        '--compactor.cleanup-interval=1s',
        '--compactor.first-level-compaction-wait-period=30d',
        '--query.bucket-index-refresh=500ms',
      ],
    });
    const times = Array.from({ length: 11 * 60 }, (_, i) => now - 11 * hourMs + i * 60_000);
    for (let i = 0; i < 5; i++) {
      const answer = await push(
        maru.baseUrl,
        [
          {
            labels: [
              ['__name__', 'm'],
              ['i', `${i}`],
            ],
            samples: times.map((t) => ({ t, v: t / 1000 + i })),
          },
        ],
        { protocol: 'v2' },
      );
      assert.equal(answer.status, 204, answer.text);
    }
    const ask = async () => {
      const { result } = await queryAt({ baseUrl: maru.queryUrl }, 'm[12h]', now / 1000);
      return result.map(({ metric: labels, values = [] }) => [labels['i'], values.length, values[0], values.at(-1)]);
    };
    const before = await ask();
    assert.equal(before.length, 5);
    assert.ok(before.every(([, count]) => count === times.length));
    await maru.kill();
    maru.launch();
    await maru.ready();
    assert.deepEqual(await ask(), before);
    await waitFor('five blocks are in the bucket', async () =>
      (await metric(maru.roomUrl('ingester'), 'maru_ingester_shipped_blocks_total')) >= 5 ? true : undefined,
    );
    assert.deepEqual(await ask(), before);
    const blocks = await readdir(join(maru.bucket, 'anonymous'));
    assert.ok(blocks.filter((name) => /^[0-9A-Z]{26}$/.test(name)).length >= 5, blocks.join());
    await waitFor('the index has them', async () =>
      (await metric(maru.roomUrl('compactor'), 'maru_compactor_blocks')) >= 5 ? true : undefined,
    );
    await waitFor('the store-gateway was asked', async () => {
      assert.deepEqual(await ask(), before);
      const queries = await metric(maru.roomUrl('store-gateway'), 'maru_store_gateway_queries_total');
      // In one process the ingester answers for what it still has.
      return queries > 0 || maru.roomUrl('store-gateway') === maru.baseUrl ? true : undefined;
    });
  });
});
