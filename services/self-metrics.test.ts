import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pino } from 'pino';
import type { IngesterContract } from '../libs/contracts/ingester.ts';
import type { WriteBatch } from '../libs/contracts/write-batch.ts';
import { labelsOfCanonical } from '../libs/model/canonical-labels.ts';
import { parseTenantId } from '../libs/model/tenant-id.ts';
import { Metrics } from '../libs/telemetry/metrics.ts';
import { startSelfMetrics } from './self-metrics.ts';

it('metrics of many tenants are written a part a turn of the event loop, each once', async () => {
  const metrics = new Metrics('1.2.3');
  const tenants = Array.from({ length: 2_500 }, (_, i) => ({ labels: { tenant: `t${i}` }, value: i }));
  metrics.gaugeOf('maru_series', 'Series in memory.', ['tenant'], () => tenants);
  let turns = 0;
  const count = (): void => {
    turns++;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  const pushed: WriteBatch[] = [];
  const turnOf: number[] = [];
  const ingester: Pick<IngesterContract, 'push'> = {
    push: async (batch) => {
      pushed.push(batch);
      turnOf.push(turns);
      return { refs: new Uint32Array(batch.seriesCount), rejected: [], exemplarsDropped: 0 };
    },
  };
  const log = pino({ enabled: false });
  const options = { tenant: parseTenantId('own'), instance: 'host', registry: metrics.registry, intervalMs: 1e9, log };
  await startSelfMetrics(ingester, options).stop();
  clearImmediate(counting);
  assert.ok(
    pushed.every(({ seriesCount }) => seriesCount <= 1_000),
    'no write is large',
  );
  assert.equal(new Set(turnOf).size, pushed.length, 'others have turns between them');
  const found = new Map<string, number>();
  for (const { seriesCount, labelBytes, labelsBegin, labelsEnd, sampleV, sampleT } of pushed) {
    for (let i = 0; i < seriesCount; i++) {
      assert.equal(sampleT[i], pushed[0]?.sampleT[0], 'all are of one time');
      const labels = labelsOfCanonical(labelBytes, labelsBegin[i] as number, labelsEnd[i] as number);
      if (labels.get('__name__') === 'maru_series') found.set(labels.get('tenant'), sampleV[i] as number);
      assert.deepEqual([labels.get('job'), labels.get('instance')], ['maru', 'host']);
    }
  }
  assert.deepEqual(found, new Map(tenants.map(({ labels, value }) => [labels.tenant, value])));
  const told = pushed.flatMap(({ metadata }) => metadata).filter(({ metric }) => metric === 'maru_series');
  assert.deepEqual(told, [{ metric: 'maru_series', type: 'gauge', help: 'Series in memory.', unit: '' }]);
});
