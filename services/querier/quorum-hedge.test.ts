/** An owner that is asked because others let a read wait: it may not make a query fail which fits without it, nor be read for nobody. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { RingTable } from '../../libs/ring/table.ts';
import type { SelectedSeries, SelectQuery, SeriesSource } from '../../libs/series/series-source.ts';
import { LabelMemory } from './label-memory.ts';
import { LogFreshness } from './log-freshness.ts';
import { MemorySource } from './memory-source.testing.ts';
import { QuorumSource, type ReadPeer } from './quorum-source.ts';

const zones = ['a', 'b', 'c'];
const owners = zones.map((zone) => {
  return { instance: zone, zone, address: '', incarnation: '', starts: 1, completeFromMs: 0 };
});
const table = {
  ...{ version: 1, clusterId: 'c', epoch: 1, replicationFactor: 3, gateways: [] },
  partitions: [{ id: 0, state: 'active', stateSinceMs: 0, owners }],
} as unknown as RingTable;

/** Selects from three owners. @param bytesMax of label tables */
async function selectOf(
  bytesMax: number,
  read: (owner: string, query: SelectQuery) => Promise<void>,
  applied: (owner: string) => Promise<number> = async () => 0,
  freshness?: LogFreshness,
) {
  const peerOf = (owner: string): ReadPeer => {
    const source = (): SeriesSource =>
      new (class extends MemorySource {
        override async select(query: SelectQuery): Promise<SelectedSeries> {
          await read(owner, query);
          return super.select({ matchers: [], minT: 0, maxT: 10_000 });
        }
      })([{ labels: { __name__: 'm' }, samples: [[1_500, 1]] }]);
    const peer = { answers: true, durableBeforeMs: 0, applied: () => applied(owner), source };
    return peer as unknown as ReadPeer;
  };
  const memory = new LabelMemory(bytesMax, 1 << 20);
  const held = memory.hold(parseTenantId('t'), { kind: 'syntax', wanted: 'text', query: 'm' });
  const deps = { table: () => table, heardEpoch: () => 1, refresh: async () => undefined, zone: 'a', freshness };
  const source = new QuorumSource({ ...deps, peerOf: ({ instance }) => peerOf(instance), onRead: undefined });
  const query = { matchers: [], minT: 0, maxT: 10_000, memory: held };
  await source.select(query, new AbortController().signal);
  return memory;
}

const following = (): LogFreshness => new LogFreshness({ consistency: 'default', ends: async () => [5] });

it('a table that is one too many is let go where the others suffice', async () => {
  const { promise: tooMuch, resolve } = Promise.withResolvers<void>();
  const memory = await selectOf(250, async (owner, query) => {
    try {
      query.memory?.take(60, 20);
      query.memory?.take(20, 0);
    } catch (error) {
      resolve();
      throw error;
    }
    if (owner !== 'c') await tooMuch;
  });
  assert.equal(memory.used, 160);
});

it('where the others do not suffice, it is the error', async () => {
  const selecting = selectOf(150, async (_, query) => query.memory?.take(100, 0));
  await assert.rejects(selecting, { kind: 'query_limit' });
});

it('one that has followed the log when another one has answered is not read', async () => {
  const { promise: followed, resolve } = Promise.withResolvers<number>();
  const read: string[] = [];
  const memory = await selectOf(
    1000,
    async (owner, query) => {
      read.push(owner);
      query.memory?.take(80, 20);
    },
    async (owner) => (owner === 'a' ? followed : 5),
    following(),
  );
  resolve(5);
  await turn();
  assert.deepEqual(read, ['b']);
  assert.equal(memory.used, 80);
});

it('a table that is one too many is let go behind a log, too', async () => {
  const { promise: tooMuch, resolve } = Promise.withResolvers<void>();
  const memory = await selectOf(
    150,
    async (_, query) => {
      try {
        query.memory?.take(80, 20);
      } catch (error) {
        resolve();
        throw error;
      }
      await tooMuch;
    },
    async () => 5,
    following(),
  );
  assert.equal(memory.used, 80);
});

it('what one took that died is given back behind a log, too; of the last one it is the error', async () => {
  const memory = await selectOf(
    150,
    async (owner, query) => {
      query.memory?.take(80, 20);
      if (owner === 'a') throw new Failure('unavailable', 'it died');
    },
    async () => 5,
    following(),
  );
  assert.equal(memory.used, 80);
  const refused = selectOf(
    50,
    async (_, query) => query.memory?.take(80, 20),
    async () => 5,
    following(),
  );
  await assert.rejects(refused, { kind: 'query_limit' });
});
