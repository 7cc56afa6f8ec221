import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { partitionsSharing } from './partition-share.ts';
import type { PartitionState, RingTable } from './table.ts';

const hourMs = 3_600_000;
const nowMs = 100 * hourMs;
const tableOf = (...partitions: readonly (readonly [PartitionState, ageHours: number])[]): RingTable => ({
  version: 1,
  clusterId: 'c',
  epoch: 1,
  replicationFactor: 1,
  gateways: [],
  partitions: partitions.map(([state, hours], id) => ({ id, state, stateSinceMs: nowMs - hours * hourMs, owners: [] })),
});

describe('partitions that share a limit', () => {
  for (const { name, table, shardSize = 0, count } of [
    { name: 'none is known', table: undefined, count: 1 },
    { name: 'a new cluster: all of them', table: tableOf(['active', 0], ['active', 0], ['pending', 0]), count: 2 },
    { name: 'one has just come', table: tableOf(['active', 9], ['active', 9], ['active', 1]), count: 2 },
    {
      name: 'it has been there for long enough',
      table: tableOf(['active', 9], ['active', 9], ['active', 5]),
      count: 3,
    },
    { name: 'one takes no writes any more', table: tableOf(['active', 9], ['inactive', 9]), count: 1 },
    {
      name: 'a tenant has a part of them',
      table: tableOf(['active', 9], ['active', 9], ['active', 9]),
      shardSize: 2,
      count: 2,
    },
    { name: 'or more than there are', table: tableOf(['active', 9], ['active', 9]), shardSize: 5, count: 2 },
  ]) {
    it(`${name}: ${count}`, () => assert.equal(partitionsSharing(table, shardSize, nowMs), count));
  }
});
