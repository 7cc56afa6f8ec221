import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId } from '../model/tenant-id.ts';
import { partitionsSharing, ShardSizes } from './partition-share.ts';
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

describe('the partitions that a tenant is spread over, when they change', () => {
  const tenant = parseTenantId('a');
  for (const { name, asked } of [
    {
      name: 'more do not count before the series of the few have left the memory',
      asked: [
        [0, 1, 1],
        [1, 3, 1],
        [4.9, 3, 1],
        [5, 3, 3],
      ],
    },
    {
      name: 'all is more than any number',
      asked: [
        [0, 2, 2],
        [1, 0, 2],
        [5, 0, 0],
      ],
    },
    {
      name: 'fewer count at once',
      asked: [
        [0, 0, 0],
        [1, 2, 2],
      ],
    },
    {
      name: 'there and back',
      asked: [
        [0, 1, 1],
        [1, 3, 1],
        [2, 1, 1],
        [3, 4, 1],
        [6.9, 4, 1],
        [7, 4, 4],
      ],
    },
  ] satisfies { name: string; asked: (readonly [atHours: number, size: number, settled: number])[] }[]) {
    it(name, () => {
      const sizes = new ShardSizes();
      for (const [hours, size, settled] of asked) {
        assert.equal(sizes.settled(tenant, size, nowMs + hours * hourMs), settled, `at ${hours} h`);
      }
    });
  }

  it('are of each tenant alone', () => {
    const sizes = new ShardSizes();
    sizes.settled(tenant, 1, nowMs);
    assert.equal(sizes.settled(parseTenantId('b'), 3, nowMs), 3);
  });
});
