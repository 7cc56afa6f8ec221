/** What a process reports of the ring. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Owner, RingTable } from '../../libs/ring/table.ts';
import { Metrics } from '../../libs/telemetry/metrics.ts';
import { registerClusterMetrics } from './metrics.ts';

const ownerIn = (zone: string, completeFromMs: number): Owner => ({
  instance: `ingester-${zone}-2`,
  zone,
  address: `${zone}:1`,
  incarnation: '1',
  starts: 1,
  completeFromMs,
});

describe('metrics of the ring', () => {
  it('say which owner lacks something', async () => {
    const table: RingTable = {
      version: 1,
      clusterId: 'c',
      epoch: 3,
      replicationFactor: 2,
      partitions: [{ id: 2, state: 'active', stateSinceMs: 0, owners: [ownerIn('a', 0), ownerIn('b', 17)] }],
      gateways: [],
    };
    const metrics = new Metrics('0');
    registerClusterMetrics(metrics, { table: () => table, peers: () => undefined, gateways: () => undefined });
    const lines = (await metrics.registry.metrics())
      .split('\n')
      .filter((line) => line.startsWith('maru_ring_owner_whole'));
    assert.deepEqual(lines, [
      'maru_ring_owner_whole{partition="2",peer="ingester-a-2",zone="a"} 1',
      'maru_ring_owner_whole{partition="2",peer="ingester-b-2",zone="b"} 0',
    ]);
  });
});
