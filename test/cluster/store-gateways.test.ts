/**
 * Blocks of the bucket over several store-gateways, as real processes: while one is added, killed, frozen, or told to leave, every answer
 * has every sample.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { uploadBlock } from '../../libs/blocks/upload-block.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { FilesystemBucket } from '../../libs/object-store/filesystem.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { writeTestBlock } from '../../libs/tsdb/block/block.testing.ts';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { freePort } from '../support/free-port.ts';
import { ask } from '../support/query-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type Maru, startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const hourMs = 3_600_000;
const tenant = parseTenantId('anonymous');
const blockCount = 36;
const seriesCount = 120;
const stepMs = 60_000;
const samplesPerBlock = (2 * hourMs) / stepMs;

async function metric(maru: Maru, name: string): Promise<number> {
  const text = await (await fetch(`${maru.baseUrl}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:{[^}]*})? (.*)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

interface RingPage {
  readonly storeGateways: readonly { readonly instance: string; readonly answers: boolean | null }[];
}

/** Who the querier sees among the store-gateways. */
async function gatewaysSeen(cluster: Cluster): Promise<string> {
  const page = (await (await fetch(`${cluster.querier.baseUrl}/ingester/partition-ring`)).json()) as RingPage;
  return page.storeGateways.map(({ instance, answers }) => `${instance} ${answers}`).join(', ');
}

const waitForGateways = (cluster: Cluster, wanted: string): Promise<true> =>
  waitFor(`the querier sees ${wanted}`, async () => ((await gatewaysSeen(cluster)) === wanted ? true : undefined));

