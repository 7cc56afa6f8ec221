/** A query whose labels are more than one querier may hold for it: it is answered in shards. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { push } from '../support/push-client.ts';
import { ask, type QueryData } from '../support/query-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';

describe('labels of a query that are too many for one querier', { timeout: 180_000 }, () => {
  let cluster: Cluster;
  const nowMs = Date.now();

  before(async () => {
    const sharding = '--query-frontend.query-sharding-target-series-per-shard=1000';
    const args = ['--limits.past-grace-period=0', sharding, '--query.max-memory-bytes=4MiB'];
    cluster = await startCluster({
      zones: ['a'],
      partitions: 2,
      replicationFactor: 1,
      frontends: 1,
      queriers: 2,
      args,
    });
    const common = Array.from({ length: 22 }, (_, i) => [`l${String(i).padStart(2, '0')}`, `value-${i}`] as const);
    for (let first = 0; first < 20_000; first += 2_000) {
      const series = Array.from({ length: 2_000 }, (_, i) => ({
        labels: [['__name__', 'm'], ...common, ['pod', `pod-aaaaaaaaaaaaaaaaaaaaaaaaa-${first + i}`]] as const,
        samples: [{ t: nowMs - 15_000, v: i }],
      }));
      assert.equal((await push(cluster.distributor.baseUrl, series, { protocol: 'v2' })).status, 204);
    }
  });

  after(() => cluster?.[Symbol.asyncDispose]());

  for (const [query, value] of [
    ['count(m)', '20000'],
    ['sum(m)', '19990000'],
  ] as const) {
    it(`${query} is asked in shards`, async () => {
      const target = { baseUrl: cluster.frontend?.queryUrl ?? '' };
      const at = nowMs / 1000;
      const range = { start: at - 14, end: at, step: 14 };
      const { data, error } = await ask(target, 'query_range', { query, ...range });
      assert.equal(error, undefined);
      const values = (data as QueryData).result.map((series) => series.values?.map((pair) => pair[1]));
      assert.deepEqual(values, [[value, value]]);
    });
  }
});
