/**
 * A query-frontend with real queriers behind it: what the client sees when one of them is killed, frozen or stops, when the
 * frontend itself stops, and when somebody who does not belong wants its work.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { push } from '../support/push-client.ts';
import { ask, type QueryData } from '../support/query-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type Maru, runMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

let lates = 1;
const seriesCount = 600;

describe('a query-frontend', { timeout: 180_000 }, () => {
  let cluster: Cluster;
  let target: { baseUrl: string };
  const nowMs = Date.now();
  before(async () => {
    cluster = await startCluster({
      zones: ['a'],
      partitions: 1,
      replicationFactor: 1,
      frontends: 1,
      queriers: 2,
      args: ['--limits.past-grace-period=0'],
      env: { MARU_CLUSTER_SECRET: 'between us' },
    });
    const series = Array.from({ length: seriesCount }, (_, i) => ({
      labels: [
        ['__name__', 'm'],
        ['i', String(i)],
      ] as const,
      samples: Array.from({ length: 60 }, (_, k) => ({ t: nowMs - (60 - k) * 15_000, v: i + k })),
    }));
    assert.equal((await push(cluster.distributor.baseUrl, series, { protocol: 'v2' })).status, 204);
    const days = Array.from({ length: 5 }, (_, i) => ({
      labels: [
        ['__name__', 'days_total'],
        ['i', String(i)],
      ] as const,
      samples: Array.from({ length: 3 * 24 * 6 }, (_, k) => ({
        t: nowMs - k * 600_000,
        v: (432 - k) * (i + 1),
      })).reverse(),
    }));
    assert.equal((await push(cluster.distributor.baseUrl, days, { protocol: 'v2' })).status, 204);
    target = { baseUrl: cluster.frontend?.queryUrl ?? '' };
    await bothQueriers();
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${cluster.frontend?.baseUrl}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  };
  const bothQueriers = () =>
    waitFor('both queriers take work', async () =>
      (await metric('maru_query_frontend_queriers')) === 2 ? true : undefined,
    );
  const range = { start: nowMs / 1000 - 900, end: nowMs / 1000, step: 1 };
  /** Some hundreds of milliseconds of work. */
  const long = 'sum(quantile_over_time(0.5, m[15m:1s]))';
  const asked = async (query = long) => {
    const answer = await ask(target, 'query_range', { query, ...range });
    assert.equal(answer.status, 'success', JSON.stringify(answer).slice(0, 300));
    return JSON.stringify((answer.data as QueryData).result);
  };

  it('has no table of the ring, and says so; who has one shows it', async () => {
    const ringOf = async (maru: Maru | undefined): Promise<string> => {
      const response = await fetch(`${maru?.baseUrl}/ingester/partition-ring`);
      return `${response.status} ${await response.text()}`;
    };
    assert.match(await ringOf(cluster.frontend), /^404 .*needs no table of the ring/);
    for (const maru of [cluster.querier, cluster.distributor, cluster.ingesters.get('a-0')]) {
      assert.match(await ringOf(maru), /^200 \{"clusterId":"maru","epoch":[1-9]/);
    }
  });

  it('answers like a querier', async () => {
    for (const query of ['m{i="7"}', 'sum(m)', 'topk(3, m)']) {
      const plain = await ask({ baseUrl: cluster.querier.queryUrl }, 'query_range', { query, ...range });
      assert.deepEqual(await ask(target, 'query_range', { query, ...range }), plain);
    }
    const threeDays = { start: nowMs / 1000 - 3 * 86_400, end: nowMs / 1000, step: 600 };
    for (const query of ['days_total', 'sum(rate(days_total[1h]))', 'topk(2, days_total) > 5', 'days_total @ end()']) {
      const plain = await ask({ baseUrl: cluster.querier.queryUrl }, 'query_range', { query, ...threeDays });
      assert.equal(plain.status, 'success', JSON.stringify(plain));
      assert.ok((plain.data as QueryData).result.length > 0, query);
      assert.deepEqual(await ask(target, 'query_range', { query, ...threeDays }), plain);
    }
    assert.ok((await metric('maru_query_frontend_parts_total')) >= 12);
    const bad = await ask(target, 'query', { query: 'sum(' });
    assert.equal(bad.errorType, 'bad_data');
  });

  it('keeps answers, and none of them is served when something was written since', async () => {
    const cells = (outcome: string) => metric(`maru_query_frontend_cache_cells_total\\{outcome="${outcome}"\\}`);
    for (const [query, step] of [
      ['rate(days_total[2h])', 600],
      ['sum by (i) (days_total)', 60],
    ] as const) {
      // On cells' own begins, and off them.
      for (const offset of [0, 37]) {
        const end = Math.floor(nowMs / 1000 / step) * step + offset;
        // Holds a whole day (UTC) that is over, whatever the hour: such days are the cells of the longer step.
        const params = { query, start: end - 49 * 3600, end, step };
        const both = async () => {
          const plain = await ask({ baseUrl: cluster.querier.queryUrl }, 'query_range', params);
          assert.ok((plain.data as QueryData).result.length > 0);
          assert.deepEqual(await ask(target, 'query_range', params), plain);
        };
        await both();
        const before = { hits: await cells('hit'), parts: await metric('maru_query_frontend_parts_total') };
        await both();
        assert.ok((await cells('hit')) > before.hits, 'the second answer comes from what was kept');
        assert.ok((await metric('maru_query_frontend_parts_total')) <= before.parts + 3);
        // One of the two is within that day.
        const stale = await cells('stale');
        for (const ageMs of [30 * 3_600_000, 18 * 3_600_000]) {
          const late = {
            labels: [
              ['__name__', 'days_total'],
              ['i', '3'],
            ] as const,
            samples: [{ t: nowMs - ageMs - lates++, v: 5e6 }],
          };
          assert.equal((await push(cluster.distributor.baseUrl, [late], { protocol: 'v2' })).status, 204);
          await both();
        }
        assert.ok((await cells('stale')) > stale, 'what was kept had changed');
        const hits = await cells('hit');
        const url = `${target.baseUrl}/api/v1/query_range?query=${encodeURIComponent(query)}&start=${params.start}&end=${end}&step=${step}`;
        const fresh = await fetch(url, { headers: { 'cache-control': 'no-store' } });
        assert.equal(fresh.status, 200);
        await fresh.arrayBuffer();
        assert.equal(await cells('hit'), hits, 'no-store is obeyed');
      }
    }
  });

  it('a small question of another tenant does not wait for all that one asks', async () => {
    const ones = Array.from({ length: 400 }, (_, i) => `sum(quantile_over_time(${i / 1000}, m[15m:1s]))`);
    const body = new URLSearchParams({
      query: ones.join(' + '),
      start: `${range.start}`,
      end: `${range.end}`,
      step: '1',
    });
    const enough = new AbortController();
    // More than queriers have workers for, each of minutes.
    const long = Array.from({ length: 40 }, () =>
      fetch(`${target.baseUrl}/api/v1/query_range`, { method: 'POST', body, signal: enough.signal }).catch(
        () => undefined,
      ),
    );
    const waiting = () => metric('maru_query_frontend_queue_length\\{lane="evaluations"\\}');
    await waitFor('no worker is left', async () => ((await waiting()) > 0 ? true : undefined));
    const answer = await ask({ ...target, tenant: 'another' }, 'query', { query: '6 * 7' });
    assert.equal(answer.status, 'success', JSON.stringify(answer));
    assert.ok((await waiting()) > 0);
    enough.abort();
    await Promise.all(long);
    await waitFor('they end', async () => ((await metric('maru_query_frontend_in_hand')) === 0 ? true : undefined));
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`a querier that gets ${signal} mid-query is not noticed`, async () => {
      const expected = await asked();
      const answers = Array.from({ length: 6 }, () => asked());
      await waitFor(
        'they run',
        async () => {
          const text = await (await fetch(`${cluster.queriers[1]?.baseUrl}/metrics`)).text();
          return /^maru_querier_running [1-9]/m.test(text) ? true : undefined;
        },
        { everyMs: 5 },
      );
      cluster.queriers[1]?.signal(signal);
      for (const answer of await Promise.all(answers)) assert.equal(answer, expected);
      await cluster.queriers[1]?.exited();
      if (signal === 'SIGKILL') assert.ok((await metric('maru_query_frontend_retries_total')) > 0);
      cluster.queriers[1]?.launch();
      await cluster.queriers[1]?.ready();
      await bothQueriers();
    });
  }

  it('a querier with another secret or cluster gets no work, and is told why', async () => {
    for (const { flags, secret, words } of [
      { flags: [], secret: 'another', words: /cluster\.secret/ },
      { flags: ['--cluster.id=another'], secret: 'between us', words: /belongs to cluster/ },
    ]) {
      await using folder = await tempFolder('intruder');
      const child = runMaru(
        [
          '--target=querier',
          '--cluster.instance=intruder',
          `--data-dir=${folder.path}`,
          `--server.http-port=${await freePort()}`,
          `--query.frontend-addresses=${cluster.frontendAddresses}`,
          ...flags,
        ],
        { env: { MARU_CLUSTER_SECRET: secret } },
      );
      await waitFor('refused', () => (words.test(child.output()) ? true : undefined));
      child.signal('SIGKILL');
      await child.exited;
    }
    assert.equal(await metric('maru_query_frontend_queriers'), 2);
  });

  it('a frontend that gets SIGTERM finishes its queries', async () => {
    const expected = await asked();
    const answers = Array.from({ length: 4 }, () => asked());
    await waitFor('they run', async () => ((await metric('maru_query_frontend_in_hand')) > 0 ? true : undefined), {
      everyMs: 5,
    });
    const exited = cluster.frontend?.stop();
    for (const answer of await Promise.all(answers)) assert.equal(answer, expected);
    assert.equal((await exited)?.code, 0);
  });
});