describe('several store-gateways', { timeout: 240_000 }, () => {
  const end = Math.floor(Date.now() / (24 * hourMs)) * 24 * hourMs - 24 * hourMs;
  const begin = end - blockCount * 2 * hourMs;
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({
      zones: ['a', 'b'],
      partitions: 1,
      replicationFactor: 2,
      storeGateways: 2,
      compactors: 1,
      args: [
        '--store-gateway.sync-interval=1s',
        '--compactor.cleanup-interval=1s',
        '--compactor.first-level-compaction-wait-period=30d',
        '--query.bucket-index-refresh=500ms',
      ],
    });
    await using folder = await tempFolder('cut');
    const bucket = new FilesystemBucket(cluster.bucket);
    const { signal } = new AbortController();
    for (let i = 0; i < blockCount; i++) {
      const from = begin + i * 2 * hourMs;
      const series = Array.from({ length: seriesCount }, (_, n) => ({
        labels: Labels.from([
          ['__name__', 'm'],
          ['n', `${n}`],
        ]),
        samples: Array.from({ length: samplesPerBlock }, (_, j) => ({ t: from + j * stepMs, v: n + 1 })),
      }));
      const ulid = makeUlid(from + i, randomBytes(10));
      await writeTestBlock({
        disk: realDisk,
        directory: folder.path,
        ulid,
        series,
        extras: { minTime: from, maxTime: from + 2 * hourMs },
      });
      await uploadBlock(bucket, tenant, ulid, join(folder.path, ulid), signal);
    }
    await waitFor('the index has all blocks', async () =>
      (await metric(cluster.compactors[0] as Maru, 'maru_compactor_blocks')) === blockCount ? true : undefined,
    );
    // The index that the querier read before is too old by now or will soon be.
    await waitFor('an answer over all blocks', async () => ((await whole()) === undefined ? true : undefined));
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  /** Asks for every sample; what is wrong with the answer. */
  async function whole(): Promise<string | undefined> {
    const range = `${(end - begin) / 1000}s`;
    const answer = await ask({ baseUrl: cluster.querier.queryUrl }, 'query', {
      query: `count_over_time(m[${range}]) * sum_over_time(m[${range}])`,
      time: end / 1000 - 1,
    });
    if (answer.status !== 'success') return JSON.stringify(answer);
    const { result } = answer.data as { result: { metric: Record<string, string>; value: [number, string] }[] };
    const count = blockCount * samplesPerBlock;
    const wrong = result.filter(({ metric: { n }, value: [, v] }) => Number(v) !== count * count * (Number(n) + 1));
    if (result.length === seriesCount && wrong.length === 0) return undefined;
    return `${result.length} series, ${wrong.length} of them wrong: ${JSON.stringify(wrong.slice(0, 2))}`;
  }

  /** Asks again and again, several at a time, while `act` goes on. */
  async function wholeMeanwhile(act: () => Promise<void>): Promise<number> {
    let isOver = false;
    let asked = 0;
    const asking = async (): Promise<void> => {
      while (!isOver) {
        assert.equal(await whole(), undefined);
        asked++;
      }
    };
    const acting = act().finally(() => {
      isOver = true;
    });
    await Promise.all([acting, asking(), asking()]);
    return asked;
  }

  const gateway = (i: number): Maru => {
    const found = cluster.storeGateways[i];
    assert.ok(found !== undefined);
    return found;
  };

  it('each answers for its share', async () => {
    await waitForGateways(cluster, 'store-gateway-0 true, store-gateway-1 true');
    assert.equal(await whole(), undefined);
    const open = async () =>
      Promise.all(cluster.storeGateways.map((one) => metric(one, 'maru_store_gateway_blocks_read_total')));
    const listed = await ask({ baseUrl: cluster.querier.queryUrl }, 'status/tsdb/blocks');
    assert.equal((listed.data as { blocks: unknown[] }).blocks.length, blockCount);
    // The own zone answers where both have a block; both have all of them.
    assert.ok(((await open())[0] ?? 0) >= blockCount, String(await open()));
  });

  it('one is killed, and comes back: every answer is whole', async () => {
    for (const i of [0, 1]) {
      await wholeMeanwhile(async () => {
        const before = await metric(gateway(1 - i), 'maru_store_gateway_blocks_read_total');
        await gateway(i).kill();
        await waitFor('the other answers for all', async () =>
          (await metric(gateway(1 - i), 'maru_store_gateway_blocks_read_total')) >= before + 2 * blockCount
            ? true
            : undefined,
        );
        gateway(i).launch();
        await gateway(i).ready();
        await waitForGateways(cluster, 'store-gateway-0 true, store-gateway-1 true');
      });
    }
  });

  it('one is frozen, and goes on: every answer is whole', async () => {
    await wholeMeanwhile(async () => {
      gateway(0).signal('SIGSTOP');
      try {
        await waitForGateways(cluster, 'store-gateway-0 false, store-gateway-1 true');
        assert.equal(await whole(), undefined);
      } finally {
        gateway(0).signal('SIGCONT');
      }
      await waitForGateways(cluster, 'store-gateway-0 true, store-gateway-1 true');
    });
  });

  it('a third one joins and takes its share, leaves, comes back, and is taken out when it is dead: every answer is whole', async () => {
    await using folder = await tempFolder('third');
    await wholeMeanwhile(async () => {
      await using third = await startMaru({
        args: [...cluster.flags('store-gateway', 'store-gateway-2', 'a'), `--server.grpc-port=${await freePort()}`],
        dataDir: join(folder.path, 'data'),
      });
      await waitForGateways(cluster, 'store-gateway-0 true, store-gateway-2 true, store-gateway-1 true');
      await waitFor('it answers', async () =>
        (await metric(third, 'maru_store_gateway_blocks_read_total')) >= blockCount ? true : undefined,
      );
      const response = await fetch(`${third.baseUrl}/store-gateway/leave`, { method: 'POST' });
      assert.equal(response.status, 200, await response.text());
      await waitForGateways(cluster, 'store-gateway-0 true, store-gateway-1 true');
      await third.kill();
      third.launch();
      await third.ready();
      await waitForGateways(cluster, 'store-gateway-0 true, store-gateway-2 true, store-gateway-1 true');
      await third.kill();
      const leave = (instance: string): Promise<Response> =>
        fetch(`${cluster.querier.baseUrl}/store-gateway/leave?instance=${instance}&zone=a`, { method: 'POST' });
      const unknown = await leave('store-gateway-9');
      assert.equal(unknown.status, 404, await unknown.text());
      const gone = await leave('store-gateway-2');
      assert.equal(gone.status, 200, await gone.text());
      await waitForGateways(cluster, 'store-gateway-0 true, store-gateway-1 true');
    });
  });

  it('both are gone: an error that names a block; recent samples are answered', async () => {
    await gateway(0).kill();
    await gateway(1).kill();
    const reason = await whole();
    assert.match(
      String(reason),
      /block 01[0-9A-Z]{24} and \d+ more of tenant anonymous cannot be read: .*store-gateway-/,
    );
    const recent = await ask({ baseUrl: cluster.querier.queryUrl }, 'query', { query: 'm', time: Date.now() / 1000 });
    assert.equal(recent.status, 'success', JSON.stringify(recent));
    for (const one of cluster.storeGateways) one.launch();
    for (const one of cluster.storeGateways) await one.ready();
    await waitForGateways(cluster, 'store-gateway-0 true, store-gateway-1 true');
    await waitFor('whole again', async () => ((await whole()) === undefined ? true : undefined));
  });
});
